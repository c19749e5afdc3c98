"""`hactl kafka roll`: every node of a cluster restarted, one at a time, with nothing lost."""
