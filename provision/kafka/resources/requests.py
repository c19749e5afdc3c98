"""How each step of a plan is done over Kafka's admin API, and tried without doing it.

The requests are those of kafka-python's own admin client; they are sent from here because it puts a failure's
whole request and response into its text, or no more than the code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kafka.admin import (
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    AlterConfigOp,
    ConfigResourceType,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from kafka.errors import NoError, RetriableError, for_code
from kafka.protocol.admin import (
    AlterClientQuotasRequest,
    AlterUserScramCredentialsRequest,
    CreateAclsRequest,
    CreatePartitionsRequest,
    CreateTopicsRequest,
    DeleteAclsRequest,
    DeleteTopicsRequest,
    IncrementalAlterConfigsRequest,
)

from provision.core.errors import HactlError
from provision.kafka.private_api import send, send_to_controller
from provision.kafka.resources.model import AclBinding
from provision.kafka.resources.plan import (
    AddAcls,
    AddPartitions,
    CreateTopic,
    Deed,
    DropAcls,
    DropCredential,
    DropTopic,
    SetConfig,
    SetCredential,
    SetQuota,
)

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

Passwords = Mapping[str, str]
"""By user."""

TIMEOUT = 8000
"""Milliseconds that a controller may take to make or delete a topic; less than the client waits for its answer."""

CHANGED = frozenset(
    (
        "TopicAlreadyExistsError",
        "InvalidPartitionsError",
        "UnknownTopicOrPartitionError",
        "ResourceNotFoundError",
    )
)
"""The errors of a request that was right when it was planned: somebody else has made, grown or taken it since."""


class Declined(HactlError):
    """The cluster refuses a step, and would again."""


class Changed(HactlError):
    """The cluster is not what it was when the plan was made."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "somebody else has changed it meanwhile: plan again")


def perform(admin: KafkaAdminClient, deed: Deed, passwords: Passwords) -> None:
    """Do a step.

    Raises:
        Declined: the cluster refuses it.
        Changed: it is not possible any more.
        KafkaError: the cluster does not answer.
    """
    match deed:
        case SetCredential(user, mechanism, iterations):
            made = UserScramCredentialUpsertion(user, mechanism, passwords[user], iterations)
            whole = (user, int(made.mechanism), iterations, made.salt, made.salted_password)
            _credentials(admin, AlterUserScramCredentialsRequest(deletions=[], upsertions=[whole]))
        case DropCredential(user, mechanism):
            named = (user, int(ScramMechanism[mechanism.replace("-", "_")]))
            _credentials(admin, AlterUserScramCredentialsRequest(deletions=[named], upsertions=[]))
        case AddAcls(acls):
            _add_acls(admin, acls)
        case DropAcls(acls):
            _drop_acls(admin, acls)
        case SetQuota():
            _set_quota(admin, deed)
        case DropTopic(name):
            state = DeleteTopicsRequest.DeleteTopicState(name=name)
            answer = send_to_controller(
                admin, DeleteTopicsRequest(topics=[state], timeout_ms=TIMEOUT)
            )
            _check(
                (each.error_code, getattr(each, "error_message", None)) for each in answer.responses
            )
        case _:
            _change_topics(admin, [deed], validate_only=False)


def validate(admin: KafkaAdminClient, deeds: Iterable[Deed]) -> None:
    """Have the cluster look at everything about topics that is to be done, and do nothing.

    Raises:
        Declined: the cluster would refuse something.
        Changed: something is not possible any more.
        KafkaError: the cluster does not answer.
    """
    _change_topics(admin, deeds, validate_only=True)


