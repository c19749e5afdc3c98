"""Rules about `sasl.jaas.config` and JAAS files that Kafka refuses, each with the message it gives."""

from __future__ import annotations

import re
from collections.abc import Iterator

from provision.checks.lint.kafka_files.logins import JAAS, JaasProperty, jaas_properties
from provision.checks.lint.kafka_files.registry import Files, rule
from provision.checks.lint.registry import Hit
from provision.formats.jaas import DIGEST, PLAIN, SCRAM, JaasModule, JaasRefusal

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
    """The message as it stands in the exception, on one line."""
    return " ".join(refusal.shown.split())


def _refused(files: Files, *causes: str) -> Iterator[tuple[JaasRefusal, str]]:
    """Refusals for one of the causes, with the name of what is refused."""
    for own in _properties(files):
        if own.refusal and own.cause in causes:
            yield own.refusal, f"`{own.entry.key.text}`"
    for file in files.jaas:
        for refusal in file.refusals:
            if refusal.cause in causes:
                yield refusal, "the JAAS file"


def _hits(files: Files, cause: str, what: str, fix: str) -> Iterator[Hit]:
    for refusal, name in _refused(files, cause):
        yield refusal, f"{name}: {what}; Kafka says: {message_text(refusal)}", fix


@rule(
    "jaas-line-wrapped",
    "error",
    "`sasl.jaas.config` breaks off in the middle",
    "a property ends with its line, and the next line is a property of its own that nobody reads",
    f"{CONFIG}; java.util.Properties.load",
)
def line_wrapped(files: Files) -> Iterator[Hit]:
    """The value makes sense only with the line behind it."""
    for own in _properties(files):
        if own.refusal and own.cause == "wrapped":
            what = f"`{own.entry.key.text}` goes on in the next line; Kafka says: {message_text(own.refusal)}"
            yield own.entry, what, "write it on one line, or end the line with a backslash"


@rule(
    "jaas-value-quoted",
    "error",
    "`sasl.jaas.config` stands in quotes",
    "quotes mean nothing in a properties file: the parser takes all that they hold for one word",
    CONFIG,
)
def value_quoted(files: Files) -> Iterator[Hit]:
    """Quotes around the whole value, as a shell or YAML would want them."""
    for own in _properties(files):
        if own.refusal and own.cause == "quoted":
            what = f"`{own.entry.key.text}` is quoted as a whole; Kafka says: {message_text(own.refusal)}"
            yield own.refusal, what, "take the outer quotes away"


@rule(
    "jaas-flag-missing",
    "error",
    "A login module without a control flag",
    "whoever uses it does not start",
    CONFIG,
)
def flag_missing(files: Files) -> Iterator[Hit]:
    """The class name alone."""
    yield from _hits(files, "flag-missing", "the login module has no control flag", SHAPE)


@rule(
    "jaas-flag-glued",
    "error",
    "The control flag and the first option are one word",
    "the blank behind `required` is needed, whatever is said about blanks in JAAS files",
    f"{CONFIG}; {FILE}",
)
def flag_glued(files: Files) -> Iterator[Hit]:
    """`requiredusername=…`."""
    yield from _hits(
        files, "flag-glued", "no blank behind the control flag", "write `required username=…`"
    )


@rule(
    "jaas-flag-unknown",
    "error",
    "A control flag that does not exist",
    "there are required, requisite, sufficient and optional",
    f"{CONFIG}; {FILE}",
)
def flag_unknown(files: Files) -> Iterator[Hit]:
    """Anything else in its place."""
    yield from _hits(
        files, "flag-unknown", "no control flag behind the login module", "write `required`"
    )


@rule(
    "jaas-not-terminated",
    "error",
    "A login module without a semicolon behind it",
    "in a JAAS file the closing brace wants one, too: `…; };`",
    f"{CONFIG}; {FILE}",
)
def not_terminated(files: Files) -> Iterator[Hit]:
    """The semicolon behind the last option, or behind the brace."""
    yield from _hits(files, "not-terminated", "no `;` behind it", "end the login module with `;`")


