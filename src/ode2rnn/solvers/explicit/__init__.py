"""Explicit methods with dense output for one trajectory: Taylor's and Tsitouras'."""