def _change_topics(admin: KafkaAdminClient, deeds: Iterable[Deed], *, validate_only: bool) -> None:
    for deed in deeds:
        match deed:
            case CreateTopic():
                request = CreateTopicsRequest(
                    topics=[_creatable(deed)], timeout_ms=TIMEOUT, validate_only=validate_only
                )
                answer = send_to_controller(admin, request)
                _check((each.error_code, each.error_message) for each in answer.topics)
            case AddPartitions(name, count):
                topic = CreatePartitionsRequest.CreatePartitionsTopic(name=name, count=count)
                request = CreatePartitionsRequest(
                    topics=[topic], timeout_ms=TIMEOUT, validate_only=validate_only
                )
                answer = send_to_controller(admin, request)
                _check((each.error_code, each.error_message) for each in answer.results)
            case SetConfig(name, values, reset):
                entries: list[tuple[str, int, str | None]]
                entries = [(key, int(AlterConfigOp.SET), value) for key, value in values.items()]
                entries += [(key, int(AlterConfigOp.DELETE), None) for key in reset]
                resource = (int(ConfigResourceType.TOPIC), name, entries)
                request = IncrementalAlterConfigsRequest(
                    resources=[resource], validate_only=validate_only
                )
                answer = send(admin, request)
                _check((each.error_code, each.error_message) for each in answer.responses)


def _creatable(deed: CreateTopic) -> Any:
    Topic = CreateTopicsRequest.CreatableTopic  # noqa: N806  # a class
    return Topic(
        name=deed.name,
        num_partitions=deed.topic.partitions,
        replication_factor=deed.topic.replicas or -1,
        assignments=[],
        configs=[
            Topic.CreatableTopicConfig(name=key, value=value)
            for key, value in deed.topic.config.items()
        ],
    )


def _credentials(admin: KafkaAdminClient, request: AlterUserScramCredentialsRequest) -> None:
    answer = send_to_controller(admin, request)
    _check((each.error_code, each.error_message) for each in answer.results)


def _add_acls(admin: KafkaAdminClient, acls: Iterable[AclBinding]) -> None:
    creations = [
        CreateAclsRequest.AclCreation(
            resource_type=ResourceType[acl.kind.upper()],
            resource_name=acl.name,
            resource_pattern_type=_pattern(acl),
            principal=acl.principal,
            host=acl.host,
            operation=_operation(acl),
            permission_type=_permission(acl),
        )
        for acl in acls
    ]
    answer = send(admin, CreateAclsRequest(creations=creations))
    _check((each.error_code, each.error_message) for each in answer.results)


def _drop_acls(admin: KafkaAdminClient, acls: Iterable[AclBinding]) -> None:
    filters = [
        DeleteAclsRequest.DeleteAclsFilter(
            resource_type_filter=ResourceType[acl.kind.upper()],
            resource_name_filter=acl.name,
            pattern_type_filter=_pattern(acl),
            principal_filter=acl.principal,
            host_filter=acl.host,
            operation=_operation(acl),
            permission_type=_permission(acl),
        )
        for acl in acls
    ]
    answer = send(admin, DeleteAclsRequest(filters=filters))
    _check((each.error_code, each.error_message) for each in answer.filter_results)


def _pattern(acl: AclBinding) -> int:
    return int(ACLResourcePatternType.PREFIXED if acl.prefix else ACLResourcePatternType.LITERAL)


def _permission(acl: AclBinding) -> int:
    return int(ACLPermissionType.ALLOW if acl.allow else ACLPermissionType.DENY)


def _operation(acl: AclBinding) -> int:
    words = "".join(f"_{letter}" if letter.isupper() else letter for letter in acl.operation)
    return int(ACLOperation[words.strip("_").upper()])


def _set_quota(admin: KafkaAdminClient, deed: SetQuota) -> None:
    Entry = AlterClientQuotasRequest.EntryData  # noqa: N806  # a class
    ops = [Entry.OpData(key=key, value=value, remove=False) for key, value in deed.values.items()]
    ops += [Entry.OpData(key=key, value=0.0, remove=True) for key in deed.reset]
    entity = Entry.EntityData(entity_type="user", entity_name=deed.user)
    request = AlterClientQuotasRequest(
        entries=[Entry(entity=[entity], ops=ops)], validate_only=False
    )
    answer = send_to_controller(admin, request)
    _check((each.error_code, each.error_message) for each in answer.entries)


def _check(answers: Iterable[tuple[int, str | None]]) -> None:
    """Raise the first error there is among codes and messages: what may pass as the library's own class."""
    for code, message in answers:
        error = for_code(code)
        if error is NoError:
            continue
        said = message or error.description
        if error.__name__ in CHANGED:
            raise Changed(said)
        if issubclass(error, RetriableError):
            raise error(said)
        raise Declined(f"{said} ({error.message})")
