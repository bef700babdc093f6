"""Recursions with matrices by lag, one at a time or a batch of them that differ in step or weights."""
