"""Readers and writers of files that other programs define; no policy about what should stand in them."""
