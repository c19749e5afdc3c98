"""What runs on the client: Python 3.7 and its standard library, sent over the wire, never installed.

These modules import nothing of hactl but each other; nothing else is there. provision/prober/program.py sends them.
"""
