"""Where the lab's image comes from: the Debian sources of this machine's apt, and its proxies, certificates, logins.

apt says which of its sources are Debian's, by the Origin of their signed Release files, so that no other vendor's
packages get into the image, even those whose suite is called `bookworm`. The keys and options of a source are in
sources.list(5) in two formats; mmdebstrap gets them in the newer one, deb822.
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

# Options of a source that say whether it is trusted, by their names in the one-line format (sources.list(5)).
_KEPT = {
    "signed-by": "Signed-By",
    "trusted": "Trusted",
    "check-valid-until": "Check-Valid-Until",
    "check-date": "Check-Date",
}
_ONE_LINE = re.compile(
    r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>[^\s\[]\S*)\s+(?P<suite>\S+)(?P<components>.*)"
)
_SETTING = re.compile(
    r"Acquire::((https?|ftp|tor|socks)::|(Check-Valid-Until|Check-Date|ForceIPv4|ForceIPv6|Retries|Proxy) )",
    re.IGNORECASE,
)
_LOGIN = re.compile(r"(?<=://)[^/@]*@")


@dataclass(frozen=True)
class Source:
    """An entry of apt's sources; `options` has the fields of `_KEPT`, a key block in Signed-By with its line breaks."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    options: Mapping[str, str]


@dataclass(frozen=True)
class Indexed:
    """An index of Debian's that apt has: from which address, under which suite's name, of which release."""

    codename: str
    suite: str
    uri: str


def from_one_line(text: str) -> Iterator[Source]:
    """The sources of packages in a file `*.list`."""
    for line in text.splitlines():
        entry = _ONE_LINE.fullmatch(line.partition("#")[0].strip())
        if entry:
            words = (word.partition("=") for word in (entry["options"] or "").split())
            options = {
                _KEPT[name.lower()]: value for name, _, value in words if name.lower() in _KEPT
            }
            yield Source(
                (entry["uri"],), (entry["suite"],), tuple(entry["components"].split()), options
            )


def from_deb822(text: str) -> Iterator[Source]:
    """The enabled sources of packages in a file `*.sources`."""
    lines = "\n".join(line.rstrip() for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n{2,}", lines.strip()):
        fields: dict[str, str] = {}
        for field in re.split(r"\n(?![ \t])", stanza):
            name, _, value = field.partition(":")
            fields[name.strip().lower()] = value.strip()
        words = {name: tuple(value.split()) for name, value in fields.items()}
        if "deb" in words.get("types", ()) and fields.get("enabled", "yes").lower() not in (
            "no",
            "false",
            "0",
            "off",
        ):
            options = {title: fields[name] for name, title in _KEPT.items() if fields.get(name)}
            yield Source(
                words.get("uris", ()), words.get("suites", ()), words.get("components", ()), options
            )


def debian(sources: Sequence[Source], indexes: Sequence[Indexed], release: str) -> str:
    """Debian's sources of a release, its updates and security fixes, in deb822.

    Raises:
        LabError: apt has no source of the release itself.
    """
    wanted = {release, f"{release}-updates", f"{release}-security"}
    known = {
        (_address(index.uri), index.suite): index.codename
        for index in indexes
        if index.codename in wanted
    }
    stanzas: list[str] = []
    releases: set[str] = set()
    for source in sources:
        for uri in source.uris if COMPONENT in source.components else ():
            suites = [suite for suite in source.suites if (_address(uri), suite) in known]
            releases.update(known[_address(uri), suite] for suite in suites)
            stanzas += [_stanza(uri, suites, source.options)] if suites else []
    if release not in releases:
        raise LabError(
            f"this machine's apt has no source of Debian {release} ({COMPONENT}), which the lab's image is made of",
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
    """The address by which a source and its indexes are compared: no login, no slash at the end."""
    return _LOGIN.sub("", uri).rstrip("/")


def ways(dump: str) -> str:
    """What `apt-config dump` says of proxies, certificates and dates, as a file of apt.conf(5)."""
    return "".join(f"{line}\n" for line in dump.splitlines() if _SETTING.match(line))


def place(name: str) -> Path:
    """Where apt has a file (`NAME/f`) or folder (`NAME/d`) of its configuration. Raises LabError."""
    _, _, value = run(["apt-config", "shell", "PLACE", f"Dir::Etc::{name}"]).partition("=")
    return Path("".join(shlex.split(value)))


def read_sources() -> tuple[Source, ...]:
    """The sources of this machine's apt. Raises LabError."""
    single, parts = place("sourcelist/f"), place("sourceparts/d")
    lists = [path for path in (single, *sorted(parts.glob("*.list"))) if path.is_file()]
    try:
        old = [
            source for path in lists for source in from_one_line(path.read_text(errors="replace"))
        ]
        new = [
            s
            for path in sorted(parts.glob("*.sources"))
            for s in from_deb822(path.read_text(errors="replace"))
        ]
    except OSError as error:
        raise LabError(
            f"the sources of apt cannot be read: {error}", "check their permissions"
        ) from None
    return (*old, *new)


def read_indexes() -> tuple[Indexed, ...]:
    """Debian's indexes that this machine's apt has fetched. Raises LabError."""
    form = "$(CODENAME) $(RELEASE) $(REPO_URI)"
    chosen = ("Identifier: Packages", "Origin: Debian", f"Component: {COMPONENT}")
    lines = run(["apt-get", "indextargets", "--format", form, *chosen]).splitlines()
    return tuple(Indexed(*words) for line in lines if len(words := line.split()) == 3)


def write(folder: Path, release: str) -> tuple[Path, Path]:
    """The sources and the settings in two files of a folder that nobody else can read: both may hold logins.

    Raises:
        LabError: apt cannot be asked, or has no source of the release.
    """
    sources, settings = folder / "debian.sources", folder / "ways.conf"
    sources.write_text(debian(read_sources(), read_indexes(), release))
    logins = (
        f'Dir::Etc::netrc "{place("netrc/f")}";\nDir::Etc::netrcparts "{place("netrcparts/d")}";\n'
    )
    settings.write_text(ways(run(["apt-config", "dump"])) + logins)
    return sources, settings
