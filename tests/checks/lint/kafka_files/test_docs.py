"""docs/kafka-lint.md lists exactly the rules."""

from __future__ import annotations

import re

from provision.checks.lint.kafka_files.rules import KAFKA
from tests import REPOSITORY

PAGE = REPOSITORY / "docs" / "kafka-lint.md"


def test_the_page_lists_the_rules() -> None:
    """Every rule once, with severity and title."""
    listed = re.findall(r"^- `([\w-]+)` \((\w+)\): (.+)$", PAGE.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted((rule.id, rule.severity, rule.title) for rule in KAFKA.rules)
