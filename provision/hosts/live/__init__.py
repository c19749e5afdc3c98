"""Checks of running hosts: their present state, read over SSH, compared with the inventory."""
