"""SSH, the agents with their Python ends, and readings of running hosts; nothing about what should be there."""
