"""One look at a cluster's users, topics, rights and quotas, over Kafka's admin API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kafka.admin import (
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ConfigResource,
    ResourcePatternFilter,
    ResourceType,
)
from kafka.errors import KafkaError, NoError, for_code
from kafka.protocol.admin import DescribeClientQuotasRequest
from kafka.protocol.metadata import MetadataRequest

from provision.kafka.admin import described
from provision.kafka.private_api import send
from provision.kafka.resources.model import AclBinding, ObservedCluster, SeenTopic

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

OWN = "DYNAMIC_TOPIC_CONFIG"
"""The source of a parameter that was set for the topic itself."""

ANY_NAME = 2
"""DescribeClientQuotasRequest's match type for every named entity."""


def look(admin: KafkaAdminClient, topics: Iterable[str]) -> ObservedCluster:
    """What the cluster has now, the parameters of `topics` included; whose password is which it does not tell.

    Raises:
        KafkaError: the cluster does not answer, or refuses.
    """
    brokers = frozenset(
        each["broker_id"] for each in described(admin)["brokers"] if not each.get("is_fenced")
    )
    found = {each["name"]: each for each in admin.describe_topics() if not _kafkas_own(each)}
    configs = _configs(admin, [name for name in topics if name in found])
    return ObservedCluster(
        users=_users(admin),
        topics={name: _topic(each, configs.get(name, {})) for name, each in found.items()},
        acls=_acls(admin),
        quotas=_quotas(admin),
        brokers=brokers,
    )


def known_to_all_brokers(admin: KafkaAdminClient, topics: Mapping[str, int]) -> bool:
    """Whether every broker that answers knows these topics with so many partitions; each learns of them by itself.

    Raises:
        KafkaError: no broker answers.
    """
    wanted = [MetadataRequest.MetadataRequestTopic(name=name) for name in topics]
    request = MetadataRequest(topics=wanted, allow_auto_topic_creation=False)
    for each in described(admin)["brokers"]:
        try:
            answer = send(admin, request, each["broker_id"])
        except KafkaError:
            continue  # one that is down
        if {each.name: len(each.partitions) for each in answer.topics} != topics:
            return False
    return True


def _kafkas_own(topic: Mapping[str, Any]) -> bool:
    return bool(topic["is_internal"]) or topic["name"].startswith("__")


def _configs(admin: KafkaAdminClient, topics: list[str]) -> Mapping[str, Mapping[str, Any]]:
    if not topics:
        return {}
    answer = admin.describe_configs(
        [ConfigResource("TOPIC", name) for name in topics], config_filter="all"
    )
    found: Mapping[str, Mapping[str, Any]] = answer["topic"]
    return found


def _topic(about: Mapping[str, Any], config: Mapping[str, Mapping[str, Any]]) -> SeenTopic:
    return SeenTopic(
        len(about["partitions"]),
        frozenset(len(each["replica_nodes"]) for each in about["partitions"]),
        {key: each["value"] or "" for key, each in config.items()},
        frozenset(key for key, each in config.items() if each["config_source"] == OWN),
    )


def _users(admin: KafkaAdminClient) -> dict[str, dict[str, int]]:
    """SCRAM's iterations by user and mechanism; the mechanism as SASL writes it."""
    return {
        user: {
            each["mechanism"].name.replace("_", "-"): each["iterations"]
            for each in about["credential_infos"]
        }
        for user, about in admin.describe_user_scram_credentials().items()
        if about["credential_infos"]
    }


def _acls(admin: KafkaAdminClient) -> frozenset[AclBinding]:
    every = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    found, _ = admin.describe_acls(
        ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, every)
    )
    return frozenset(
        AclBinding(
            each.principal,
            each.resource_pattern.resource_type.name.lower(),
            each.resource_pattern.resource_name,
            each.resource_pattern.pattern_type is ACLResourcePatternType.PREFIXED,
            "".join(word.capitalize() for word in each.operation.name.split("_")),
            each.permission_type is ACLPermissionType.ALLOW,
            each.host,
        )
        for each in found
    )


def _quotas(admin: KafkaAdminClient) -> dict[str, dict[str, float]]:
    """The quotas of single users; those of client ids, addresses and of all users together are not hactl's."""
    component = DescribeClientQuotasRequest.ComponentData(
        entity_type="user", match_type=ANY_NAME, match=None
    )
    request = DescribeClientQuotasRequest(components=[component], strict=True)
    answer = send(admin, request)
    error = for_code(answer.error_code)
    if error is not NoError:
        raise error(answer.error_message)
    return {
        str(entry.entity[0].entity_name): {each.key: each.value for each in entry.values}
        for entry in answer.entries
    }
