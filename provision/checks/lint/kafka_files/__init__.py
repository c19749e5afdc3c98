"""Mistakes in the raw files of Kafka and ZooKeeper, looked at together."""
