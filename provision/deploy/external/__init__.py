"""The check from outside: the front ends as clients and directors see them around each batch."""
