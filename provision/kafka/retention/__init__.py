"""The consequences of a topic's parameters: bytes, deadlines, keys in a pass, contradictions."""
