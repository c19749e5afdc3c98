"""The image's sources: Debian's sources of this machine's apt, in both formats, and no others."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from provision.core.errors import LabError
from provision.lab import apt
from provision.lab.apt import PackageIndex, Source

ONE_LINE = """\
# deb http://old.example.org/debian bookworm main
deb http://mirror.example.org/debian bookworm main contrib  # of the site
deb [arch=amd64 signed-by=/etc/apt/keyrings/site.gpg] https://mirror.example.org/security/ \
bookworm-security main
deb-src http://mirror.example.org/debian bookworm main
deb cdrom:[Debian GNU/Linux 12 _Bookworm_]/ bookworm main
deb [trusted=yes] file:/opt/packages ./
deb https://vendor.example.com/php bookworm main
"""

DEB822 = """\
# the site's mirror
Types: deb deb-src
URIs: http://mirror.example.org/debian
 http://other.example.org/debian
Suites: bookworm bookworm-updates
Components: main non-free
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEY865UxYJKwYB
 -----END PGP PUBLIC KEY BLOCK-----

enabled: no
types: deb
uris: http://off.example.org/debian
suites: bookworm
components: main


Types: deb-src
URIs: http://sources.example.org/debian
Suites: bookworm
Components: main
"""

RELEASE = PackageIndex("bookworm", "bookworm", "http://mirror.example.org/debian/")
SECURITY = PackageIndex(
    "bookworm-security", "bookworm-security", "https://mirror.example.org/security/"
)


def test_the_one_line_format_is_read() -> None:
    first, second, *others = apt.from_one_line(ONE_LINE)
    assert first == Source(
        ("http://mirror.example.org/debian",), ("bookworm",), ("main", "contrib"), {}
    )
    assert second.options == {"Signed-By": "/etc/apt/keyrings/site.gpg"}
    assert [source.uris[0] for source in others] == [
        "cdrom:[Debian",
        "file:/opt/packages",
        "https://vendor.example.com/php",
    ]


def test_the_deb822_format_is_read_without_disabled_and_source_entries() -> None:
    (source,) = apt.from_deb822(DEB822)
    assert source.uris == ("http://mirror.example.org/debian", "http://other.example.org/debian")
    assert source.suites == ("bookworm", "bookworm-updates")
    assert source.components == ("main", "non-free")
    assert source.options["Signed-By"].splitlines()[1:] == [
        " .",
        " mDMEY865UxYJKwYB",
        " -----END PGP PUBLIC KEY BLOCK-----",
    ]


def test_only_debians_sources_of_the_release_are_used() -> None:
    """A vendor's suite may have the name bookworm, too; apt knows its Origin."""
    assert apt.debian(tuple(apt.from_one_line(ONE_LINE)), [RELEASE, SECURITY], "bookworm") == (
        "Types: deb\nURIs: http://mirror.example.org/debian\nSuites: bookworm\nComponents: main\n\n"
        "Types: deb\nURIs: https://mirror.example.org/security/\n"
        "Suites: bookworm-security\nComponents: main\n"
        "Signed-By: /etc/apt/keyrings/site.gpg\n"
    )


def test_an_embedded_key_is_kept_and_a_suite_without_index_is_left_out() -> None:
    text = apt.debian(tuple(apt.from_deb822(DEB822)), [RELEASE], "bookworm")
    assert "Suites: bookworm\n" in text and "other.example.org" not in text
    assert [source.options for source in apt.from_deb822(text)] == [
        next(apt.from_deb822(DEB822)).options
    ]


def test_a_suite_with_another_name_is_found_by_its_codename() -> None:
    source = Source(("http://mirror.example.org/debian",), ("oldstable", "trixie"), ("main",), {})
    indexes = [
        PackageIndex("bookworm", "oldstable", "http://mirror.example.org/debian"),
        PackageIndex("trixie", "trixie", "x"),
    ]
    assert "Suites: oldstable\n" in apt.debian([source], indexes, "bookworm")


def test_a_login_in_the_address_is_kept_but_not_compared() -> None:
    source = Source(("http://me:secret@mirror.example.org/debian",), ("bookworm",), ("main",), {})
    assert "URIs: http://me:secret@mirror.example.org/debian\n" in apt.debian(
        [source], [RELEASE], "bookworm"
    )


@pytest.mark.parametrize("indexes", [[], [SECURITY]])
def test_for_a_machine_without_the_release_the_error_names_a_fix(
    indexes: list[PackageIndex],
) -> None:
    with pytest.raises(LabError) as caught:
        apt.debian(tuple(apt.from_one_line(ONE_LINE)), indexes, "bookworm")
    assert "has no source of Debian bookworm (main)" in str(caught.value)
    assert "apt-get update" in str(caught.value)


def test_only_connection_settings_of_apt_apply_to_the_image() -> None:
    settings = [
        'Acquire::http::Proxy "http://proxy.example.org:3128";',
        'Acquire::http::Proxy::mirror.example.org "DIRECT";',
        'Acquire::https::CAInfo "/etc/ssl/site.pem";',
        'Acquire::Check-Valid-Until "false";',
        'Acquire::Retries "3";',
    ]
    others = [
        'Acquire "";',
        'Acquire::http "";',
        'Acquire::Languages:: "none";',
        'DPkg::Post-Invoke:: "rm x";',
    ]
    assert (
        apt.connection_settings("\n".join([*others, *settings, *others]) + "\n").splitlines()
        == settings
    )


@pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt")
def test_the_files_for_mmdebstrap_come_from_this_machines_apt(tmp_path: Path) -> None:
    """With any sources of this machine: its release is found, and another is not."""
    codenames = {index.codename for index in apt.read_indexes() if "-" not in index.codename}
    for codename in codenames:
        sources, settings = apt.write(tmp_path, codename)
        assert (
            codename in sources.read_text().split("Suites:")[1] or "stable" in sources.read_text()
        )
        assert 'Dir::Etc::netrc "/' in settings.read_text()
    with pytest.raises(LabError, match="no source of Debian potato"):
        apt.write(tmp_path, "potato")
