"""Rules that find the likely cause of symptoms on the hosts, with evidence. Pure."""
