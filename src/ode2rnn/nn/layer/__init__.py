"""The base of all layers: its weights by letter, its arguments, and its call."""