@rule(
    "jaas-value-unquoted",
    "error",
    "An option's value is cut off or is no text",
    "without quotes, what begins with a digit, a dot or a minus is a number, a slash opens a comment, and most other "
    "characters end the value",
    f"{CONFIG}; {FILE}; java.io.StreamTokenizer",
)
def value_unquoted(files: Files) -> Iterator[Hit]:
    """`password=123abc`."""
    yield from _hits(
        files,
        "value-missing",
        "a value that Java does not take for one",
        "put values in double quotes",
    )


@rule(
    "jaas-modules",
    "error",
    "`sasl.jaas.config` holds none or several login modules",
    "it is one for one mechanism",
    "org.apache.kafka.common.security.JaasContext.load",
)
def modules(files: Files) -> Iterator[Hit]:
    """A second one, or an empty value."""
    for cause in ("modules", "empty"):
        yield from _hits(files, cause, "not exactly one login module", SHAPE)


@rule(
    "jaas-syntax",
    "error",
    "A JAAS file or property that cannot be read",
    "whoever uses it does not start",
    f"{FILE}; javax.security.auth.login.AppConfigurationEntry",
)
def syntax(files: Files) -> Iterator[Hit]:
    """What no other rule names: a brace missing, a context given twice, a login module without a name."""
    for cause in ("syntax", "multiple", "module-missing"):
        yield from _hits(
            files, cause, "cannot be read", 'write `CONTEXT { CLASS required KEY="VALUE" …; };`'
        )


@rule(
    "jaas-unprefixed",
    "error",
    "A broker's `sasl.jaas.config` that it does not look at",
    "a broker looks for `listener.name.LISTENER.MECHANISM.sasl.jaas.config`, in lower case",
    "org.apache.kafka.common.security.JaasContext.loadServerContext",
)
def unprefixed(files: Files) -> Iterator[Hit]:
    """Without listener and mechanism, or with capitals."""
    for file in files.servers:
        for own in jaas_properties(file):
            if not _PREFIX.fullmatch(own.entry.key.text):
                said_so = "Server config sasl.jaas.config should be prefixed with SASL mechanism name, ignoring config"
                what = f"`{own.entry.key.text}` is ignored; Kafka logs: {said_so}"
                yield own.entry, what, "name listener and mechanism in lower case"


@rule(
    "jaas-module-unknown",
    "warning",
    "A login module that neither Java nor Kafka nor ZooKeeper has",
    "if it is not your own, logging in fails with `No LoginModule found`",
    "javax.security.auth.login.LoginContext.invoke",
)
def module_unknown(files: Files) -> Iterator[Hit]:
    """Misspelt, most often."""
    found: list[JaasModule] = [own.module for own in _properties(files) if own.module]
    found += [
        module for file in files.jaas for context in file.contexts for module in context.modules
    ]
    for module in found:
        if module.name not in _KNOWN and module.flag and _CLASS.fullmatch(module.name):
            yield (
                module,
                f"`{module.name}` is none of the known login modules",
                f"{SCRAM}, {PLAIN} or {DIGEST}",
            )


@rule(
    "jaas-expansion",
    "warning",
    "`${…}` in a JAAS file is not what it says",
    "Java puts a system property in its place, and refuses the file where there is none: unable to expand property",
    "sun.security.provider.ConfigFile.expand; sun.security.util.PropertyExpander",
)
def expansion(files: Files) -> Iterator[Hit]:
    """Passwords with it cannot be written into a JAAS file at all."""
    for file in files.jaas:
        for context in file.contexts:
            for module in context.modules:
                for option in module.options:
                    if re.search(r"\$\{(?!\{).*?\}", option.value):
                        what = f"option `{option.key}` of {context.name} holds `${{…}}`"
                        yield option, what, "use `sasl.jaas.config` for a password that holds it"
