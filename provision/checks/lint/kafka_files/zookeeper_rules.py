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
WORDS = frozenset(COMMANDS.split())
SASL = "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"


def _sasl(file: Properties) -> Entry | None:
    """The entry that enables SASL."""
    found = (file.entry(key) for key in file.plain() if key.startswith("authProvider."))
    return next((entry for entry in found if entry and entry.value.trimmed().text == SASL), None)


@rule(
    "zk-auth-scheme-ignored",
    "error",
    "`requireClientAuthScheme` does nothing",
    "clients that do not log in may create and delete what no ACL protects, although it looks forbidden",
    "ZooKeeper has no such parameter; org.apache.zookeeper.server.AuthenticationHelper",
)
def auth_scheme_ignored(files: Files) -> Iterator[Hit]:
    """It is in many guides."""
    for file in files.zookeepers:
        entry = file.entry("requireClientAuthScheme")
        if entry:
            what = "no version of ZooKeeper reads `requireClientAuthScheme`"
            yield entry, what, "set `sessionRequireClientSASLAuth=true` (3.6 or newer)"


@rule(
    "zk-anonymous",
    "warning",
    "ZooKeeper offers SASL and takes clients without it",
    "whoever reaches the port can write what has no ACL, brokers' registrations and SCRAM users included",
    "org.apache.zookeeper.server.AuthenticationHelper: sessionRequireClientSASLAuth, enforce.auth.enabled",
)
def anonymous(files: Files) -> Iterator[Hit]:
    """The provider is there, the requirement is not."""
    for file in files.zookeepers:
        entry = _sasl(file)
        required = flag(file, "sessionRequireClientSASLAuth", False) or (
            flag(file, "enforce.auth.enabled", False)
            and "sasl" in items(file.get("enforce.auth.schemes"))
        )
        if entry and not required:
            what = "`sessionRequireClientSASLAuth` is not set: a client need not log in"
            yield (
                entry,
                what,
                "set `sessionRequireClientSASLAuth=true`, once every client can log in",
            )


@rule(
    "zk-whitelist",
    "error",
    "A four-letter word in the list that does not exist",
    "words are separated by commas; what is none allows nothing, and checks that ask it fail",
    "org.apache.zookeeper.server.command.FourLetterCommands",
)
def whitelist(files: Files) -> Iterator[Hit]:
    """`mntr.envi` is neither."""
    for file in files.zookeepers:
        entry = file.entry("4lw.commands.whitelist")
        unknown = [word for word in items(file.get("4lw.commands.whitelist")) if word not in WORDS]
        if entry and unknown:
            yield entry, f"no command is called {_quoted(unknown)}", "separate the words by commas"


