"""Rules about `sasl.jaas.config` and JAAS files that Kafka refuses, with Kafka's message."""

from __future__ import annotations

import re
from collections.abc import Iterator

from provision.checks.lint.kafka_files.logins import JAAS, JaasProperty, jaas_properties
from provision.checks.lint.kafka_files.registry import Files, rule
from provision.checks.lint.registry import Hit
from provision.formats.jaas import DIGEST, PLAIN, SCRAM, JaasRefusal

CONFIG = "org.apache.kafka.common.security.JaasConfig"
FILE = "sun.security.provider.ConfigFile"
SHAPE = 'write `CLASS required KEY="VALUE" …;`'
_PREFIX = re.compile(
    r"listener\.name\.[a-z0-9_.-]+\.(plain|scram-sha-256|scram-sha-512|gssapi|oauthbearer)\." + JAAS
)
_CLASS = re.compile(r"\w+(\.[\w$]+)+")
_KNOWN = {
    SCRAM,
    PLAIN,
    DIGEST,
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule",
    "com.sun.security.auth.module.Krb5LoginModule",
    "com.ibm.security.auth.module.Krb5LoginModule",
}


def _properties(files: Files) -> Iterator[JaasProperty]:
    for file in (*files.servers, *files.clients):
        yield from jaas_properties(file)


def message_text(refusal: JaasRefusal) -> str:
    """Return the message of the Java exception, on one line."""
    return " ".join(refusal.shown.split())


def _refusals(files: Files, cause: str) -> Iterator[tuple[JaasRefusal, str]]:
    """Yield the refusals for a cause, with the name of the refused property or file."""
    for jaas_property in _properties(files):
        if jaas_property.refusal and jaas_property.cause == cause:
            yield jaas_property.refusal, f"`{jaas_property.entry.key.text}`"
    for file in files.jaas:
        for refusal in file.refusals:
            if refusal.cause == cause:
                yield refusal, "the JAAS file"


def _hits(files: Files, cause: str, problem: str, fix: str) -> Iterator[Hit]:
    for refusal, name in _refusals(files, cause):
        yield refusal, f"{name}: {problem}; Kafka says: {message_text(refusal)}", fix


@rule(
    "jaas-line-wrapped",
    "error",
    "`sasl.jaas.config` breaks off in the middle",
    "a property ends with its line, and the next line is another property, which nothing reads",
    f"{CONFIG}; java.util.Properties.load",
)
def line_wrapped(files: Files) -> Iterator[Hit]:
    """The value is valid only together with the next line."""
    for jaas_property in _properties(files):
        refusal, entry = jaas_property.refusal, jaas_property.entry
        if refusal and jaas_property.cause == "wrapped":
            message = (
                f"`{entry.key.text}` continues in the next line; "
                f"Kafka says: {message_text(refusal)}"
            )
            yield entry, message, "write it on one line, or end the line with a backslash"


@rule(
    "jaas-value-quoted",
    "error",
    "`sasl.jaas.config` is in quotes",
    "properties files know no quotes: the parser takes the whole quoted text for one word",
    CONFIG,
)
def value_quoted(files: Files) -> Iterator[Hit]:
    """Quotes around the whole value, as a shell or YAML would need them."""
    for jaas_property in _properties(files):
        refusal, entry = jaas_property.refusal, jaas_property.entry
        if refusal and jaas_property.cause == "quoted":
            message = (
                f"`{entry.key.text}` is quoted as a whole; Kafka says: {message_text(refusal)}"
            )
            yield refusal, message, "remove the outer quotes"


@rule(
    "jaas-flag-missing",
    "error",
    "A login module without a control flag",
    "a broker or client with it does not start",
    CONFIG,
)
def flag_missing(files: Files) -> Iterator[Hit]:
    """The class name alone."""
    yield from _hits(files, "flag-missing", "the login module has no control flag", SHAPE)


@rule(
    "jaas-flag-glued",
    "error",
    "The control flag and the first option are one word",
    "the blank after `required` is necessary, although other blanks in JAAS files are not",
    f"{CONFIG}; {FILE}",
)
def flag_glued(files: Files) -> Iterator[Hit]:
    """`requiredusername=…`."""
    yield from _hits(
        files, "flag-glued", "no blank after the control flag", "write `required username=…`"
    )


@rule(
    "jaas-flag-unknown",
    "error",
    "A control flag that does not exist",
    "the flags are required, requisite, sufficient and optional",
    f"{CONFIG}; {FILE}",
)
def flag_unknown(files: Files) -> Iterator[Hit]:
    """Any other word in the place of the flag."""
    yield from _hits(
        files, "flag-unknown", "no control flag after the login module", "write `required`"
    )


