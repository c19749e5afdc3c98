"""One module a command: its Typer function and its body; no rules, no parsing, no wire formats."""
