"""A simulated LLM-serving system in discrete events and queues, for the demo and its benchmark."""
