"""hactl provisions and proves a high-availability front end of LVS and Keepalived."""

__version__ = "0.2.0"
