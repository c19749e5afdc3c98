"""Probes: topics beside a topic that show on real brokers whether its plan holds."""
