"""Where a system rests, of what type, and its motion in a plane."""
