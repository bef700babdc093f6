"""Training: gradients by the paper's own equations, and what fitting a network needs."""
