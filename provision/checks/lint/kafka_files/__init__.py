"""Rules over raw configuration files and scripts of Kafka and ZooKeeper."""
