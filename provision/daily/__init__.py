"""The commands of every day: status, doctor and what else an operator asks of a running site."""
