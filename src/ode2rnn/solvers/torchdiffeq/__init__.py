"""torchdiffeq's methods under their own names."""
