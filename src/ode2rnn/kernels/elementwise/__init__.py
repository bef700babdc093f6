"""Functions of one number, of a vector register, and of rows of numbers, and the numbers that stand for activations."""
