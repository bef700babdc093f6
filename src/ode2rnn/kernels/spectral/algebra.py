"""Products and linear solves for steps held as blocks of rows of K values, a row a component.

Arrays come by their addresses, see kernels.elementwise.vectors. K is a multiple of 8. The plain twins are in
solvers.spectral.collocation.
"""

from __future__ import annotations

from ode2rnn.kernels.compiling import inner
from ode2rnn.kernels.elementwise.vectors import get, load, spread, store
from ode2rnn.kernels.products.tile import strip_of_eight


@inner
def fill(out: int, size: int, value: float) -> None:
    """One number, ``size`` times, a multiple of 4."""
    for i in range(0, size, 4):
        store(out, i, spread(value))


@inner
def add_product(K: int, W: int, rows: int, columns: int, Z: int, out: int) -> None:
    """out += W Z for W (rows, columns), ``columns`` rows of K in Z, and ``rows`` in out."""
    for o in range(0, K, 8):
        strip_of_eight((W, columns, 1), (Z + 8 * o, K, 0), (out + 8 * o, K), rows, columns)


@inner
def add_row(K: int, weights: int, first: float, f: int, out: int) -> None:
    """out += first weights[0] + sum_j f[j] weights[1 + j], for rows of K."""
    for o in range(0, K, 4):
        store(out, o, first * load(weights, o) + load(out, o))
    for o in range(0, K, 8):
        strip_of_eight((f, 0, 1), (weights + 8 * (K + o), K, 0), (out + 8 * o, K), 1, K)


@inner
def solve_modes(K: int, counts: tuple[int, int], real: int, turned: int, start: int, f: int, out: int) -> None:
    """The values of every mode: real modes first, then the pairs, all first members before all second members.

    Args:
        counts: how many real modes and pairs there are.
        real: responses (reals + pairs, (1 + K) K) to the start value and to the forcing at each node.
        turned: the imaginary parts for the pairs, (pairs, 2, (1 + K) K), and these with the other sign.
    """
    reals, pairs = counts
    size, row = 8 * (K + 1) * K, 8 * K  # addresses count bytes
    fill(out, (reals + 2 * pairs) * K, 0.0)
    for c in range(reals):
        add_row(K, real + c * size, get(start, c), f + c * row, out + c * row)
    for p in range(pairs):
        i, j = reals + p, reals + p + pairs
        u, v = real + i * size, turned + 2 * p * size
        add_row(K, u, get(start, i), f + i * row, out + i * row)
        add_row(K, v + size, get(start, j), f + j * row, out + i * row)
        add_row(K, u, get(start, j), f + j * row, out + j * row)
        add_row(K, v, get(start, i), f + i * row, out + j * row)


@inner
def solve_dense(n: int, d: int, matrix: int, start: int, forcing: int, out: int) -> None:
    """The values by one matrix of responses, (d + n, n), a row for each start value and each of n = d K forcings."""
    fill(out, n, 0.0)
    for o in range(0, n, 8):
        strip_of_eight((start, 0, 1), (matrix + 8 * o, n, 0), (out + 8 * o, n), 1, d)
        strip_of_eight((forcing, 0, 1), (matrix + 8 * (d * n + o), n, 0), (out + 8 * o, n), 1, n)
