"""Products and linear solves for panels held as blocks of rows of K values, a row a component.

The plain twins are in solvers.collocation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ode2rnn.kernels.elementwise import LOOP

Array = np.ndarray
Width = tuple[int, ...]

# For calls from kernels only: no entry from Python, which would be compiled, too.
INNER: dict[str, Any] = {**LOOP, "no_cpython_wrapper": True}

# The loops over a row have a constant length and slices for operands, whose indices cannot be negative, and bodies
# too long to be unrolled: otherwise the compiler leaves them scalar.


@njit(**INNER)
def add_product(width: Width, W: Array, Z: Array, out: Array) -> None:
    """out += W Z for blocks of rows of K; W is packed as W[p, i] = (row i, columns 4 p to 4 p + 3)."""
    K = len(width)
    for p in range(W.shape[0]):
        z = Z[4 * p * K : (4 * p + 4) * K]
        for i in range(0, W.shape[1], 4):
            a00, a01, a02, a03 = W[p, i, 0], W[p, i, 1], W[p, i, 2], W[p, i, 3]
            a10, a11, a12, a13 = W[p, i + 1, 0], W[p, i + 1, 1], W[p, i + 1, 2], W[p, i + 1, 3]
            a20, a21, a22, a23 = W[p, i + 2, 0], W[p, i + 2, 1], W[p, i + 2, 2], W[p, i + 2, 3]
            a30, a31, a32, a33 = W[p, i + 3, 0], W[p, i + 3, 1], W[p, i + 3, 2], W[p, i + 3, 3]
            o = out[i * K : (i + 4) * K]
            for k in range(K):
                z0, z1, z2, z3 = z[k], z[K + k], z[2 * K + k], z[3 * K + k]
                o[k] += a00 * z0 + a01 * z1 + a02 * z2 + a03 * z3
                o[K + k] += a10 * z0 + a11 * z1 + a12 * z2 + a13 * z3
                o[2 * K + k] += a20 * z0 + a21 * z1 + a22 * z2 + a23 * z3
                o[3 * K + k] += a30 * z0 + a31 * z1 + a32 * z2 + a33 * z3


@njit(**INNER)
def add_row(width: Width, weights: Array, f: Array, out: Array) -> None:
    """out += sum_j f[j] weights[j], rows of K, for f of K numbers; weights is flat."""
    K = len(width)
    for j in range(0, K, 8):
        f0, f1, f2, f3 = f[j], f[j + 1], f[j + 2], f[j + 3]
        f4, f5, f6, f7 = f[j + 4], f[j + 5], f[j + 6], f[j + 7]
        w = weights[j * K : (j + 8) * K]
        for k in range(K):
            low = (f0 * w[k] + f1 * w[K + k]) + (f2 * w[2 * K + k] + f3 * w[3 * K + k])
            high = (f4 * w[4 * K + k] + f5 * w[5 * K + k]) + (f6 * w[6 * K + k] + f7 * w[7 * K + k])
            out[k] += low + high


@njit(**INNER)
def add_pair(width: Width, real: Array, turned: Array, f: Array, g: Array, one: Array, two: Array) -> None:
    """one += f real - g turned and two += g real + f turned, as :func:`add_row`."""
    K = len(width)
    for j in range(0, K, 4):
        f0, f1, f2, f3 = f[j], f[j + 1], f[j + 2], f[j + 3]
        g0, g1, g2, g3 = g[j], g[j + 1], g[j + 2], g[j + 3]
        u, v = real[j * K : (j + 4) * K], turned[j * K : (j + 4) * K]
        for k in range(K):
            u0, u1, u2, u3 = u[k], u[K + k], u[2 * K + k], u[3 * K + k]
            v0, v1, v2, v3 = v[k], v[K + k], v[2 * K + k], v[3 * K + k]
            one[k] += ((f0 * u0 + f1 * u1) + (f2 * u2 + f3 * u3)) - ((g0 * v0 + g1 * v1) + (g2 * v2 + g3 * v3))
            two[k] += ((g0 * u0 + g1 * u1) + (g2 * u2 + g3 * u3)) + ((f0 * v0 + f1 * v1) + (f2 * v2 + f3 * v3))


@njit(**INNER)
def solve_modes(width: Width, real: Array, turned: Array, start: Array, forcing: Array, out: Array) -> None:
    """The panel of every mode: real modes first, then the pairs, all first members before all second members.

    Args:
        real: responses (reals + pairs, (1 + K) K) to the start value and to the forcing at each node.
        turned: the imaginary parts for the pairs, (pairs, (1 + K) K).
    """
    K = len(width)
    pairs = turned.shape[0]
    reals = real.shape[0] - pairs
    for c in range(reals):
        row, s = out[c * K : (c + 1) * K], start[c]
        for k in range(K):
            row[k] = s * real[c, k]
        add_row(width, real[c, K:], forcing[c * K : (c + 1) * K], row)
    for c in range(reals, reals + pairs):
        i, j = c, c + pairs
        u, v = real[c], turned[c - reals]
        one, two = out[i * K : (i + 1) * K], out[j * K : (j + 1) * K]
        s, t = start[i], start[j]
        for k in range(K):
            one[k] = s * u[k] - t * v[k]
            two[k] = t * u[k] + s * v[k]
        add_pair(width, u[K:], v[K:], forcing[i * K : (i + 1) * K], forcing[j * K : (j + 1) * K], one, two)


@njit(**INNER)
def solve_dense(width: Width, matrix: Array, start: Array, forcing: Array, out: Array) -> None:
    """The panel by one matrix of responses, (d + K d, K d), a row for each start value and each node of the forcing."""
    K = len(width)
    out[:] = 0.0
    d = matrix.shape[1] // K
    for i in range(d):
        f = start[i]
        row = matrix[i]
        for n in range(d * K):
            out[n] += f * row[n]
    for i in range(0, d * K, 4):
        f0, f1, f2, f3 = forcing[i], forcing[i + 1], forcing[i + 2], forcing[i + 3]
        rows = matrix[d + i : d + i + 4]
        for n in range(d * K):
            out[n] += (f0 * rows[0, n] + f1 * rows[1, n]) + (f2 * rows[2, n] + f3 * rows[3, n])
