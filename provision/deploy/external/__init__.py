"""The check from outside: what clients and directors see of the front ends before and after each batch of a rollout."""
