"""The admin API requests that perform and validate the operations of a plan.

They are the requests of kafka-python's admin client. hactl sends them itself, because an error of
that client contains the whole request and response, or only the error code.
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
    DropAcls,
    DropCredential,
    DropTopic,
    Operation,
    SetConfig,
    SetCredential,
    SetQuota,
)

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

Passwords = Mapping[str, str]
"""The passwords by user."""

TIMEOUT_MS = 8000
"""Milliseconds for a controller to create or delete a topic; less than the client's time-out."""

CONFLICT_ERRORS = frozenset(
    (
        "TopicAlreadyExistsError",
        "InvalidPartitionsError",
        "UnknownTopicOrPartitionError",
        "ResourceNotFoundError",
    )
)
"""Errors after a change by somebody else since the plan: a topic created, extended or deleted."""


class Declined(HactlError):
    """The cluster refuses an operation; a retry does not help."""


class Conflict(HactlError):
    """The cluster has changed since the plan."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "somebody has changed the cluster since the plan: plan again")


def perform(admin: KafkaAdminClient, operation: Operation, passwords: Passwords) -> None:
    """Perform an operation.

    Raises:
        Declined: the cluster refuses it.
        Conflict: it is no longer possible.
        KafkaError: the cluster does not answer.
    """
    match operation:
        case SetCredential(user, mechanism, iterations):
            upsertion = UserScramCredentialUpsertion(user, mechanism, passwords[user], iterations)
            credential = (
                user,
                int(upsertion.mechanism),
                iterations,
                upsertion.salt,
                upsertion.salted_password,
            )
            _credentials(
                admin, AlterUserScramCredentialsRequest(deletions=[], upsertions=[credential])
            )
        case DropCredential(user, mechanism):
            deletion = (user, int(ScramMechanism[mechanism.replace("-", "_")]))
            _credentials(
                admin, AlterUserScramCredentialsRequest(deletions=[deletion], upsertions=[])
            )
        case AddAcls(acls):
            _add_acls(admin, acls)
        case DropAcls(acls):
            _drop_acls(admin, acls)
        case SetQuota():
            _set_quota(admin, operation)
        case DropTopic(name):
            state = DeleteTopicsRequest.DeleteTopicState(name=name)
            answer = send_to_controller(
                admin, DeleteTopicsRequest(topics=[state], timeout_ms=TIMEOUT_MS)
            )
            _check_errors(answer.responses)
        case _:
            _change_topics(admin, [operation], validate_only=False)


def validate(admin: KafkaAdminClient, operations: Iterable[Operation]) -> None:
    """Let the cluster validate the operations on topics, without performing them.

    Raises:
        Declined: the cluster would refuse an operation.
        Conflict: an operation is no longer possible.
        KafkaError: the cluster does not answer.
    """
    _change_topics(admin, operations, validate_only=True)


def _change_topics(
    admin: KafkaAdminClient, operations: Iterable[Operation], *, validate_only: bool
) -> None:
    for operation in operations:
        match operation:
            case CreateTopic():
                request = CreateTopicsRequest(
                    topics=[_creatable(operation)],
                    timeout_ms=TIMEOUT_MS,
                    validate_only=validate_only,
                )
                answer = send_to_controller(admin, request)
                _check_errors(answer.topics)
            case AddPartitions(name, count):
                topic = CreatePartitionsRequest.CreatePartitionsTopic(name=name, count=count)
                request = CreatePartitionsRequest(
                    topics=[topic], timeout_ms=TIMEOUT_MS, validate_only=validate_only
                )
                answer = send_to_controller(admin, request)
                _check_errors(answer.results)
            case SetConfig(name, values, reset):
                entries: list[tuple[str, int, str | None]]
                entries = [(key, int(AlterConfigOp.SET), value) for key, value in values.items()]
                entries += [(key, int(AlterConfigOp.DELETE), None) for key in reset]
                resource = (int(ConfigResourceType.TOPIC), name, entries)
                request = IncrementalAlterConfigsRequest(
                    resources=[resource], validate_only=validate_only
                )
                answer = send(admin, request)
                _check_errors(answer.responses)


def _creatable(operation: CreateTopic) -> Any:
    Topic = CreateTopicsRequest.CreatableTopic  # noqa: N806  # a class
    return Topic(
        name=operation.name,
        num_partitions=operation.topic.partitions,
        replication_factor=operation.topic.replicas or -1,
        assignments=[],
        configs=[
            Topic.CreatableTopicConfig(name=key, value=value)
            for key, value in operation.topic.config.items()
        ],
    )


def _credentials(admin: KafkaAdminClient, request: AlterUserScramCredentialsRequest) -> None:
    answer = send_to_controller(admin, request)
    _check_errors(answer.results)


def _add_acls(admin: KafkaAdminClient, acls: Iterable[AclBinding]) -> None:
    creations = [
        CreateAclsRequest.AclCreation(
            resource_type=ResourceType[acl.kind.upper()],
            resource_name=acl.name,
            resource_pattern_type=_pattern(acl),
            principal=acl.principal,
            host=acl.host,
            operation=_acl_operation(acl),
            permission_type=_permission(acl),
        )
        for acl in acls
    ]
    answer = send(admin, CreateAclsRequest(creations=creations))
    _check_errors(answer.results)


def _drop_acls(admin: KafkaAdminClient, acls: Iterable[AclBinding]) -> None:
    filters = [
        DeleteAclsRequest.DeleteAclsFilter(
            resource_type_filter=ResourceType[acl.kind.upper()],
            resource_name_filter=acl.name,
            pattern_type_filter=_pattern(acl),
            principal_filter=acl.principal,
            host_filter=acl.host,
            operation=_acl_operation(acl),
            permission_type=_permission(acl),
        )
        for acl in acls
    ]
    answer = send(admin, DeleteAclsRequest(filters=filters))
    _check_errors(answer.filter_results)


def _pattern(acl: AclBinding) -> int:
    return int(ACLResourcePatternType.PREFIXED if acl.prefix else ACLResourcePatternType.LITERAL)


def _permission(acl: AclBinding) -> int:
    return int(ACLPermissionType.ALLOW if acl.allow else ACLPermissionType.DENY)


def _acl_operation(acl: AclBinding) -> int:
    words = "".join(f"_{letter}" if letter.isupper() else letter for letter in acl.operation)
    return int(ACLOperation[words.strip("_").upper()])


def _set_quota(admin: KafkaAdminClient, operation: SetQuota) -> None:
    Entry = AlterClientQuotasRequest.EntryData  # noqa: N806  # a class
    ops = [
        Entry.OpData(key=key, value=value, remove=False) for key, value in operation.values.items()
    ]
    ops += [Entry.OpData(key=key, value=0.0, remove=True) for key in operation.reset]
    entity = Entry.EntityData(entity_type="user", entity_name=operation.user)
    request = AlterClientQuotasRequest(
        entries=[Entry(entity=[entity], ops=ops)], validate_only=False
    )
    answer = send_to_controller(admin, request)
    _check_errors(answer.entries)


def _check_errors(results: Iterable[Any]) -> None:
    """Raise the first error of the results; a retriable error as the library's class."""
    for result in results:
        error = for_code(result.error_code)
        if error is NoError:
            continue
        text = getattr(result, "error_message", None) or error.description
        if error.__name__ in CONFLICT_ERRORS:
            raise Conflict(text)
        if issubclass(error, RetriableError):
            raise error(text)
        raise Declined(f"{text} ({error.message})")
