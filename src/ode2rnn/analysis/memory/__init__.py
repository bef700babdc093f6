"""How far back a system remembers: gradients on their way back, truncation."""
