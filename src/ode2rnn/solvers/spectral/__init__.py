"""Collocation at Radau points: the spectral method of steps for delay equations, and its kin."""
