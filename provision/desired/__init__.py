"""The desired state of hosts: roles, templates and items; no I/O to hosts."""
