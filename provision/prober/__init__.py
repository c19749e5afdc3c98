"""The prober: a program on the client that asks the VIP all the time, and what its records mean."""
