"""The present state of a site on one screen: a model of it, and its output formats. Pure."""
