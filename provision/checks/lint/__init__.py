"""Rules over a whole inventory, and over raw files; no host is asked."""
