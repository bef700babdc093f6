"""How deviations grow along a motion."""
