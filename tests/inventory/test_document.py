"""The reader of files: PyYAML's values with positions, and mistakes with a place and a remedy."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from provision.formats.bounded_json import MAX_DEPTH
from provision.inventory import document, json_document
from provision.inventory.document import Reader
from provision.inventory.source import Node

TEXT = st.text(
    alphabet=st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), max_size=12
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT | st.dates()
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=15
)
YAML_LIKE = st.text(alphabet="ab1:-?[]{}&*!|>'\"%@`#,~<= \n\t\0é\u2028\x85\ufeff", max_size=40)


def parse(text: str, **environ: str) -> tuple[Any, list[str]]:
    """The plain value of a text and the problems in it."""
    reader = Reader(environ)
    node = reader.parse(text, "f.yml")
    return (None if node is None else node.plain()), [str(problem) for problem in reader.problems]


def nodes(node: Node) -> list[Node]:
    parts = (
        node.value.values()
        if isinstance(node.value, dict)
        else node.value
        if isinstance(node.value, list)
        else []
    )
    return [node, *(deeper for part in parts for deeper in nodes(part))]


@given(DATA, st.booleans())
def test_yaml_that_pyyaml_writes_is_read_back(data: Any, flow: bool) -> None:
    text = yaml.safe_dump(data, default_flow_style=flow, allow_unicode=True)
    assert parse(text) == (data, [])


@given(DATA)
def test_json_is_read_as_the_standard_library_reads_it(data: Any) -> None:
    text = json.dumps([data], default=str)
    assert parse(text) == (json.loads(text), [])


JSON_TOKENS = st.sampled_from(
    ["{", "}", "[", "]", ",", ":", '"a"', '"', "1", "-2e3", "true", "NaN", " ", "\n", "x", "\\"]
)


@settings(max_examples=300)
@given(
    st.sampled_from("{["),
    st.lists(JSON_TOKENS, max_size=9)
    | DATA.map(lambda data: [json.dumps([data], default=str)[1:]]),
)
def test_text_is_json_if_the_standard_library_accepts_it(first: str, tokens: list[str]) -> None:
    text = first + "".join(tokens)
    node = json_document.parse(text, "f.json")
    try:
        expected = json.loads(text)
    except ValueError:
        assert node is None
    else:
        assert node is not None and repr(node.plain()) == repr(expected)


@settings(max_examples=300)
@given(YAML_LIKE)
def test_any_text_gives_what_pyyaml_gives_or_a_problem(text: str) -> None:
    value, problems = parse(text)
    try:
        expected = yaml.load(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError):
        assert problems
    else:
        assert problems or value == expected or isinstance(expected, set | bytes)


@given(DATA)
def test_positions_are_those_of_the_python_scanner(data: Any) -> None:
    """hactl uses libyaml's positions, which are faster; PyYAML's scanner is the reference."""
    text = yaml.safe_dump({"k": data, "l": [data]}, allow_unicode=True)
    node = Reader({}).parse(text, "f.yml")
    assert node is not None

    def places(tree: yaml.Node) -> list[tuple[int, int]]:
        parts = [part for _, part in tree.value] if isinstance(tree, yaml.MappingNode) else []
        parts = tree.value if isinstance(tree, yaml.SequenceNode) else parts
        here = (tree.start_mark.line + 1, tree.start_mark.column + 1)
        return [here, *(place for part in parts for place in places(part))]

    ours = [(part.position.line, part.position.column) for part in nodes(node)]
    reference = yaml.compose(text, Loader=yaml.SafeLoader)
    assert reference is not None
    assert ours == places(reference)


def test_keys_and_values_know_their_place() -> None:
    node = Reader({}).parse("all:\n  hosts: {web1: }\n  vars:\n    größe: [1, 'zwei']\n", "f.yml")
    assert node is not None
    assert str(node.key_position("all")) == "f.yml:1:1"
    assert str(node.at("all", "hosts").key_position("web1")) == "f.yml:2:11"
    assert str(node.at("all", "vars").key_position("größe")) == "f.yml:4:5"
    assert str(node.at("all", "vars", "größe", 1).position) == "f.yml:4:16"


def test_json_keys_and_values_know_their_place() -> None:
    node = Reader({}).parse('{"a": [1,\n  {"b": "x"}],\n "c": null}', "f.json")
    assert node is not None
    assert str(node.at("a", 1, "b").position) == "f.json:2:9"
    assert str(node.at("a", 1).key_position("b")) == "f.json:2:4"
    assert str(node.key_position("c")) == "f.json:3:2"


def test_an_alias_is_the_node_of_its_anchor() -> None:
    node = Reader({}).parse("a: &x {port: 80}\nb: *x\n", "f.yml")
    assert node is not None
    assert node.value["a"] is node.value["b"]


def test_merged_keys_keep_their_place() -> None:
    node = Reader({}).parse("a: &x\n  p: 1\n  q: 1\nb:\n  <<: *x\n  q: 2\n", "f.yml")
    assert node is not None
    merged = node.value["b"]
    assert merged.plain() == {"p": 1, "q": 2}
    assert (merged.key_position("p").line, merged.key_position("q").line) == (2, 6)


def test_a_value_from_the_environment_is_a_secret_and_no_template() -> None:
    reader = Reader({"PASS": "a{{ b }}"})
    node = reader.parse("p: !env PASS\n", "f.yml")
    assert node is not None and not reader.problems
    assert node.value["p"] == Node("a{{ b }}", node.position, secret=True, unsafe=True)
    assert list(node.secrets()) == ["a{{ b }}"]


SYNTAX = [
    (
        "a:\n\tb: 1\n",
        "f.yml:2:1: yaml-tab: a tab indents this line; YAML indents with spaces only; use spaces",
    ),
    (
        "a:\n  b: 1\n  \tc: 2\n",
        "f.yml:3:3: yaml-tab: a tab indents this line; YAML indents with spaces only; use spaces",
    ),
    (
        "a: [1,\n",
        "f.yml:2:1: yaml-syntax: expected a value, but found the end of the file; close the quote "
        "or bracket",
    ),
    (
        "a: b: c\n",
        "f.yml:1:5: yaml-syntax: a colon and a space are not allowed here; quote the value if it "
        "holds a colon and a space, or correct the indentation",
    ),
    (
        "a: @x\n",
        "f.yml:1:4: yaml-syntax: found '@', which no value can start with; quote the value: it "
        "starts with a character that has a meaning in YAML",
    ),
    (
        "a: {web[1:2]: }\n",
        "f.yml:1:8: yaml-syntax: expected ',' or '}', but found '['; while parsing a flow mapping "
        "that begins in line 1; "
        'quote host names with ranges inside braces, as in {"web[1:2]": }',
    ),
    (
        "a: *x\n",
        "f.yml:1:4: yaml-syntax: no anchor is defined for *x; define the anchor with & before its "
        "first *",
    ),
    (
        "---\na: 1\n---\nb: 2\n",
        "f.yml:3:1: yaml-syntax: a second document begins; keep only one document in a file: "
        "remove the line `---`",
    ),
    (
        "a:\n  b: 1\n c: 2\n",
        "f.yml:3:2: yaml-syntax: expected the next entry of the block, or its end; while parsing "
        "a block mapping that begins in line 1; align this line with the others of its block",
    ),
    (
        "a: x\x01\n",
        "f.yml:1:5: yaml-syntax: character U+0001 is not allowed; YAML texts hold printable "
        "characters only; remove it",
    ),
    (
        "[web]\nweb1 ansible_host=10.0.0.1\n",
        "f.yml:2:1: yaml-syntax: expected nothing behind the value of the file; if this is an INI "
        "inventory, convert it: `ansible-inventory -i f.yml --list --yaml`",
    ),
    (
        "a: é\x01\n",
        "f.yml:1:5: yaml-syntax: character U+0001 is not allowed; YAML texts hold printable "
        "characters only; remove it",
    ),
    (
        "{a: 1",
        "f.yml:1:6: yaml-syntax: expected ',' or '}', but found the end of the file; while "
        "parsing a flow mapping that begins in line 1; close the quote or bracket",
    ),
    (
        "a: [1\nb: 2\n",
        "f.yml:2:2: yaml-syntax: expected ',' or ']', but found ':'; while parsing a flow "
        "sequence that begins in line 1; close the bracket, or add the comma",
    ),
    (
        "a: {b: 1\n  c: 2}\n",
        "f.yml:2:4: yaml-syntax: expected ',' or '}', but found ':'; while parsing a flow mapping "
        "that begins in line 1; close the brace, or add the comma",
    ),
    (
        'a: "x\nb: 1\n',
        "f.yml:3:1: yaml-syntax: found the end of the file inside quotes; while scanning a quoted "
        "scalar that begins in line 1; close the quote or bracket",
    ),
    (
        "a: {{ x }}.5\n",
        "f.yml:1:11: yaml-syntax: expected the next entry of the block, or its end; while parsing "
        "a block mapping that begins in line 1; align this line with the others of its block",
    ),
    ("a: ]\n", "f.yml:1:4: yaml-syntax: expected a value, but found ']'; quote the value"),
    (
        "a: b\nc\nd: e\n",
        "f.yml:3:1: yaml-syntax: a line is neither `key: value` nor part of a text; while "
        "scanning a simple key that begins in line 2; add the colon, or quote the text",
    ),
    (
        "a: &x 1\nb: &x 2\n",
        "f.yml:2:4: yaml-syntax: the anchor &x is defined twice; first in line 1; rename one of "
        "the two",
    ),
    (
        "a: - b\n",
        "f.yml:1:4: yaml-syntax: a list cannot begin here; begin it in a line of its own, or "
        "quote the value",
    ),
    (
        "a: |x\n b\n",
        "f.yml:1:5: yaml-syntax: nothing may follow `|` or `>` in its line; while scanning a "
        "block scalar that begins in line 1; begin the text in the next line",
    ),
]
MEANING = [
    (
        "a: 1\nb: 2\na: 3\n",
        "f.yml:3:1: yaml-duplicate-key: key 'a' is written twice in this mapping, first in line "
        "1; YAML keeps the last one silently; merge the two or rename one",
    ),
    (
        "? [a]\n: b\n",
        "f.yml:1:3: yaml-key: a list cannot be a key; quote it: a value that starts with { or [ "
        "is a mapping or list unless it is quoted",
    ),
    (
        "{{ a }}: 1\n",
        "f.yml:1:1: yaml-key: a mapping cannot be a key; quote it: a value that starts with { or "
        "[ is a mapping or list unless it is quoted",
    ),
    (
        "a: !!python/object:os.system x\n",
        "f.yml:1:4: yaml-tag: unknown tag !!python/object:os.system; remove it; use !vault, !env, "
        "!unsafe or a plain type of YAML such as !!str",
    ),
    (
        "a: !valut x\n",
        "f.yml:1:4: yaml-tag: unknown tag !valut; remove it; use !vault, !env, !unsafe or a plain "
        "type of YAML such as !!str",
    ),
    ("a: !!map x\n", "f.yml:1:4: yaml-tag: !!map is for a mapping; remove the tag"),
    ("a: !env [X]\n", "f.yml:1:4: yaml-tag: !env takes a string; write `!env TEXT`"),
    ("a: =\n", "f.yml:1:4: yaml-tag: a bare = has a special meaning; quote it"),
    (
        "a: 2001-02-30\n",
        "f.yml:1:4: yaml-value: this is not a valid timestamp of YAML 1.1; correct it, or quote "
        "it if text is meant",
    ),
    (
        "a: {<<: 3}\n",
        "f.yml:1:9: yaml-value: `<<` merges mappings only; give it an alias of a mapping",
    ),
    (
        "a: &x\n  b: *x\n",
        "f.yml:1:4: yaml-recursion: this value contains itself; remove the inner alias",
    ),
    (
        "a: !env HACTL_NO_SUCH\n",
        "f.yml:1:4: env-missing: the environment variable HACTL_NO_SUCH is not set; set it before "
        "the run, e.g. `export HACTL_NO_SUCH=…`",
    ),
    ("a: !env\n", "f.yml:1:4: env-missing: !env names no variable; write it as `!env NAME`"),
    (
        "a: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  00\n",
        "f.yml:1:4: vault-password: this value is encrypted and there is no vault password; set "
        "ANSIBLE_VAULT_PASSWORD_FILE to a file with the password, or to a script that prints it",
    ),
]


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """libyaml's loader, then PyYAML's: hactl uses the first if it is installed."""
    monkeypatch.setattr(document, "_LOADER", getattr(yaml, request.param))
    return str(request.param)


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(("text", "message"), SYNTAX + MEANING)
def test_a_mistake_has_a_place_and_a_remedy_whichever_loader_finds_it(
    text: str, message: str
) -> None:
    assert parse(text)[1] == [message]


def test_mistakes_of_meaning_are_reported_together() -> None:
    problems = parse("a: !env NO\nb: {c: 1, c: 2}\nd: !foo x\n")[1]
    assert [problem.split(": ")[1] for problem in problems] == [
        "env-missing",
        "yaml-duplicate-key",
        "yaml-tag",
    ]


DEEP = {
    "[": "[" * 100_000,
    "[ in lines": "[\n" * 100_000,
    "{": "{" * 100_000,
    "{a: ": "{a: " * 100_000,
    "JSON": '{"a":' * 400 + "1" + "}" * 400,
    "JSON, open": "[0, " * 50_000,
    "- ": "- " * 50_000 + "a",
    "- in lines": "".join("- " * level + "\n" for level in range(1, 300)),
    "? ": "? " * 50_000,
    "mappings in lines": "".join(" " * level + "a:\n" for level in range(2000)),
    "tags": "!!seq [" * 50_000,
    "unsafe": "!unsafe [" * 50_000,
    "far below": "a: 1\nb:\n- c: " + "[" * 100_000,
}


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP.keys())
def test_deep_nesting_is_refused_quickly(text: str) -> None:
    before = time.process_time()
    problems = parse(text)[1]
    assert [problem.split(": ", 1)[1] for problem in problems] == [
        f"yaml-depth: nested deeper than {MAX_DEPTH} levels; flatten it"
    ]
    assert time.process_time() - before < 5


def test_deep_nesting_is_reported_at_its_place(loader: str) -> None:
    assert parse("a:\n- " + "[\n " * 200)[1] == [
        "f.yml:100:2: yaml-depth: nested deeper than 100 levels; flatten it"
    ], loader


WRAPPERS = st.sampled_from(
    [("[", "]"), ("{a: ", "}"), ("- ", ""), ("!unsafe [", "]"), ("{b: [", "]}")]
)


@pytest.mark.parametrize("name", ["CSafeLoader", "SafeLoader"])
@settings(max_examples=40)
@given(st.lists(WRAPPERS, min_size=1, max_size=4), st.integers(1, 2 * MAX_DEPTH), st.booleans())
def test_nesting_is_a_value_up_to_the_limit_and_a_problem_beyond(
    name: str, wrappers: list[tuple[str, str]], times: int, close: bool
) -> None:
    cycle = [wrappers[level % len(wrappers)] for level in range(times)]
    text = (
        "".join(begin for begin, _ in cycle)
        + "x"
        + "".join(end for _, end in reversed(cycle)) * close
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document, "_LOADER", getattr(yaml, name))
        value, problems = parse(text)
    levels, inner = 0, value
    while isinstance(inner, list | dict) and inner:
        levels, inner = levels + 1, next(iter(inner.values() if isinstance(inner, dict) else inner))
    assert levels <= MAX_DEPTH
    written = sum(begin.count("[") + begin.count("{") + begin.count("-") for begin, _ in cycle)
    assert problems or (levels, inner) == (written, "x")
    assert written <= MAX_DEPTH or problems


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(
    ("begin", "end"), [("[", "]"), ("{a: ", "}"), ("- ", ""), ("!unsafe [", "]"), ('{"a":', "}")]
)
def test_nesting_up_to_the_limit_is_read(begin: str, end: str) -> None:
    assert parse(begin * MAX_DEPTH + "1" + end * MAX_DEPTH)[1] == []
    assert parse(begin * (MAX_DEPTH + 1) + "1" + end * (MAX_DEPTH + 1))[1] != []


def test_aliases_that_nest_in_each_other_are_refused() -> None:
    """Every line has 90 levels, and the line before it in its innermost list."""
    lines = [
        f"x{number}: &x{number} {'[' * 90}*x{number - 1}{']' * 90}\n" for number in range(1, 40)
    ]
    problems = parse("x0: &x0 [1]\n" + "".join(lines))[1]
    assert problems[0] == "f.yml:3:89: yaml-depth: nested deeper than 100 levels; flatten it"


def test_aliases_that_multiply_are_refused() -> None:
    text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
        for old, new in zip("abcdef", "bcdefg", strict=True)
    )
    before = time.process_time()
    _, problems = parse(text)
    assert problems[0].startswith(
        "f.yml:6:4: yaml-size: its aliases multiply into more than 1,000,000 values"
    )
    assert time.process_time() - before < 1


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin1.yml").write_bytes("a: 1\nb: größe\n".encode("latin-1"))
    reader = Reader({})
    for name in ("missing.yml", "", "latin1.yml"):
        assert reader.read(tmp_path / name) is None
    assert [str(problem).removeprefix(str(tmp_path)) for problem in reader.problems] == [
        "/missing.yml:1:1: file-missing: there is no such file; check the path, or create the file",
        ":1:1: file-directory: this is a directory; name the YAML file inside it",
        "/latin1.yml:2:6: file-encoding: byte 0xf6 is not UTF-8; inventories are UTF-8 text; "
        "convert it, e.g. `iconv -f latin1 -t utf-8 latin1.yml`",
    ]


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "windows.yml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    node = Reader({}).read(path)
    assert node is not None and node.plain() == {"a": 1, "b": 2}
    assert (node.key_position("a").column, node.key_position("b").line) == (1, 2)


def test_an_empty_file_has_no_value_and_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "empty.yml"
    path.write_text("# only a comment\n")
    reader = Reader({})
    assert reader.read(path) is None
    assert not reader.problems
