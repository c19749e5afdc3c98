"""`hactl kafka verify`: users can do what they may, and brokers refuse everything else."""
