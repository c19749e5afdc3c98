"""The value of `sasl.jaas.config`, as Kafka 3.9 reads it.

The classes are JaasConfig and JaasContext (load) in org.apache.kafka.common.security. A value is a
login module: `CLASS FLAG KEY=VALUE… ;`. Messages are Kafka's. After a mistake with a clear meaning,
the parser continues, so that the options are checked too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from provision.formats.jaas import FLAGS, JaasModule, JaasOption, JaasRefusal, glued_flag, refusal
from provision.formats.text import Text
from provision.formats.tokens import END, WORD, Token, tokens


@dataclass(frozen=True)
class Reading:
    """The login modules of a value, and why Kafka refuses it; no refusals if Kafka accepts it."""

    modules: tuple[JaasModule, ...]
    refusals: tuple[JaasRefusal, ...]


def read(value: Text) -> Reading:
    """Parse a value as it is after Kafka has loaded the properties."""
    return _PropertyParser(value.trimmed()).read()


class _PropertyParser:
    def __init__(self, value: Text) -> None:
        self._tokens: Iterator[Token] = tokens(value, "_$")
        self._token = next(self._tokens)
        self._first = self._token
        self._refusals: list[JaasRefusal] = []

    def read(self) -> Reading:
        modules: list[JaasModule] = []
        while self._token.kind != END and (
            not self._refusals or self._refusals[-1].cause == "flag-glued"
        ):
            modules.append(self._module())
            self._next()
        if not modules:
            self._refuse("empty", "Login module not specified in JAAS config")
        elif len(modules) > 1 and not self._refusals:
            count = (
                f"JAAS config property contains {len(modules)} login modules, should be 1 module"
            )
            self._refusals.append(refusal("modules", count, self._first))
        return Reading(tuple(modules), tuple(self._refusals))

    def _next(self) -> Token:
        self._token = next(self._tokens)
        return self._token

    def _refuse(self, cause: str, message: str, quoted: str | None = "") -> None:
        self._refusals.append(refusal(cause, message, self._token, quoted))

    def _module(self) -> JaasModule:
        name = self._token
        options: list[JaasOption] = []
        flag, glued = self._flag()
        if flag:
            self._options(options, glued)
        if flag and not name.text and not self._refusals:
            # The message of AppConfigurationEntry.
            self._refusals.append(refusal("module-missing", "null", name))
        return JaasModule(name.shown, flag, tuple(options), name.position)

    def _flag(self) -> tuple[str, Token | None]:
        """The control flag (may be empty), and the token of an option that is glued to it."""
        token = self._next()
        if token.kind == END:
            self._refuse("flag-missing", "Login module control flag not specified in JAAS config")
            return "", None
        if token.text is None:
            self._refuse(
                "flag-unknown", "Login module control flag is not available in the JAAS config"
            )
            return "", None
        if token.text.lower() in FLAGS:
            return token.text.lower(), None
        glued = glued_flag(token.text) if token.kind == WORD else None
        cause = "flag-glued" if glued else "flag-unknown"
        self._refuse(cause, "Invalid login module control flag '{}' in JAAS config", token.text)
        return (glued[0], Token(WORD, glued[1], token.position, 0, 0, 0)) if glued else ("", None)

    def _options(self, options: list[JaasOption], glued: Token | None) -> None:
        """Read options up to the semicolon; `glued` is the first name if it was read already."""
        while True:
            key = glued or self._next()
            glued = None
            if key.kind == ";":
                return
            if key.kind == END:
                self._refuse("not-terminated", "JAAS config entry not terminated by semi-colon")
                return
            if self._next().kind != "=" or self._next().kind == END or self._token.text is None:
                self._refuse(
                    "value-missing", "Value not specified for key '{}' in JAAS config", key.text
                )
                return
            options.append(JaasOption(key.shown, self._token.text, key.position))
