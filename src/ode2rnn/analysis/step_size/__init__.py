"""What the sampling step does: convergence, order, cost, retiming."""
