"""`hactl verify`: the testinfra suite that travels with hactl, and the run of it."""
