"""The administration of a running Kafka cluster; its nodes' files are in `desired` and `formats`."""
