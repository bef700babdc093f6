"""The methods rk4 and tsit5 for many trajectories of one network equation at once."""
