"""What becomes of a system as one of its numbers changes."""
