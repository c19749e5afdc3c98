"""Rules about logins that several files must agree on: mechanisms, users and their passwords."""

from __future__ import annotations

from collections.abc import Iterator

from provision.checks.lint.kafka_files.logins import (
    Created,
    DeclaredLogin,
    broker_mechanism,
    client_logins,
    created_users,
    enabled_mechanisms,
    inter_broker_logins,
    server_modules,
    users_of,
)
from provision.checks.lint.kafka_files.registry import Files, last, rule
from provision.checks.lint.registry import Hit
from provision.formats.jaas import PLAIN, SCRAM

SCRAM_MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512")
INVALID = (
    "Authentication failed during authentication due to invalid credentials with SASL mechanism {}"
)
NO_PLAIN = (
    "Kafka Server failed to create a SaslServer to interact with a client during session authentication "
    "with server mechanism PLAIN"
)
INVALID_PLAIN = "Authentication failed: Invalid username or password"


@rule(
    "mechanism-not-enabled",
    "error",
    "A client uses a mechanism that no server enables",
    "it cannot log in, whatever its password",
    "org.apache.kafka.common.security.authenticator.SaslClientAuthenticator.handleSaslHandshakeResponse",
)
def mechanism_not_enabled(files: Files) -> Iterator[Hit]:
    """`sasl.mechanism` of each client against `sasl.enabled.mechanisms` of the servers."""
    enabled = list(
        dict.fromkeys(item for server in files.servers for item in enabled_mechanisms(server))
    )
    for client in files.clients:
        entry, mechanism = client.entry("sasl.mechanism"), client.get("sasl.mechanism")
        if entry and files.servers and mechanism not in enabled:
            listed = ", ".join(sorted(enabled, key=_bucket))
            said = f"Client SASL mechanism '{mechanism}' not enabled in the server, enabled mechanisms are [{listed}]"
            what = f"the server does not enable {mechanism}; Kafka says: {said}"
            yield entry, what, f"use {' or '.join(enabled)}, or add it to `sasl.enabled.mechanisms`"


def _bucket(text: str) -> int:
    """Where a text lies in a small java.util.HashSet, in whose order the broker answers."""
    code = 0
    for char in text:
        code = (31 * code + ord(char)) & 0xFFFFFFFF
    return (code ^ code >> 16) & 15


@rule(
    "inter-broker-mechanism",
    "error",
    "Brokers use a mechanism with each other that they do not enable",
    "no broker starts",
    "kafka.server.KafkaConfig",
)
def inter_broker_mechanism(files: Files) -> Iterator[Hit]:
    """`sasl.mechanism.inter.broker.protocol` must be one of `sasl.enabled.mechanisms`."""
    for server in files.servers:
        mechanism = broker_mechanism(server)
        place = last(
            server, "sasl.mechanism.inter.broker.protocol", "security.inter.broker.protocol"
        )
        if place and mechanism and mechanism not in enabled_mechanisms(server):
            said = "requirement failed: sasl.mechanism.inter.broker.protocol must be included in "
            said += "sasl.enabled.mechanisms when SASL is used for inter-broker communication"
            yield (
                place,
                f"{mechanism} is not enabled; Kafka says: {said}",
                "add it to `sasl.enabled.mechanisms`",
            )


@rule(
    "plain-users-elsewhere",
    "error",
    "PLAIN is enabled, and its users stand under another login module",
    "without PlainLoginModule there is no server for PLAIN: clients see `terminated during authentication`",
    "org.apache.kafka.common.security.plain.PlainLoginModule, which registers it; PlainServerCallbackHandler",
)
def plain_users_elsewhere(files: Files) -> Iterator[Hit]:
    """`user_*` under ScramLoginModule."""
    modules = [module for _, module in server_modules(files)]
    enabled = any("PLAIN" in enabled_mechanisms(server) for server in files.servers)
    if not enabled or any(module.name == PLAIN for module in modules):
        return
    for module in modules:
        users = module.users()
        if users:
            names = ", ".join(f"`user_{name}`" for name in users)
            what = f"{names} under {module.name.rsplit('.', 1)[-1]}; Kafka logs: {NO_PLAIN}"
            fix = "give KafkaServer a PlainLoginModule with them, or take PLAIN from `sasl.enabled.mechanisms`"
            yield next(iter(users.values())), what, fix


@rule(
    "scram-user-options",
    "warning",
    "`user_NAME` options that nothing reads",
    "SCRAM's users are in the cluster's metadata; changing a password here changes nothing",
    "org.apache.kafka.common.security.scram.ScramLoginModule",
)
def scram_user_options(files: Files) -> Iterator[Hit]:
    """In every context of a JAAS file, and in clients' properties."""
    for file in files.jaas:
        for context in file.contexts:
            for module in context.modules:
                users = module.users()
                if module.name == SCRAM and users:
                    what = f"{context.name}: ScramLoginModule does not read {', '.join(f'`user_{n}`' for n in users)}"
                    yield next(iter(users.values())), what, "create the users with kafka-configs"


