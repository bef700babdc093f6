"""Many trajectories of one equation at once, where samples are asked for."""
