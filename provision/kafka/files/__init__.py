"""The files that Kafka and ZooKeeper read, read and written by Java's own rules."""