@rule(
    "login-password-differs",
    "error",
    "A user logs in with another password than it was given",
    "authentication fails",
    "org.apache.kafka.common.security.authenticator.SaslServerAuthenticator; PlainSaslServer",
)
def login_password_differs(files: Files) -> Iterator[Hit]:
    """Clients and brokers against the users that scripts create (SCRAM) or that KafkaServer lists (PLAIN)."""
    created = created_users(files)
    plain = users_of([module for _, module in server_modules(files) if module.name == PLAIN])
    for login in (*client_logins(files), *inter_broker_logins(files)):
        if (
            login.mechanism == "PLAIN"
            and login.user in plain
            and plain[login.user].value != login.password
        ):
            what = f"the password of `{login.user}` is not that of `user_{login.user}`; Kafka says: {INVALID_PLAIN}"
            yield login, what, "make them the same"
        given = _given(created, login)
        if given and given.password != login.password:
            said = INVALID.format(login.mechanism)
            what = f"the password of `{login.user}` is not the one it was created with ({given.position})"
            yield login, f"{what}; Kafka says: {said}", "make them the same"


def _given(created: list[Created], login: DeclaredLogin) -> Created | None:
    """The last creation of this user for this mechanism."""
    mine = [
        user for user in created if (user.user, user.mechanism) == (login.user, login.mechanism)
    ]
    return mine[-1] if mine else None


@rule(
    "login-user-unknown",
    "error",
    "A user logs in that nothing creates",
    "authentication fails",
    "org.apache.kafka.common.security.scram.internals.ScramSaslServer; PlainServerCallbackHandler",
)
def login_user_unknown(files: Files) -> Iterator[Hit]:
    """Only where the files create users for the mechanism at all."""
    known: dict[str, set[str]] = {}
    for user in created_users(files):
        known.setdefault(user.mechanism, set()).add(user.user)
    plain = users_of([module for _, module in server_modules(files) if module.name == PLAIN])
    if plain:
        known["PLAIN"] = set(plain)
    for login in (*client_logins(files), *inter_broker_logins(files)):
        if login.mechanism in known and login.user not in known[login.mechanism]:
            what = f"no user `{login.user}` is created for {login.mechanism}"
            yield login, what, f"there are {', '.join(sorted(known[login.mechanism]))}"


@rule(
    "scram-one-password",
    "warning",
    "All users have the same password",
    "whoever has one client's password is every user, the administrator included",
    "Kafka documentation, SASL/SCRAM security considerations",
)
def scram_one_password(files: Files) -> Iterator[Hit]:
    """Two users or more, one password."""
    created = created_users(files)
    users = dict.fromkeys(user.user for user in created)
    if len(users) > 1 and len({user.password for user in created}) == 1:
        yield (
            created[-1],
            f"{', '.join(users)} are created with one password",
            "give each one of its own",
        )


@rule(
    "scram-iterations",
    "error",
    "A number of iterations that Kafka does not take",
    "the user is not created: 4096 is the least, 16384 the most",
    "org.apache.kafka.common.security.scram.internals.ScramMechanism; ScramControlManager.MAX_ITERATIONS",
)
def scram_iterations(files: Files) -> Iterator[Hit]:
    """`iterations=` of `--add-config` and `--add-scram`."""
    for user in created_users(files):
        if not 4096 <= user.iterations <= 16384:
            what = f"{user.iterations} iterations for {user.mechanism} of `{user.user}`"
            yield user, what, "choose 4096 to 16384, or leave it out"


@rule(
    "client-fallback",
    "warning",
    "The broker's JAAS file holds a login for clients",
    "a client with a broken or missing `sasl.jaas.config` of its own is that user, and checks of ACLs prove nothing",
    "org.apache.kafka.common.security.JaasContext.loadClientContext",
)
def client_fallback(files: Files) -> Iterator[Hit]:
    """KafkaClient beside KafkaServer."""
    for file in files.jaas:
        client, server = file.context("KafkaClient"), file.context("KafkaServer")
        if client and server:
            names = {module.get("username") for module in server.modules}
            same = next(
                (m.get("username") for m in client.modules if m.get("username") in names), ""
            )
            what = "KafkaClient stands beside KafkaServer"
            what += f", and is the brokers' own user `{same}`" if same else ""
            yield client, what, "take it out: clients have `sasl.jaas.config`"
