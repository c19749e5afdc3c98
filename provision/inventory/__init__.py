"""From inventory files to a typed, cross-checked topology; no rendering and no host is asked."""