@rule(
    "jaas-not-terminated",
    "error",
    "A login module without a semicolon at its end",
    "in a JAAS file the closing brace needs a semicolon, too: `…; };`",
    f"{CONFIG}; {FILE}",
)
def not_terminated(files: Files) -> Iterator[Hit]:
    """The semicolon after the last option or after the closing brace is missing."""
    yield from _hits(files, "not-terminated", "no `;` at its end", "end the login module with `;`")


@rule(
    "jaas-value-unquoted",
    "error",
    "An option's value is cut off or is not text",
    "without quotes, a word that begins with a digit, a dot or a minus is a number, "
    "a slash opens a comment, and most other characters end the value",
    f"{CONFIG}; {FILE}; java.io.StreamTokenizer",
)
def value_unquoted(files: Files) -> Iterator[Hit]:
    """`password=123abc`."""
    yield from _hits(
        files,
        "value-missing",
        "Java does not accept the value of an option",
        "put values in double quotes",
    )


@rule(
    "jaas-modules",
    "error",
    "`sasl.jaas.config` has no login module, or several",
    "a mechanism has exactly one",
    "org.apache.kafka.common.security.JaasContext.load",
)
def modules(files: Files) -> Iterator[Hit]:
    """A second login module, or an empty value."""
    for cause in ("modules", "empty"):
        yield from _hits(files, cause, "not exactly one login module", SHAPE)


@rule(
    "jaas-syntax",
    "error",
    "A JAAS file or property that cannot be read",
    "a broker or client with it does not start",
    f"{FILE}; javax.security.auth.login.AppConfigurationEntry",
)
def syntax(files: Files) -> Iterator[Hit]:
    """Mistakes of no other rule.

    Examples: a missing brace, a context given twice, a login module without a name.
    """
    for cause in ("syntax", "multiple", "module-missing"):
        yield from _hits(
            files, cause, "cannot be read", 'write `CONTEXT { CLASS required KEY="VALUE" …; };`'
        )


@rule(
    "jaas-unprefixed",
    "error",
    "A broker ignores its `sasl.jaas.config`",
    "a broker reads `listener.name.LISTENER.MECHANISM.sasl.jaas.config`, in lower case",
    "org.apache.kafka.common.security.JaasContext.loadServerContext",
)
def unprefixed(files: Files) -> Iterator[Hit]:
    """A key without listener and mechanism, or with capitals."""
    for file in files.servers:
        for jaas_property in jaas_properties(file):
            entry = jaas_property.entry
            if not _PREFIX.fullmatch(entry.key.text):
                log_line = (
                    "Server config sasl.jaas.config should be prefixed with SASL mechanism name, "
                    "ignoring config"
                )
                message = f"`{entry.key.text}` is ignored; Kafka logs: {log_line}"
                yield entry, message, "add listener and mechanism to the key, in lower case"


@rule(
    "jaas-module-unknown",
    "warning",
    "A login module that neither Java nor Kafka nor ZooKeeper has",
    "unless it is your own class, the login fails with `No LoginModule found`",
    "javax.security.auth.login.LoginContext.invoke",
)
def module_unknown(files: Files) -> Iterator[Hit]:
    """Usually a misspelt name."""
    login_modules = [
        *(jaas_property.module for jaas_property in _properties(files) if jaas_property.module),
        *(module for file in files.jaas for context in file.contexts for module in context.modules),
    ]
    for module in login_modules:
        if module.name not in _KNOWN and module.flag and _CLASS.fullmatch(module.name):
            message = f"`{module.name}` is not a known login module"
            yield module, message, f"use {SCRAM}, {PLAIN} or {DIGEST}"


@rule(
    "jaas-expansion",
    "warning",
    "Java expands `${…}` in a JAAS file",
    "Java inserts a system property, and refuses the file if there is no such property: "
    "unable to expand property",
    "sun.security.provider.ConfigFile.expand; sun.security.util.PropertyExpander",
)
def expansion(files: Files) -> Iterator[Hit]:
    """A JAAS file cannot hold passwords with `${…}` at all."""
    for file in files.jaas:
        for context in file.contexts:
            for module in context.modules:
                for option in module.options:
                    if re.search(r"\$\{(?!\{).*?\}", option.value):
                        message = f"option `{option.key}` of {context.name} holds `${{…}}`"
                        yield option, message, "use `sasl.jaas.config` for a password that holds it"
