"""What becomes of replicas: the controller's state machine, and the states told from what a cluster answers."""
