"""What a topic's parameters come to: bytes, deadlines, keys a pass, and what contradicts what."""
