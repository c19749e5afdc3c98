"""The prober's program on the client: Python 3.7 and its standard library, never installed.

provision/prober/program.py sends these modules. They import no other modules of hactl.
"""
