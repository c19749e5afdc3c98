"""Rolling restarts: a roll, or a deploy that restarts nodes, takes one node down at a time."""
