"""Four ticks of a window of four weights by 7 products of matrices instead of 16: the numbers.  Uses: X1.

y[i] = sum_l W(l) x[i+l], i and l from 0 to 3, is a product of two polynomials of degree 3 turned round. Toom and Cook
take such a product from the values of both at seven points, infinity being one. Turned round, with sums over
j = 0 .. 6,

    y[i] = sum_p p^i (sum_l p^l W(l)) (sum_j X[p, j] x[j]),

where X[p] are the coefficients of the polynomial of Lagrange that is 1 at p and 0 at the other points. These are seven
products, and of sums that cost far less. The gradient of W, sum over n of z[n] x[n+l]^T, is of the same kind: there it
is W(l) that stands for y, and z for W.

What it costs: a sum of several x is rounded once more. The error is typically five times that of the products one by
one, its bound 18 times (tests/kernels/test_windows.py), and it goes by the greatest of the seven inputs, up to two
ticks before the first window that this one lies in. nn/gated_layout.py says up to which inputs that is taken.

Source: S. Winograd, "Arithmetic Complexity of Computations", SIAM, 1980.
"""

from __future__ import annotations

from math import prod

import numpy as np

POINTS = (0.0, 1.0, -1.0, 2.0, 0.5, -0.5)  # and infinity: small numbers and their inverses lose the fewest digits
PARTS = len(POINTS) + 1
WIDE = 4  # panels of results put together at once: rows are far apart, and the longer the piece of one, the better


def powers() -> np.ndarray:
    """p^l for l = 0 .. 3, (PARTS, 4).

    Example:
        >>> powers()[3:5]
        array([[1.   , 2.   , 4.   , 8.   ],
               [1.   , 0.5  , 0.25 , 0.125]])
    """
    return np.array([[p**i for i in range(4)] for p in POINTS] + [[0.0, 0.0, 0.0, 1.0]])


def lagrange() -> np.ndarray:
    """X, (PARTS, 7); at infinity the polynomial that is 0 at all other points.

    Example:
        >>> lagrange()[0].round(12) + 0
        array([ 1. , -0.5, -5. ,  2.5,  4. , -2. ,  0. ])
    """
    X = np.zeros((PARTS, 7))
    for row, p in zip(X, POINTS, strict=False):
        others = [q for q in POINTS if q != p]
        row[:6] = np.poly(others)[::-1] / prod(p - q for q in others)
    X[-1] = np.poly(POINTS)[::-1]
    return X
