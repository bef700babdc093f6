"""A tick of a cell as a graph of operations."""
