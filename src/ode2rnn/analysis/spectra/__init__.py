"""Characteristic roots and multipliers, and where they make a system stable."""
