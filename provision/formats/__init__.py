"""Readers and writers of files that other programs define; no policy about their contents."""
