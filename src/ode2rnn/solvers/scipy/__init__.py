"""scipy's ODE solvers under their own names."""
