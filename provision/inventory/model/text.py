"""The scalar types of the model: strings that are safe in keepalived.conf, addresses, numbers.

keepalived.conf(5) cannot quote every character:

- A newline ends a statement, `#` and `!` begin a comment, braces open and close blocks.
- `$NAME` and `${NAME}` are substituted.
- `@` and `~SEQ` at the start of a line are directives.
- A backslash escapes inside quotes.

This module therefore refuses a value that could end its token, and reports its place in the
inventory. Later stages need no escaping.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def mistake(rule: str, message: str, why: str, fix: str) -> PydanticCustomError:
    """A validator's error with the operator's whole message; `validation` makes a Problem of it."""
    context = {"rule": rule, "message": message, "why": why, "fix": fix}
    return PydanticCustomError("hactl", "{message}", context)


class Model(BaseModel):
    """The base of every model: frozen, and an unknown field is an error."""

    # Built on first use: pydantic then builds one validator for a nested model, not one for every
    # level. This saves 0.15 s a run.
    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True
    )


def _pattern(pattern: str, name: str, fix: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if compiled.fullmatch(value) is None:
            raise mistake("unsafe-text", f"{name} cannot be {_quoted_start(value)}", _WHY, fix)
        return value

    return AfterValidator(check)


def _quoted_start(value: str) -> str:
    return ascii(value) if len(value) <= 60 else ascii(value[:57]) + "…"


def _refuse_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise mistake("wrong-type", "a number is needed, not yes or no", "", "write a number")
    return value


def _refuse_number(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise mistake("wrong-type", "yes or no is needed, not a number", "", "write true or false")
    return value


_WHY = "keepalived.conf would give it another meaning"

# All types take printable ASCII only. A letter keeps its meaning without quotes; blanks and
# " ' { } ! # $ \ do not. A word keeps its meaning unless it begins a line as `@` (a condition),
# `~` (a sequence) or `include` do.
_LETTER = r"[^\x00-\x20\"'{}!#$\\\x7f-\U0010ffff]"
_WORD = rf"(?!@|~|include[a-z]?$){_LETTER}+"
_WORDS = rf"(?!@|~|include[a-z]?( |$)){_LETTER}+( {_LETTER}+)*"
# Inside double quotes, blanks and most signs are literal; quotes, backslashes and substitutions
# are not.
_QUOTED = r"[^\x00-\x1f\"'\\$\x7f-\U0010ffff]"
_TEXT = rf"{_QUOTED}+"

Identifier = Annotated[
    str,
    Field(max_length=64),
    _pattern(
        r"(?!include[a-z]?$)[A-Za-z0-9_][A-Za-z0-9_.-]*",
        "a name",
        "use letters, digits, `_`, `.` and `-`",
    ),
]
InterfaceName = Annotated[
    str,
    _pattern(
        r"(?!include[a-z]?$)[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,14}",
        "an interface",
        "an interface has 1 to 15 characters, as `ip link` shows",
    ),
]
Word = Annotated[
    str,
    _pattern(
        _WORD, "this", "leave out blanks, quotes, braces and the signs ! # $ \\ (@ ~ in front)"
    ),
]
Words = Annotated[
    str, _pattern(_WORDS, "this", "leave out quotes, braces and the signs ! # $ \\ (@ ~ in front)")
]
FilePath = Annotated[
    str,
    _pattern(
        rf"/{_LETTER}*",
        "a path",
        "write an absolute path without blanks, quotes, braces and the signs ! # $ \\",
    ),
]
Text = Annotated[
    str, _pattern(_TEXT, "this", "leave out quotes, backslashes, `$` and non-ASCII characters")
]
Command = Annotated[
    str,
    _pattern(
        rf"/{_QUOTED}*",
        "a command",
        "write an absolute path and its arguments, without quotes, `$` or backslash",
    ),
]
Secret = Annotated[str, AfterValidator(lambda value: _checked_secret(value))]
Pattern = Annotated[
    str,
    _pattern(
        r"(?!.*\$\{)[^\x00-\x1f\"'\x7f-\U0010ffff]+",
        "a regular expression",
        "leave out quotes and `${`",
    ),
]
RawLine = Annotated[
    str,
    _pattern(
        r"[^\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]*",
        "a line of `extra`",
        "one list entry is one line",
    ),
]
Integer = Annotated[int, BeforeValidator(_refuse_boolean)]
Seconds = Annotated[float, BeforeValidator(_refuse_boolean), Field(ge=0, allow_inf_nan=False)]
Flag = Annotated[bool, BeforeValidator(_refuse_number)]
Port = Annotated[Integer, Field(ge=1, le=65535)]


def _checked_secret(value: str) -> str:
    """The password, which must fit into double quotes; the message never shows it."""
    if re.fullmatch(_TEXT, value) is None:
        raise mistake(
            "unsafe-text",
            "this password holds a quote, a backslash, a `$` or a control character",
            _WHY,
            "choose another",
        )
    return value


def _parsed_address(value: Any) -> IpAddress:
    if isinstance(value, IpAddress):
        return value
    try:
        if isinstance(value, str) and "%" not in value:
            return ipaddress.ip_address(value)
    except ValueError:
        pass
    raise mistake(
        "not-an-address",
        f"{_quoted_start(str(value))} is not an IP address",
        "",
        "write an IPv4 or IPv6 address",
    )


Address = Annotated[IpAddress, BeforeValidator(_parsed_address)]


class Script(Model):
    """A command that Keepalived runs: a string, or a mapping with the user and the group.

    Keepalived splits the command at blanks itself and runs it without a shell (keepalived.conf(5),
    SCRIPTS).
    """

    command: Command
    """Absolute path and arguments, separated by blanks."""
    user: Word | None = None
    """User that runs the command. Absent: `script_user`."""
    group: Word | None = None
    """Group that runs the command. Absent: the user's."""


def as_field(name: str) -> BeforeValidator:
    """The validator that accepts a plain value for a mapping with the single field `name`."""

    def wrap(value: Any) -> Any:
        return {name: value} if not isinstance(value, dict | BaseModel) else value

    return BeforeValidator(wrap)


def as_list(value: Any) -> Any:
    """The value as a list: a list as it is, any other value as the only entry."""
    return [value] if not isinstance(value, list | tuple) else value


def as_switch(value: object) -> object:
    """The mapping that a switch stands for: empty (all defaults) for `true`, None for `false`."""
    return {} if value is True else None if value is False else value


ScriptLike = Annotated[Script, as_field("command")]


def balanced(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The raw lines, if their braces match, so that the lines after them keep their meaning.

    Raises a mistake otherwise. Braces in quotes and comments count too: this is simple, and safe.
    """
    depth = lowest = 0
    for character in "".join(lines):
        depth += {"{": 1, "}": -1}.get(character, 0)
        lowest = min(lowest, depth)
    if depth or lowest:
        raise mistake(
            "extra-unbalanced",
            "the braces of `extra` do not match",
            "the lines after it would change their meaning",
            "close every `{` within the same `extra`",
        )
    return lines


Extra = Annotated[tuple[RawLine, ...], AfterValidator(balanced)]
