"""What becomes of each replica: the controller's state machine, and the state told from what a cluster says of itself."""
