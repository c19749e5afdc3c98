"""Rules over a whole inventory and over raw files. They connect to no host."""
