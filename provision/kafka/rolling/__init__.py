"""Brokers and controllers taken down one at a time: by a roll, and by a deploy that restarts them."""
