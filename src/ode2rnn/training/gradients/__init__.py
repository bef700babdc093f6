"""Gradients: back-propagation through time, its adjoint equation, clipping."""
