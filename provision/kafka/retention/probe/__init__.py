"""A topic beside the topic: what the plan says of its parameters, watched on real brokers."""
