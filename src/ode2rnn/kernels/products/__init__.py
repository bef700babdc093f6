"""Products of matrices with vectors, with blocks of states and with each other, without a BLAS and its threads."""
