"""Rules about logins that several files must agree on: mechanisms, users and their passwords."""

from __future__ import annotations

from collections.abc import Iterator

from provision.checks.lint.kafka_files.logins import (
    CreatedUser,
    DeclaredLogin,
    broker_mechanism,
    created_users,
    declared_logins,
    enabled_mechanisms,
    plain_users,
    server_modules,
)
from provision.checks.lint.kafka_files.registry import Files, first_entry, rule
from provision.checks.lint.registry import Hit
from provision.formats.jaas import PLAIN, SCRAM

SCRAM_MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512")
INVALID = (
    "Authentication failed during authentication due to invalid credentials with SASL mechanism {}"
)
NO_PLAIN = (
    "Kafka Server failed to create a SaslServer to interact with a client during session "
    "authentication with server mechanism PLAIN"
)
INVALID_PLAIN = "Authentication failed: Invalid username or password"


@rule(
    "mechanism-not-enabled",
    "error",
    "A client uses a mechanism that no server enables",
    "it cannot log in, whatever its password",
    "org.apache.kafka.common.security.authenticator."
    "SaslClientAuthenticator.handleSaslHandshakeResponse",
)
def mechanism_not_enabled(files: Files) -> Iterator[Hit]:
    """Compares a client's `sasl.mechanism` with the servers' `sasl.enabled.mechanisms`."""
    enabled = list(
        dict.fromkeys(name for server in files.servers for name in enabled_mechanisms(server))
    )
    for client in files.clients:
        entry, mechanism = client.entry("sasl.mechanism"), client.get("sasl.mechanism")
        if entry and files.servers and mechanism not in enabled:
            kafka_message = (
                f"Client SASL mechanism '{mechanism}' not enabled in the server, "
                f"enabled mechanisms are [{', '.join(sorted(enabled, key=_java_bucket))}]"
            )
            message = f"the server does not enable {mechanism}; Kafka says: {kafka_message}"
            fix = f"use {' or '.join(enabled)}, or add it to `sasl.enabled.mechanisms`"
            yield entry, message, fix


def _java_bucket(text: str) -> int:
    """Return a text's bucket in a small java.util.HashSet; the broker lists in this order."""
    code = 0
    for char in text:
        code = (31 * code + ord(char)) & 0xFFFFFFFF
    return (code ^ code >> 16) & 15


@rule(
    "inter-broker-mechanism",
    "error",
    "Brokers use a mechanism between each other that they do not enable",
    "no broker starts",
    "kafka.server.KafkaConfig",
)
def inter_broker_mechanism(files: Files) -> Iterator[Hit]:
    """`sasl.mechanism.inter.broker.protocol` must be one of `sasl.enabled.mechanisms`."""
    for server in files.servers:
        mechanism = broker_mechanism(server)
        place = first_entry(
            server, "sasl.mechanism.inter.broker.protocol", "security.inter.broker.protocol"
        )
        if place and mechanism and mechanism not in enabled_mechanisms(server):
            kafka_message = (
                "requirement failed: sasl.mechanism.inter.broker.protocol must be included in "
                "sasl.enabled.mechanisms when SASL is used for inter-broker communication"
            )
            message = f"{mechanism} is not enabled; Kafka says: {kafka_message}"
            yield place, message, "add it to `sasl.enabled.mechanisms`"


@rule(
    "plain-users-elsewhere",
    "error",
    "PLAIN is enabled, but its users are under another login module",
    "without PlainLoginModule there is no server for PLAIN: "
    "clients see `terminated during authentication`",
    "org.apache.kafka.common.security.plain.PlainLoginModule, which registers it; "
    "PlainServerCallbackHandler",
)
def plain_users_elsewhere(files: Files) -> Iterator[Hit]:
    """`user_*` under ScramLoginModule."""
    modules = server_modules(files)
    enabled = any("PLAIN" in enabled_mechanisms(server) for server in files.servers)
    if not enabled or any(module.name == PLAIN for module in modules):
        return
    for module in modules:
        users = module.users()
        if users:
            names = ", ".join(f"`user_{name}`" for name in users)
            message = f"{names} under {module.name.rsplit('.', 1)[-1]}; Kafka logs: {NO_PLAIN}"
            fix = (
                "give KafkaServer a PlainLoginModule with them, "
                "or remove PLAIN from `sasl.enabled.mechanisms`"
            )
            yield next(iter(users.values())), message, fix


@rule(
    "scram-user-options",
    "warning",
    "`user_NAME` options that nothing reads",
    "SCRAM's users are in the cluster's metadata; changing a password here changes nothing",
    "org.apache.kafka.common.security.scram.ScramLoginModule",
)
def scram_user_options(files: Files) -> Iterator[Hit]:
    """Checks every context of the JAAS files."""
    for file in files.jaas:
        for context in file.contexts:
            for module in context.modules:
                users = module.users()
                if module.name == SCRAM and users:
                    options = ", ".join(f"`user_{name}`" for name in users)
                    message = f"{context.name}: ScramLoginModule does not read {options}"
                    yield next(iter(users.values())), message, "create the users with kafka-configs"


