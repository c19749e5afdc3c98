"""The prober: a program on the client that sends requests to the VIPs, and its records' figures."""
