"""JAAS login modules: the results of both readers, and the writers of the file and the property.

The writers quote every value, so that no value is read as a number, a comment or a second option.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from provision.core.errors import HactlError, Position
from provision.formats.tokens import Token

FLAGS = ("required", "requisite", "sufficient", "optional")
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
DIGEST = "org.apache.zookeeper.server.auth.DigestLoginModule"
MASK = "********"
OPTIONS = (
    "username",
    "password",
    "serviceName",
    "tokenauth",
    "useKeyTab",
    "keyTab",
    "principal",
    "storeKey",
)
CONTEXTS = ("KafkaServer", "KafkaClient", "Client", "Server", "QuorumServer", "QuorumLearner")

_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$.-]*")
_EXPANDED = re.compile(r"\$\{(?!\{).*?\}", re.DOTALL)
_QUOTED = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"}


@dataclass(frozen=True)
class JaasOption:
    """An option of a login module, with the position of its name."""

    key: str
    value: str
    position: Position


@dataclass(frozen=True)
class JaasModule:
    """A login module: its class, its control flag in lower case and its options."""

    name: str
    flag: str
    options: tuple[JaasOption, ...]
    position: Position

    def option(self, key: str) -> JaasOption | None:
        """The effective option: the last option of that name."""
        return next((option for option in reversed(self.options) if option.key == key), None)

    def get(self, key: str) -> str:
        """An option's value; empty if it is not set."""
        option = self.option(key)
        return option.value if option else ""

    def users(self) -> dict[str, JaasOption]:
        """The `user_NAME` options by name: the users that a server's login module knows."""
        return {option.key[5:]: option for option in self.options if option.key.startswith("user_")}


@dataclass(frozen=True)
class Context:
    """A named section of a JAAS file, such as KafkaServer."""

    name: str
    modules: tuple[JaasModule, ...]
    position: Position


@dataclass(frozen=True)
class JaasRefusal:
    """A refusal by Java or Kafka: its exact message, the cause as one word, and the position.

    `shown` is the message in which possible parts of a password are masked.
    """

    cause: str
    message: str
    shown: str
    position: Position


def refusal(cause: str, message: str, token: Token, quoted: str | None = "") -> JaasRefusal:
    """A refusal at `token`; `{}` in the message stands for `quoted`, masked unless it is harmless.

    After a typing mistake, for example a missing quote, any word may be a part of a password.
    """
    exact = "null" if quoted is None else quoted
    shown = exact if quoted is None or _harmless(exact) else MASK
    return JaasRefusal(
        cause, message.replace("{}", exact), message.replace("{}", shown), token.position
    )


def _harmless(word: str) -> bool:
    glued = glued_flag(word.lower())
    return (
        word.lower() in FLAGS
        or word in OPTIONS
        or word in CONTEXTS
        or bool(glued and glued[1].lower() in OPTIONS)
    )


def glued_flag(word: str) -> tuple[str, str] | None:
    """Flag and option name if they were written without a blank (`requiredusername`), else None."""
    for flag in FLAGS:
        if word.lower().startswith(flag) and len(word) > len(flag):
            return flag, word[len(flag) :]
    return None


@dataclass(frozen=True)
class LoginModule:
    """A login module to write: its class and its options as plain text; the flag is `required`."""

    module: str
    options: Mapping[str, str]


def property_value(login: LoginModule) -> str:
    """The value of `sasl.jaas.config`, on one line, for `properties.write`.

    Raises:
        HactlError: the parser does not accept the name of the class or of an option.
    """
    options = "".join(f" {_key(key)}={_quoted(value)}" for key, value in login.options.items())
    return f"{_class(login.module)} required{options};"


def write(contexts: Mapping[str, LoginModule]) -> bytes:
    """A JAAS file with one login module in each context.

    Raises:
        HactlError: a name is not accepted, or a value holds `${…}`, which Java expands in a JAAS
            file and which cannot be escaped.
    """
    sections = []
    for name, login in contexts.items():
        lines = []
        for key, value in login.options.items():
            if _EXPANDED.search(value):
                hint = "choose another password, or set `sasl.jaas.config`, which is not expanded"
                raise HactlError(
                    f"option {key} of {name} holds ${{…}}, which Java would expand", hint
                )
            lines.append(f"\n    {_key(key)}={_quoted(value)}")
        sections.append(
            f"{_class(name)} {{\n  {_class(login.module)} required{''.join(lines)};\n}};\n"
        )
    return "\n".join(sections).encode()


def _class(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise HactlError(f"{name!r} is not a name of a login module or context")
    return name


def _key(key: str) -> str:
    if not key:
        raise HactlError("an option of a login module needs a name")
    return key if _NAME.fullmatch(key) else _quoted(key)


def _quoted(value: str) -> str:
    return '"' + "".join(_QUOTED.get(char, char) for char in value) + '"'
