"""The replicas of a cluster: the controller's state machine, and the states that answers imply."""