@rule(
    "login-password-differs",
    "error",
    "A user logs in with another password than it was created with",
    "authentication fails",
    "org.apache.kafka.common.security.authenticator.SaslServerAuthenticator; PlainSaslServer",
)
def login_password_differs(files: Files) -> Iterator[Hit]:
    """Compares the logins of clients and brokers with their users.

    Scripts create users of SCRAM. KafkaServer lists users of PLAIN.
    """
    created = created_users(files)
    plain = plain_users(files)
    for login in declared_logins(files):
        user = login.user
        if login.mechanism == "PLAIN" and user in plain and plain[user].value != login.password:
            message = f"the password of `{user}` is not that of `user_{user}`"
            yield login, f"{message}; Kafka says: {INVALID_PLAIN}", "make them the same"
        creation = _last_creation(created, login)
        if creation and creation.password != login.password:
            message = (
                f"the password of `{user}` is not the one it was created with "
                f"({creation.position}); Kafka says: {INVALID.format(login.mechanism)}"
            )
            yield login, message, "make them the same"


def _last_creation(created: list[CreatedUser], login: DeclaredLogin) -> CreatedUser | None:
    """Return the last creation of a login's user for its mechanism; None if there is none."""
    creations = [
        user for user in created if (user.user, user.mechanism) == (login.user, login.mechanism)
    ]
    return creations[-1] if creations else None


@rule(
    "login-user-unknown",
    "error",
    "A user logs in that nothing creates",
    "authentication fails",
    "org.apache.kafka.common.security.scram.internals.ScramSaslServer; PlainServerCallbackHandler",
)
def login_user_unknown(files: Files) -> Iterator[Hit]:
    """Silent if the files create no user for the mechanism at all."""
    users_by_mechanism: dict[str, set[str]] = {}
    for creation in created_users(files):
        users_by_mechanism.setdefault(creation.mechanism, set()).add(creation.user)
    plain = plain_users(files)
    if plain:
        users_by_mechanism["PLAIN"] = set(plain)
    for login in declared_logins(files):
        users = users_by_mechanism.get(login.mechanism)
        if users and login.user not in users:
            message = f"nothing creates user `{login.user}` for {login.mechanism}"
            yield login, message, f"create it, or use one of: {', '.join(sorted(users))}"


@rule(
    "scram-one-password",
    "warning",
    "All users have the same password",
    "anyone with the password of one client can log in as every user, the administrator included",
    "Kafka documentation, SASL/SCRAM security considerations",
)
def scram_one_password(files: Files) -> Iterator[Hit]:
    """Two users or more share one password."""
    created = created_users(files)
    users = dict.fromkeys(creation.user for creation in created)
    if len(users) > 1 and len({creation.password for creation in created}) == 1:
        message = f"{', '.join(users)} are created with one password"
        yield created[-1], message, "give every user a different password"


@rule(
    "scram-iterations",
    "error",
    "A number of iterations that Kafka does not accept",
    "Kafka does not create the user: the minimum is 4096, the maximum 16384",
    "org.apache.kafka.common.security.scram.internals.ScramMechanism; "
    "ScramControlManager.MAX_ITERATIONS",
)
def scram_iterations(files: Files) -> Iterator[Hit]:
    """`iterations=` of `--add-config` and `--add-scram`."""
    for creation in created_users(files):
        if not 4096 <= creation.iterations <= 16384:
            message = (
                f"{creation.iterations} iterations for {creation.mechanism} of `{creation.user}`"
            )
            yield creation, message, "use 4096 to 16384, or remove the option"


@rule(
    "client-fallback",
    "warning",
    "The broker's JAAS file holds a login for clients",
    "a client with a broken or missing `sasl.jaas.config` logs in as that user, "
    "and tests of ACLs prove nothing",
    "org.apache.kafka.common.security.JaasContext.loadClientContext",
)
def client_fallback(files: Files) -> Iterator[Hit]:
    """KafkaClient in the same file as KafkaServer."""
    for file in files.jaas:
        client, server = file.context("KafkaClient"), file.context("KafkaServer")
        if client and server:
            broker_users = {module.get("username") for module in server.modules}
            client_users = [module.get("username") for module in client.modules]
            shared = next((user for user in client_users if user in broker_users), "")
            message = "KafkaClient is in the same file as KafkaServer"
            message += f", and is the brokers' own user `{shared}`" if shared else ""
            yield client, message, "remove it: clients have `sasl.jaas.config`"
