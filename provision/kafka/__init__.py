"""The administration of a running Kafka cluster; `desired` and `formats` have its nodes' files."""
