"""What each host must look like: roles, templates and items; no I/O to hosts."""
