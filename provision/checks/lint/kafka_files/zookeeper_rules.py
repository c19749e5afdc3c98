"""Rules about zoo.cfg and the JAAS contexts between brokers and ZooKeeper."""

from __future__ import annotations

from collections.abc import Iterator

from provision.checks.lint.kafka_files.registry import Files, flag, items, number, rule
from provision.checks.lint.registry import Hit
from provision.formats import zoo_cfg
from provision.formats.jaas import DIGEST, SCRAM
from provision.formats.properties import Entry, Properties

CONFIG = "org.apache.zookeeper.server.quorum.QuorumPeerConfig"
COMMANDS = (
    "conf cons crst dirs dump envi gtmk hash isro mntr ruok srst srvr stat stmk wchc wchp wchs *"
)
FOUR_LETTER_WORDS = frozenset(COMMANDS.split())
SASL = "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"


def _sasl_entry(file: Properties) -> Entry | None:
    """Return the entry that enables SASL; None if SASL is off."""
    entries = (file.entry(key) for key in file.plain() if key.startswith("authProvider."))
    return next((entry for entry in entries if entry and entry.value.trimmed().text == SASL), None)


@rule(
    "zk-auth-scheme-ignored",
    "error",
    "`requireClientAuthScheme` has no effect",
    "clients without a login may create and delete nodes without an ACL, although it looks "
    "forbidden",
    "ZooKeeper has no such parameter; org.apache.zookeeper.server.AuthenticationHelper",
)
def auth_scheme_ignored(files: Files) -> Iterator[Hit]:
    """Many guides contain it."""
    for file in files.zookeepers:
        entry = file.entry("requireClientAuthScheme")
        if entry:
            message = "no version of ZooKeeper reads `requireClientAuthScheme`"
            yield entry, message, "set `sessionRequireClientSASLAuth=true` (3.6 or newer)"


@rule(
    "zk-anonymous",
    "warning",
    "ZooKeeper offers SASL but does not require it",
    "every client that reaches the port can write nodes without an ACL, "
    "brokers' registrations and SCRAM users included",
    "org.apache.zookeeper.server.AuthenticationHelper: sessionRequireClientSASLAuth, "
    "enforce.auth.enabled",
)
def anonymous(files: Files) -> Iterator[Hit]:
    """The authentication provider is set, but not the requirement."""
    for file in files.zookeepers:
        entry = _sasl_entry(file)
        required = flag(file, "sessionRequireClientSASLAuth", False) or (
            flag(file, "enforce.auth.enabled", False)
            and "sasl" in items(file.get("enforce.auth.schemes"))
        )
        if entry and not required:
            message = "`sessionRequireClientSASLAuth` is not set: clients need not log in"
            fix = "set `sessionRequireClientSASLAuth=true`, once every client can log in"
            yield entry, message, fix


@rule(
    "zk-whitelist",
    "error",
    "The list contains a four-letter word that does not exist",
    "commas separate words; an unknown word allows nothing, and checks that send it fail",
    "org.apache.zookeeper.server.command.FourLetterCommands",
)
def whitelist(files: Files) -> Iterator[Hit]:
    """`mntr.envi` is one unknown word."""
    for file in files.zookeepers:
        entry = file.entry("4lw.commands.whitelist")
        words = items(file.get("4lw.commands.whitelist"))
        unknown = [word for word in words if word not in FOUR_LETTER_WORDS]
        if entry and unknown:
            quoted = ", ".join(f"`{word}`" for word in unknown)
            yield entry, f"there is no command {quoted}", "separate the words by commas"


@rule(
    "zk-prefix-doubled",
    "error",
    "A system property's name in zoo.cfg",
    "ZooKeeper turns an unknown key into a system property with the prefix `zookeeper.`, "
    "which is then doubled",
    f"{CONFIG}.parseProperties",
)
def prefix_doubled(files: Files) -> Iterator[Hit]:
    """`zookeeper.sasl.client` becomes `zookeeper.zookeeper.sasl.client`."""
    for file in files.zookeepers:
        for key in file.plain():
            entry = file.entry(key)
            if entry and key.startswith("zookeeper."):
                fix = f"write `{key[10:]}`, or set `-D{key}=…` for the JVM"
                if key == "zookeeper.sasl.client":
                    fix = "remove it: it applies to clients, and its default is true for them"
                yield entry, f"`{key}` sets `zookeeper.{key}`, which nothing reads", fix


@rule(
    "zk-one-server",
    "warning",
    "An ensemble with one member",
    "ZooKeeper runs alone, without an election, and Kafka stops when that host fails",
    f"{CONFIG}.parseDynamicConfig",
)
def one_server(files: Files) -> Iterator[Hit]:
    """Only `server.1`."""
    for file in files.zookeepers:
        members = zoo_cfg.servers(file)
        if len(members) == 1:
            message = (
                f"`{members[0].key}` is the only member; "
                "ZooKeeper logs: Invalid configuration, only one server specified (ignoring)"
            )
            fix = "name three servers, each with its number in `myid` of its dataDir; else none"
            yield members[0], message, fix


