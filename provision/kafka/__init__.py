"""Kafka behind the front end."""