def _quoted(words: list[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


@rule(
    "zk-prefix-doubled",
    "error",
    "A system property's name in zoo.cfg",
    "what ZooKeeper does not know becomes a system property with `zookeeper.` in front, which is there twice then",
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
                    fix = "take it away: it is about clients, and true for them by default"
                yield entry, f"`{key}` sets `zookeeper.{key}`, which nothing reads", fix


@rule(
    "zk-one-server",
    "warning",
    "An ensemble of one",
    "ZooKeeper runs alone, without an election, and Kafka stops with that one host",
    f"{CONFIG}.parseDynamicConfig",
)
def one_server(files: Files) -> Iterator[Hit]:
    """`server.1` alone."""
    for file in files.zookeepers:
        members = zoo_cfg.servers(file)
        if len(members) == 1:
            what = f"`{members[0].key}` alone; ZooKeeper logs: Invalid configuration, only one server specified (ignoring)"
            yield (
                members[0],
                what,
                "name three servers, each with its number in `myid` of its dataDir; else none",
            )


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
                yield (
                    member,
                    f"`{member.key}` has not the form HOST:PORT:PORT",
                    "write `HOST:2888:3888`",
                )


@rule(
    "zk-init-limit",
    "warning",
    "Too little time to join the ensemble",
    "a member that must copy a large snapshot from the leader starts over again and again",
    "ZooKeeper Administrator's Guide, initLimit; its sample has 10",
)
def init_limit(files: Files) -> Iterator[Hit]:
    """Ticks for connecting and copying, so no fewer than for a sync."""
    for file in files.zookeepers:
        entry = file.entry("initLimit")
        limit, tick = number(file, "initLimit", 10), number(file, "tickTime", 3000)
        if entry and limit < max(5, number(file, "syncLimit", 5)):
            yield (
                entry,
                f"`initLimit={limit}` leaves {limit * tick / 1000:g} s to join",
                "set `initLimit=10`",
            )


@rule(
    "zk-quorum-unauthenticated",
    "warning",
    "The members of the ensemble do not log in to each other",
    "the user of context Server is for clients: whoever reaches the election port can join",
    "org.apache.zookeeper.server.quorum.auth.QuorumAuth; Server-Server mutual authentication",
)
def quorum_unauthenticated(files: Files) -> Iterator[Hit]:
    """`username` in Server, or several members, without `quorum.auth.*`."""
    own_user = [
        module.option("username")
        for context in files.contexts("Server")
        for module in context.modules
        if module.option("username")
    ]
    for file in files.zookeepers:
        if flag(file, "quorum.auth.enableSasl", False) or not _sasl(file):
            continue
        members = zoo_cfg.servers(file)
        place = own_user[0] if own_user else members[0] if len(members) > 1 else None
        if place:
            what = "`quorum.auth.enableSasl` is not set"
            what += ", so that nothing uses Server's `username` and `password`" if own_user else ""
            fix = "set `quorum.auth.enableSasl`, `learnerRequireSasl` and `serverRequireSasl`, "
            yield place, what, fix + "with contexts QuorumServer and QuorumLearner"


@rule(
    "zk-client-module",
    "warning",
    "Kafka's login module for ZooKeeper",
    "it works by accident, over DIGEST-MD5: ZooKeeper knows no SCRAM",
    "org.apache.zookeeper.server.auth.DigestLoginModule",
)
def client_module(files: Files) -> Iterator[Hit]:
    """ScramLoginModule in Client."""
    for context in files.contexts("Client"):
        for module in context.modules:
            if module.name == SCRAM:
                yield module, "`Client` logs in to ZooKeeper with ScramLoginModule", f"use {DIGEST}"


@rule(
    "zk-login-differs",
    "error",
    "The broker's login to ZooKeeper is none that ZooKeeper knows",
    "the broker cannot connect: Authentication failed",
    "org.apache.zookeeper.server.auth.SaslServerCallbackHandler: user_NAME of context Server",
)
def login_differs(files: Files) -> Iterator[Hit]:
    """Client's user and password against Server's `user_NAME`."""
    known = {
        name: option
        for context in files.contexts("Server")
        for m in context.modules
        for name, option in m.users().items()
    }
    if not known:
        return
    for context in files.contexts("Client"):
        for module in context.modules:
            user, option = module.get("username"), module.option("username")
            if option and user not in known:
                yield (
                    option,
                    f"`{user}` has no `user_{user}` in context Server",
                    f"add `user_{user}` there",
                )
            elif option and known[user].value != module.get("password"):
                what = f"the password of `{user}` is not that of `user_{user}` in {known[user].position.file}"
                yield option, what, "make them the same"


@rule(
    "zk-acl-unset",
    "warning",
    "Brokers log in to ZooKeeper and protect nothing there",
    "every client of ZooKeeper may change topics, ACLs and users: `zookeeper.set.acl` is false by default",
    "org.apache.kafka.server.config.ZkConfigs",
)
def acl_unset(files: Files) -> Iterator[Hit]:
    """A Client context, and no `zookeeper.set.acl=true`."""
    for server in files.servers:
        entry = server.entry("zookeeper.connect")
        if entry and files.contexts("Client") and not flag(server, "zookeeper.set.acl", False):
            what = "`zookeeper.set.acl` is not set although the brokers log in to ZooKeeper"
            yield (
                entry,
                what,
                "set `zookeeper.set.acl=true`, then run zookeeper-security-migration once",
            )
