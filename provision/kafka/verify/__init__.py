"""`hactl kafka verify`: what users may do works from where clients are, and what they may not is refused."""
