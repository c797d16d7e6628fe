"""Kafka: the only door to its client. `source` reads, `sink` writes, the rest keeps them going."""
