"""docs/kafka-lint.md names every rule, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from provision.kafka.lint.report import KAFKA

PAGE = Path(__file__).parents[3] / "docs" / "kafka-lint.md"


def test_the_page_lists_the_rules() -> None:
    """With severity and title, each once."""
    listed = re.findall(r"^- `([\w-]+)` \((\w+)\): (.+)$", PAGE.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted((rule.id, rule.severity, rule.title) for rule in KAFKA.rules)