@rule(
    "zk-server-line",
    "error",
    "A member of the ensemble that cannot be parsed",
    "ZooKeeper does not start",
    "org.apache.zookeeper.server.quorum.QuorumPeer.QuorumServer",
)
def server_line(files: Files) -> Iterator[Hit]:
    """`server.N=HOST:PEER_PORT:ELECTION_PORT[:ROLE][;CLIENT_PORT]`."""
    for file in files.zookeepers:
        for member in zoo_cfg.servers(file):
            if member.server is None:
                message = f"`{member.key}` does not have the form HOST:PORT:PORT"
                yield member, message, "write `HOST:2888:3888`"


@rule(
    "zk-init-limit",
    "warning",
    "Too little time to join the ensemble",
    "a member that must copy a large snapshot from the leader starts again and again",
    "ZooKeeper Administrator's Guide, initLimit; its sample has 10",
)
def init_limit(files: Files) -> Iterator[Hit]:
    """The ticks cover connecting and copying, so they must not be fewer than those of a sync."""
    for file in files.zookeepers:
        entry = file.entry("initLimit")
        limit, tick = number(file, "initLimit", 10), number(file, "tickTime", 3000)
        if entry and limit < max(5, number(file, "syncLimit", 5)):
            message = f"`initLimit={limit}` leaves {limit * tick / 1000:g} s to join"
            yield entry, message, "set `initLimit=10`"


@rule(
    "zk-quorum-unauthenticated",
    "warning",
    "The members of the ensemble do not log in to each other",
    "the user of context Server is for clients: "
    "every host that reaches the election port can join the ensemble",
    "org.apache.zookeeper.server.quorum.auth.QuorumAuth; Server-Server mutual authentication",
)
def quorum_unauthenticated(files: Files) -> Iterator[Hit]:
    """`username` in Server, or several members, without `quorum.auth.*`."""
    usernames = [
        module.option("username")
        for context in files.contexts("Server")
        for module in context.modules
        if module.option("username")
    ]
    for file in files.zookeepers:
        if flag(file, "quorum.auth.enableSasl", False) or not _sasl_entry(file):
            continue
        members = zoo_cfg.servers(file)
        place = usernames[0] if usernames else members[0] if len(members) > 1 else None
        if place:
            message = "`quorum.auth.enableSasl` is not set"
            if usernames:
                message += ", so nothing uses Server's `username` and `password`"
            fix = (
                "set `quorum.auth.enableSasl`, `learnerRequireSasl` and `serverRequireSasl`, "
                "with contexts QuorumServer and QuorumLearner"
            )
            yield place, message, fix


@rule(
    "zk-client-module",
    "warning",
    "The broker logs in to ZooKeeper with Kafka's login module",
    "it works by accident, over DIGEST-MD5: ZooKeeper has no SCRAM",
    "org.apache.zookeeper.server.auth.DigestLoginModule",
)
def client_module(files: Files) -> Iterator[Hit]:
    """ScramLoginModule in context Client."""
    for context in files.contexts("Client"):
        for module in context.modules:
            if module.name == SCRAM:
                message = "`Client` logs in to ZooKeeper with ScramLoginModule"
                yield module, message, f"use {DIGEST}"


@rule(
    "zk-login-differs",
    "error",
    "ZooKeeper does not know the broker's login",
    "the broker cannot connect: Authentication failed",
    "org.apache.zookeeper.server.auth.SaslServerCallbackHandler: user_NAME of context Server",
)
def login_differs(files: Files) -> Iterator[Hit]:
    """Compares Client's user and password with Server's `user_NAME`."""
    users = {
        user: option
        for context in files.contexts("Server")
        for module in context.modules
        for user, option in module.users().items()
    }
    if not users:
        return
    for context in files.contexts("Client"):
        for module in context.modules:
            user, option = module.get("username"), module.option("username")
            if option and user not in users:
                message = f"`{user}` has no `user_{user}` in context Server"
                yield option, message, f"add `user_{user}` there"
            elif option and users[user].value != module.get("password"):
                message = (
                    f"the password of `{user}` is not that of `user_{user}` "
                    f"in {users[user].position.file}"
                )
                yield option, message, "make them the same"


@rule(
    "zk-acl-unset",
    "warning",
    "Brokers log in to ZooKeeper but set no ACLs there",
    "every client of ZooKeeper may change topics, ACLs and users: "
    "`zookeeper.set.acl` is false by default",
    "org.apache.kafka.server.config.ZkConfigs",
)
def acl_unset(files: Files) -> Iterator[Hit]:
    """A Client context without `zookeeper.set.acl=true`."""
    for server in files.servers:
        entry = server.entry("zookeeper.connect")
        if entry and files.contexts("Client") and not flag(server, "zookeeper.set.acl", False):
            message = "`zookeeper.set.acl` is not set, although the brokers log in to ZooKeeper"
            fix = "set `zookeeper.set.acl=true`, then run zookeeper-security-migration once"
            yield entry, message, fix
