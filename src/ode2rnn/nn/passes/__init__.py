"""One recursion over one sequence, and its backward pass: in plain torch, and compiled."""
