"""The passes of recurrent layers over a whole sequence, forward and backward, with and without gates."""
