"""The spectral method of steps for a delay equation, step after step."""
