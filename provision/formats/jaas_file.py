"""JAAS files, read as the JDK's default Configuration does (sun.security.provider.ConfigFile).

Messages are Java's, which Kafka and ZooKeeper pass on. After a mistake with a clear meaning, the
parser continues.
"""

from __future__ import annotations

from dataclasses import dataclass

from provision.formats.jaas import (
    FLAGS,
    Context,
    JaasModule,
    JaasOption,
    JaasRefusal,
    glued_flag,
    refusal,
)
from provision.formats.text import Text, of
from provision.formats.tokens import END, QUOTED, WORD, Token, tokens

_MULTIPLE = "Can not specify multiple entries for {}"


@dataclass(frozen=True)
class JaasFile:
    """The contexts of a file, and why Java refuses it; no refusals if Java accepts the file."""

    file: str
    contexts: tuple[Context, ...]
    refusals: tuple[JaasRefusal, ...]

    def context(self, name: str) -> Context | None:
        """The context of that name."""
        return next((context for context in self.contexts if context.name == name), None)


def read(data: bytes, file: str) -> JaasFile:
    """Parse a file named `file`; bytes that are not UTF-8 become U+FFFD, as in Java."""
    return _FileParser(of(data.decode("utf-8", "replace"), file)).read()


class _Stop(Exception):
    """The parser cannot continue from here."""


class _FileParser:
    def __init__(self, text: Text) -> None:
        self._file = text.file
        self._tokens = tokens(text, "_$*")
        self._token = next(self._tokens)
        self._refusals: list[JaasRefusal] = []
        self._contexts: list[Context] = []

    def read(self) -> JaasFile:
        try:
            while self._token.kind != END:
                self._context()
        except _Stop:
            pass
        return JaasFile(self._file, tuple(self._contexts), tuple(self._refusals))

    def _refuse(self, cause: str, message: str, quoted: str | None = "") -> None:
        text = f"Configuration Error:\n\t{message}"
        self._refusals.append(refusal(cause, text, self._token, quoted))

    def _next(self) -> Token:
        before, self._token = self._token, next(self._tokens)
        return before

    def _expect(self, expected: str, cause: str = "syntax") -> Token:
        """The current token: the expected character, or a text if `expected` is words.

        Raises:
            _Stop: the token is not the expected one.
        """
        token = self._token
        is_text = token.kind == WORD or (token.kind == QUOTED and token.quote == '"')
        if token.kind == expected or (is_text and len(expected) > 1):
            return self._next()
        if token.kind == END:
            self._refuse(cause, f"expected [{expected}], read [end of file]")
        elif token.kind in "{};=":
            self._refuse(cause, f"Line {token.line:,}: expected [{expected}]")
        else:
            self._refuse(
                cause, f"Line {token.line:,}: expected [{expected}], found [{{}}]", token.text
            )
        raise _Stop

    def _context(self) -> None:
        name = self._next()
        self._expect("{")
        modules: list[JaasModule] = []
        try:
            while self._token.kind != "}":
                self._module(modules)
        except _Stop:
            self._add(name, modules)
            if not self._resume():
                raise
            return
        self._expect("}")
        self._expect(";", "not-terminated")
        if any(context.name == name.shown for context in self._contexts):
            self._refuse("multiple", _MULTIPLE, name.shown)
            raise _Stop
        self._add(name, modules)

    def _add(self, name: Token, modules: list[JaasModule]) -> None:
        self._contexts.append(Context(name.shown, tuple(modules), name.position))

    def _resume(self) -> bool:
        """After a mistake, skip to the next context; true if `};` was found."""
        while self._token.kind != END:
            if self._next().kind == "}" and self._token.kind == ";":
                self._next()
                return True
        return False

    def _module(self, modules: list[JaasModule]) -> None:
        name = self._expect("module class name")
        flag, glued = self._flag()
        options: list[JaasOption] = []
        try:
            while self._token.kind != ";":
                self._option(options, glued)
                glued = None
        finally:
            modules.append(JaasModule(name.shown, flag, tuple(options), name.position))
        if not name.text and not self._refusals:
            # The message of AppConfigurationEntry.
            self._refusals.append(refusal("module-missing", "null", name))
        self._next()

    def _flag(self) -> tuple[str, Token | None]:
        token = self._token
        flag = self._expect("controlFlag").shown
        if flag.lower() in FLAGS:
            return flag.lower(), None
        glued = glued_flag(flag) if token.kind == WORD else None
        cause = "flag-glued" if glued else "flag-unknown"
        message = "Configuration Error:\n\tInvalid control flag, {}"
        self._refusals.append(refusal(cause, message, token, flag.upper()))
        if not glued:
            raise _Stop
        return glued[0], Token(WORD, glued[1], token.position, 0, 0, 0)

    def _option(self, options: list[JaasOption], glued: Token | None) -> None:
        key = glued or self._expect(
            "option key", "not-terminated" if self._token.kind == "}" else "syntax"
        )
        self._expect("=")
        value = self._expect("option value", "value-missing")
        options.append(JaasOption(key.shown, value.shown, key.position))
