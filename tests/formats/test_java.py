"""hactl's readers and writers against Java's: Properties, JAAS files, and Kafka's JaasContext."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping

import pytest

from provision.core.errors import InputError
from provision.formats import jaas, jaas_file, jaas_property, properties
from provision.formats.jaas import SCRAM, JaasModule, LoginModule
from provision.formats.text import of
from tests.kafka.java import Reading, readings

pytestmark = pytest.mark.java

PROPERTIES = "a·key·=·:· ·\t·\f·\\·\n·\r·\r\n·#·!·\\u00e9·\\u12·é·x=y\n"
PROPERTY = (
    f"{SCRAM} required ·{SCRAM} required u=v;· user='a b'·username=·a.B· ·required·requiredx·=·'c'·"
    '""·;·12ab·-·-x·.5·_z·/·//·/* x */·\\·"·\n·optional·ü·$·*·{'
)
FILE = (
    "KafkaServer·Client· ·{·}·;·};·required· a.b.C required ·requiredx· username·=·'d'·12·x y·"
    "\n·\r\n·// c\n·/* c\n */·/\n·*·,·é·-·"
    "KafkaServer { a.B required k=v; };·Server {\n a.B required a=b\n c=d; e.F optional;\n};·"
    '"a"·""·"b\\"c\\101"'
)
PIECES = {
    "properties": PROPERTIES.split("·"),
    "property": PROPERTY.split("·"),
    "file": FILE.split("·"),
}


def mangled(kind: str, count: int) -> list[bytes]:
    """Random sequences of PIECES; the same in every run."""
    chance = random.Random(kind)  # not for secrecy
    encoding = "latin-1" if kind == "properties" else "utf-8"
    return [
        "".join(chance.choices(PIECES[kind], k=chance.randint(1, 14))).encode(encoding)
        for _ in range(count)
    ]


def our_properties(data: bytes) -> Reading:
    """hactl's reading of a properties file, in Java's form."""
    try:
        plain = properties.read(data, "f").plain()
    except InputError as error:
        return Reading(error=error.problems[0].what.split("Java says: ")[1])
    ordered = sorted(plain.items(), key=lambda item: item[0].encode("utf-16-be", "surrogatepass"))
    return Reading(tuple(text for item in ordered for text in item))


def modules(context: str, login_modules: tuple[JaasModule, ...]) -> Iterator[str]:
    """Login modules, as Readings.java prints them."""
    for module in login_modules:
        yield from (f"[{context}]", module.name, module.flag)
        options = {option.key: option.value for option in module.options}
        yield from (text for item in sorted(options.items()) for text in item)


def our_property(data: bytes) -> Reading:
    """hactl's reading of a value of `sasl.jaas.config`."""
    reading = jaas_property.read(of(data.decode(), "f"))
    if reading.refusals:
        return Reading(error=reading.refusals[0].message)
    return Reading(tuple(modules("KafkaClient", reading.modules)))


def our_file(data: bytes) -> Reading:
    """hactl's reading of a JAAS file, with the contexts of Readings.java."""
    read = jaas_file.read(data, "f")
    if read.refusals:
        return Reading(error=read.refusals[0].message)
    contexts = {context.name: context.modules for context in read.contexts}
    names = ("KafkaServer", "KafkaClient", "Client", "Server")
    return Reading(tuple(text for name in names for text in modules(name, contexts.get(name, ()))))


OURS: Mapping[str, Callable[[bytes], Reading]] = {
    "properties": our_properties,
    "property": our_property,
    "file": our_file,
}


@pytest.mark.parametrize("kind", OURS)
def test_hactl_reads_files_as_java_does(kind: str) -> None:
    """For 3000 inputs of each kind, most of them broken, contents and messages are equal."""
    inputs = mangled(kind, 3000)
    theirs = readings([(kind, data) for data in inputs])
    differing = [
        (data, our, java)
        for data, java in zip(inputs, theirs, strict=True)
        if (our := OURS[kind](data)) != java
    ]
    assert not differing, differing[:3]
    assert sum(not reading.error for reading in theirs) > 20, "some inputs are valid"
    assert kind == "properties" or len({reading.error for reading in theirs}) > 5, (
        "and the errors differ"
    )


AWKWARD = [
    "",
    " ",
    "a b ",
    '"',
    "\\",
    "a\\",
    "12ab",
    "-x",
    "/etc",
    "a;b",
    "é",
    "😀",
    "#",
    "${x",
    "a\nb\r",
    "'",
    "\t",
    "\x00",
    "=:",
    "\\u12",
]


def test_java_reads_written_files() -> None:
    """Java reads the values that break hand-written files."""
    settings: dict[str, properties.Value] = {
        **{f"k {value}": value for value in AWKWARD},
        "yes": True,
        "list": ["a", "b"],
        "number": 5,
    }
    logins = [
        LoginModule(SCRAM, {"username": value, "password": value, f"user_{value}": value})
        for value in AWKWARD
    ]
    inputs = [("properties", properties.write(settings))]
    inputs += [("property", jaas.property_value(login).encode()) for login in logins]
    inputs += [("file", jaas.write({"KafkaServer": login})) for login in logins]
    file, *logins_read = readings(inputs)
    assert dict(zip(file.fields[::2], file.fields[1::2], strict=True)) == {
        key: properties.plain(value) for key, value in settings.items()
    }
    for reading, login in zip(logins_read, logins * 2, strict=True):
        assert not reading.error
        assert reading.fields[1:3] == (SCRAM, "required")
        assert dict(zip(reading.fields[3::2], reading.fields[4::2], strict=True)) == login.options
