"""What a site does right now, on one screen: a model of it, and its ways to be shown. Pure."""
