"""`hactl verify`: the testinfra suite that hactl ships, and its run."""
