"""Fetches a cluster's users, topics, ACLs and quotas over Kafka's admin API."""

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

from provision.kafka.admin import describe_cluster
from provision.kafka.private_api import send
from provision.kafka.resources.model import AclBinding, ObservedCluster, ObservedTopic

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

TOPIC_SOURCE = "DYNAMIC_TOPIC_CONFIG"
"""The source of a parameter that is set for the topic itself."""

ANY_NAME = 2
"""DescribeClientQuotasRequest's match type for every named entity."""


def look(admin: KafkaAdminClient, topics: Iterable[str]) -> ObservedCluster:
    """Return the cluster's current state, with the parameters of `topics` but without passwords.

    Raises:
        KafkaError: the cluster does not answer, or refuses.
    """
    brokers = frozenset(
        broker["broker_id"]
        for broker in describe_cluster(admin)["brokers"]
        if not broker.get("is_fenced")
    )
    descriptions = {
        topic["name"]: topic for topic in admin.describe_topics() if not _is_internal(topic)
    }
    configs = _configs(admin, [name for name in topics if name in descriptions])
    return ObservedCluster(
        users=_users(admin),
        topics={
            name: _topic(description, configs.get(name, {}))
            for name, description in descriptions.items()
        },
        acls=_acls(admin),
        quotas=_quotas(admin),
        brokers=brokers,
    )


def known_to_all_brokers(admin: KafkaAdminClient, topics: Mapping[str, int]) -> bool:
    """Return whether every broker that answers knows these topics with these partition counts.

    Every broker learns of a new topic by itself.

    Raises:
        KafkaError: no broker answers.
    """
    names = [MetadataRequest.MetadataRequestTopic(name=name) for name in topics]
    request = MetadataRequest(topics=names, allow_auto_topic_creation=False)
    for broker in describe_cluster(admin)["brokers"]:
        try:
            answer = send(admin, request, broker["broker_id"])
        except KafkaError:
            continue  # this broker is down
        if {topic.name: len(topic.partitions) for topic in answer.topics} != topics:
            return False
    return True


def _is_internal(topic: Mapping[str, Any]) -> bool:
    return bool(topic["is_internal"]) or topic["name"].startswith("__")


def _configs(admin: KafkaAdminClient, topics: list[str]) -> Mapping[str, Mapping[str, Any]]:
    if not topics:
        return {}
    answer = admin.describe_configs(
        [ConfigResource("TOPIC", name) for name in topics], config_filter="all"
    )
    configs: Mapping[str, Mapping[str, Any]] = answer["topic"]
    return configs


def _topic(
    description: Mapping[str, Any], config: Mapping[str, Mapping[str, Any]]
) -> ObservedTopic:
    return ObservedTopic(
        len(description["partitions"]),
        frozenset(len(partition["replica_nodes"]) for partition in description["partitions"]),
        {key: entry["value"] or "" for key, entry in config.items()},
        frozenset(key for key, entry in config.items() if entry["config_source"] == TOPIC_SOURCE),
    )


def _users(admin: KafkaAdminClient) -> dict[str, dict[str, int]]:
    """Return the SCRAM iterations by user and mechanism, with SASL's names of mechanisms."""
    return {
        user: {
            credential["mechanism"].name.replace("_", "-"): credential["iterations"]
            for credential in description["credential_infos"]
        }
        for user, description in admin.describe_user_scram_credentials().items()
        if description["credential_infos"]
    }


def _acls(admin: KafkaAdminClient) -> frozenset[AclBinding]:
    any_resource = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    acls, _ = admin.describe_acls(
        ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, any_resource)
    )
    return frozenset(
        AclBinding(
            acl.principal,
            acl.resource_pattern.resource_type.name.lower(),
            acl.resource_pattern.resource_name,
            acl.resource_pattern.pattern_type is ACLResourcePatternType.PREFIXED,
            "".join(word.capitalize() for word in acl.operation.name.split("_")),
            acl.permission_type is ACLPermissionType.ALLOW,
            acl.host,
        )
        for acl in acls
    )


def _quotas(admin: KafkaAdminClient) -> dict[str, dict[str, float]]:
    """Return the quotas of users; hactl ignores those of client ids, addresses and the default."""
    component = DescribeClientQuotasRequest.ComponentData(
        entity_type="user", match_type=ANY_NAME, match=None
    )
    request = DescribeClientQuotasRequest(components=[component], strict=True)
    answer = send(admin, request)
    error = for_code(answer.error_code)
    if error is not NoError:
        raise error(answer.error_message)
    return {
        str(entry.entity[0].entity_name): {quota.key: quota.value for quota in entry.values}
        for entry in answer.entries
    }
