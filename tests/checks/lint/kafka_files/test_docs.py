"""docs/kafka-lint.md names every rule, and no other."""

from __future__ import annotations

import re

from provision.checks.lint.kafka_files.rules import KAFKA
from tests import REPOSITORY

PAGE = REPOSITORY / "docs" / "kafka-lint.md"


def test_the_page_lists_the_rules() -> None:
    """With severity and title, each once."""
    listed = re.findall(r"^- `([\w-]+)` \((\w+)\): (.+)$", PAGE.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted((rule.id, rule.severity, rule.title) for rule in KAFKA.rules)
