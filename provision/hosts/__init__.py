"""SSH, the agents with their Python ends, and observations of hosts; no desired state."""
