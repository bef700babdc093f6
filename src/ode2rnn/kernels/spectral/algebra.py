"""Products and linear solves for panels held as blocks of rows of K values, a row a component.

Arrays come by their addresses, see kernels.elementwise.vectors. K is a multiple of 8: two Vectors of a row are summed
at a time, in registers, over all that adds to them. The plain twins are in solvers.spectral.collocation.
"""

from __future__ import annotations

from ode2rnn.kernels.compiling import inner
from ode2rnn.kernels.elementwise.vectors import fma, get, load, plus, spread, store, times


@inner
def add_product(K: int, W: int, blocks: int, columns: int, Z: int, out: int) -> None:
    """out += W Z for ``columns`` rows of K in Z; W is packed as [i, j] = (rows 4 i to 4 i + 3, column j)."""
    for i in range(blocks):
        for o in range(0, K, 8):
            first = 4 * i * K + o
            second, third, fourth = first + K, first + 2 * K, first + 3 * K
            a0, a1 = load(out, first), load(out, first + 4)
            b0, b1 = load(out, second), load(out, second + 4)
            c0, c1 = load(out, third), load(out, third + 4)
            d0, d1 = load(out, fourth), load(out, fourth + 4)
            w, z = 4 * i * columns, o
            for _ in range(columns):
                x, y = load(Z, z), load(Z, z + 4)
                a, b, c, d = spread(get(W, w)), spread(get(W, w + 1)), spread(get(W, w + 2)), spread(get(W, w + 3))
                a0, a1 = fma(a, x, a0), fma(a, y, a1)
                b0, b1 = fma(b, x, b0), fma(b, y, b1)
                c0, c1 = fma(c, x, c0), fma(c, y, c1)
                d0, d1 = fma(d, x, d0), fma(d, y, d1)
                w += 4
                z += K
            store(out, first, a0)
            store(out, first + 4, a1)
            store(out, second, b0)
            store(out, second + 4, b1)
            store(out, third, c0)
            store(out, third + 4, c1)
            store(out, fourth, d0)
            store(out, fourth + 4, d1)


@inner
def add_row(K: int, weights: int, first: float, f: int, at: int, out: int, to: int) -> None:
    """out[to :] += first weights[0] + sum_j f[at + j] weights[1 + j], for rows of K."""
    for o in range(0, K, 8):
        a0, a1 = load(out, to + o), load(out, to + o + 4)
        b0, b1 = times(spread(first), load(weights, o)), times(spread(first), load(weights, o + 4))
        n = K + o
        for j in range(at, at + K, 2):
            x, y = spread(get(f, j)), spread(get(f, j + 1))
            a0, a1 = fma(x, load(weights, n), a0), fma(x, load(weights, n + 4), a1)
            b0, b1 = fma(y, load(weights, n + K), b0), fma(y, load(weights, n + K + 4), b1)
            n += 2 * K
        store(out, to + o, plus(a0, b0))
        store(out, to + o + 4, plus(a1, b1))


@inner
def solve_pair(K: int, u: int, v: int, s: float, t: float, f: int, i: int, j: int, out: int) -> None:
    """Rows i and j of out: the panel of a pair from the start values s, t and rows i, j of the forcing f.

    u and v are the addresses of the real and imaginary parts of its responses.
    """
    for o in range(0, K, 8):
        x, y, z = spread(s), spread(t), spread(-t)
        u0, u1, v0, v1 = load(u, o), load(u, o + 4), load(v, o), load(v, o + 4)
        a0, a1, b0, b1 = times(x, u0), times(x, u1), times(z, v0), times(z, v1)
        c0, c1, d0, d1 = times(y, u0), times(y, u1), times(x, v0), times(x, v1)
        n = o + K
        for k in range(K):
            one, two = get(f, i + k), get(f, j + k)
            x, y, z = spread(one), spread(two), spread(-two)
            u0, u1, v0, v1 = load(u, n), load(u, n + 4), load(v, n), load(v, n + 4)
            a0, a1, b0, b1 = fma(x, u0, a0), fma(x, u1, a1), fma(z, v0, b0), fma(z, v1, b1)
            c0, c1, d0, d1 = fma(y, u0, c0), fma(y, u1, c1), fma(x, v0, d0), fma(x, v1, d1)
            n += K
        store(out, i + o, plus(a0, b0))
        store(out, i + o + 4, plus(a1, b1))
        store(out, j + o, plus(c0, d0))
        store(out, j + o + 4, plus(c1, d1))


@inner
def solve_modes(K: int, reals: int, pairs: int, real: int, turned: int, start: int, f: int, out: int) -> None:
    """The panel of every mode: real modes first, then the pairs, all first members before all second members.

    Args:
        real: responses (reals + pairs, (1 + K) K) to the start value and to the forcing at each node.
        turned: the imaginary parts for the pairs, (pairs, (1 + K) K).
    """
    size = (K + 1) * K  # addresses count bytes, 8 a number
    for c in range(reals):
        for o in range(0, K, 4):
            store(out, c * K + o, spread(0.0))
        add_row(K, real + 8 * c * size, get(start, c), f, c * K, out, c * K)
    for p in range(pairs):
        c = reals + p
        u, v = real + 8 * c * size, turned + 8 * p * size
        solve_pair(K, u, v, get(start, c), get(start, c + pairs), f, c * K, (c + pairs) * K, out)


@inner
def solve_dense(n: int, d: int, matrix: int, start: int, forcing: int, out: int) -> None:
    """The panel by one matrix of responses, (d + n, n), a row for each start value and each of n = d K forcings."""
    for o in range(0, n, 4):
        store(out, o, spread(0.0))
    for i in range(d):
        x = spread(get(start, i))
        for o in range(0, n, 4):
            store(out, o, fma(x, load(matrix, i * n + o), load(out, o)))
    for i in range(0, n, 4):
        x0, x1, x2, x3 = (
            spread(get(forcing, i)),
            spread(get(forcing, i + 1)),
            spread(get(forcing, i + 2)),
            spread(get(forcing, i + 3)),
        )
        row = (d + i) * n
        for o in range(row, row + n, 4):
            a = fma(x0, load(matrix, o), load(out, o - row))
            b = fma(x1, load(matrix, o + n), times(x2, load(matrix, o + 2 * n)))
            store(out, o - row, plus(fma(x3, load(matrix, o + 3 * n), a), b))
