"""The package sources of the lab's image: Debian's sources of this machine's apt, and its settings.

The settings are proxies, certificates and logins. apt knows Debian's sources by the Origin of their
signed Release files. So no other vendor's packages get into the image, even if their suite is named
`bookworm`. sources.list(5) has two formats for sources; mmdebstrap gets the newer format, deb822.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from provision.core.errors import LabError
from provision.lab.subprocesses import run

COMPONENT = "main"

# Options about the trust in a source, by their names in the one-line format (sources.list(5)).
_TRUST_OPTIONS = {
    "signed-by": "Signed-By",
    "trusted": "Trusted",
    "check-valid-until": "Check-Valid-Until",
    "check-date": "Check-Date",
}
_ONE_LINE = re.compile(
    r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>[^\s\[]\S*)\s+(?P<suite>\S+)(?P<components>.*)"
)
_SETTING = re.compile(
    r"Acquire::((https?|ftp|tor|socks)::"
    r"|(Check-Valid-Until|Check-Date|ForceIPv4|ForceIPv6|Retries|Proxy) )",
    re.IGNORECASE,
)
_LOGIN = re.compile(r"(?<=://)[^/@]*@")
_FALSE = ("no", "false", "0", "off")


@dataclass(frozen=True)
class Source:
    """An entry of apt's sources; `options` are the trust options, with all lines of a key."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    options: Mapping[str, str]


@dataclass(frozen=True)
class PackageIndex:
    """An index of Debian packages that apt has fetched: its release, suite and address."""

    codename: str
    suite: str
    uri: str


def from_one_line(text: str) -> Iterator[Source]:
    """The package sources in the text of a `*.list` file."""
    for line in text.splitlines():
        entry = _ONE_LINE.fullmatch(line.partition("#")[0].strip())
        if entry:
            words = (word.partition("=") for word in (entry["options"] or "").split())
            options = {
                _TRUST_OPTIONS[name.lower()]: value
                for name, _, value in words
                if name.lower() in _TRUST_OPTIONS
            }
            yield Source(
                (entry["uri"],), (entry["suite"],), tuple(entry["components"].split()), options
            )


def from_deb822(text: str) -> Iterator[Source]:
    """The enabled package sources in the text of a `*.sources` file."""
    lines = "\n".join(line.rstrip() for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n{2,}", lines.strip()):
        fields: dict[str, str] = {}
        for field in re.split(r"\n(?![ \t])", stanza):
            name, _, value = field.partition(":")
            fields[name.strip().lower()] = value.strip()
        words = {name: tuple(value.split()) for name, value in fields.items()}
        enabled = fields.get("enabled", "yes").lower() not in _FALSE
        if enabled and "deb" in words.get("types", ()):
            options = {
                title: fields[name] for name, title in _TRUST_OPTIONS.items() if fields.get(name)
            }
            yield Source(
                words.get("uris", ()), words.get("suites", ()), words.get("components", ()), options
            )


def debian(sources: Sequence[Source], indexes: Sequence[PackageIndex], release: str) -> str:
    """Debian's sources of a release, its updates and its security fixes, in deb822 format.

    Raises:
        LabError: apt has no source of the release.
    """
    codenames = {release, f"{release}-updates", f"{release}-security"}
    codename_of = {
        (_address(index.uri), index.suite): index.codename
        for index in indexes
        if index.codename in codenames
    }
    stanzas: list[str] = []
    releases: set[str] = set()
    for source in sources:
        for uri in source.uris if COMPONENT in source.components else ():
            suites = [suite for suite in source.suites if (_address(uri), suite) in codename_of]
            releases.update(codename_of[_address(uri), suite] for suite in suites)
            stanzas += [_stanza(uri, suites, source.options)] if suites else []
    if release not in releases:
        raise LabError(
            f"this machine's apt has no source of Debian {release} ({COMPONENT}), "
            "which the lab's image needs",
            "add one to /etc/apt/sources.list.d, then run apt-get update",
        )
    return "\n".join(stanzas)


def _stanza(uri: str, suites: Sequence[str], options: Mapping[str, str]) -> str:
    fields = {
        "Types": "deb",
        "URIs": uri,
        "Suites": " ".join(suites),
        "Components": COMPONENT,
        **options,
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def _address(uri: str) -> str:
    """An address for comparisons: without login and final slash."""
    return _LOGIN.sub("", uri).rstrip("/")


def connection_settings(dump: str) -> str:
    """Proxies, certificates and date checks of `apt-config dump`, for an apt.conf(5) file."""
    return "".join(f"{line}\n" for line in dump.splitlines() if _SETTING.match(line))


def config_path(name: str) -> Path:
    """The path of a file (`NAME/f`) or folder (`NAME/d`) of apt's settings. Raises LabError."""
    _, _, value = run(["apt-config", "shell", "PLACE", f"Dir::Etc::{name}"]).partition("=")
    return Path("".join(shlex.split(value)))


def read_sources() -> tuple[Source, ...]:
    """The sources of this machine's apt. Raises LabError."""
    single, parts = config_path("sourcelist/f"), config_path("sourceparts/d")
    sources: list[Source] = []
    try:
        for path in (single, *sorted(parts.glob("*.list"))):
            if path.is_file():
                sources += from_one_line(path.read_text(errors="replace"))
        for path in sorted(parts.glob("*.sources")):
            sources += from_deb822(path.read_text(errors="replace"))
    except OSError as error:
        raise LabError(
            f"the sources of apt cannot be read: {error}", "check their permissions"
        ) from None
    return tuple(sources)


def read_indexes() -> tuple[PackageIndex, ...]:
    """The indexes of Debian packages that this machine's apt has fetched. Raises LabError."""
    form = "$(CODENAME) $(RELEASE) $(REPO_URI)"
    chosen = ("Identifier: Packages", "Origin: Debian", f"Component: {COMPONENT}")
    lines = run(["apt-get", "indextargets", "--format", form, *chosen]).splitlines()
    return tuple(PackageIndex(*words) for line in lines if len(words := line.split()) == 3)


def write(folder: Path, release: str) -> tuple[Path, Path]:
    """Write a file with the sources and a file with the settings, and return their paths.

    Both may hold logins, so only root may be able to read the folder.

    Raises:
        LabError: an apt command fails, or apt has no source of the release.
    """
    sources, settings = folder / "debian.sources", folder / "connection.conf"
    sources.write_text(debian(read_sources(), read_indexes(), release))
    netrc, netrc_parts = config_path("netrc/f"), config_path("netrcparts/d")
    logins = f'Dir::Etc::netrc "{netrc}";\nDir::Etc::netrcparts "{netrc_parts}";\n'
    settings.write_text(connection_settings(run(["apt-config", "dump"])) + logins)
    return sources, settings
