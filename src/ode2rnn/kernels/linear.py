"""Matrix times vector inside a kernel: columns added, panel by panel.  Uses: C9.

A matrix (d, d) is packed into panels of 32 rows, then of 4, each held column after column: the product streams the
memory once, keeps its sums in registers, and needs no BLAS, whose threads would spin on matrices of this size.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from ode2rnn.kernels.elementwise import LOOP, SCALAR
from ode2rnn.kernels.vectors import WIDTH, fma, get, load, plus, spread, store

PANEL = 8 * WIDTH
NONE, DIAGONAL, DENSE = 0, 1, 2  # how a matrix enters


@njit(**LOOP)
def pack(matrix: Any, width: int, packed: Any) -> int:
    """A matrix (d, d) as panels into ``packed``, flat (d * width,) and zero before; its kind.

    A diagonal matrix leaves its diagonal there instead; (0, 0) stands for no matrix.
    """
    d = matrix.shape[0]
    if d == 0:
        return NONE
    diagonal = width > WIDTH  # so small a matrix stays in registers, as it is
    for i in range(d):
        for j in range(d):
            if matrix[i, j] != 0.0 and i != j:
                diagonal = False
                break
        if not diagonal:
            break
    if diagonal:
        for i in range(d):
            packed[i] = matrix[i, i]
        return DIAGONAL
    whole = width // PANEL * PANEL
    for i in range(d):
        rows = PANEL if i < whole else WIDTH
        first = i // rows * rows if i < whole else whole + (i - whole) // rows * rows
        for j in range(d):
            packed[first * d + j * rows + i - first] = matrix[i, j]
    return DENSE


@njit(**SCALAR)
def _panel_of_4(M: Any, base: int, v: Any, at: int, n: int) -> Any:
    """Rows o .. o + 3 of the product."""
    one, two = spread(0.0), spread(0.0)
    j = 0
    while j + 1 < n:
        one = fma(load(M, base + WIDTH * j), spread(get(v, at + j)), one)
        two = fma(load(M, base + WIDTH * j + WIDTH), spread(get(v, at + j + 1)), two)
        j += 2
    if j < n:
        one = fma(load(M, base + WIDTH * j), spread(get(v, at + j)), one)
    return plus(one, two)


@njit(**LOOP)
def multiply_add(M: Any, n: int, v: Any, at: int, out: Any, to: int, width: int) -> None:
    """out[to :] += M v[at :], for a packed M of n columns and ``width`` rows (a multiple of 4)."""
    o = 0
    while o + PANEL <= width:
        p, q = o * n, to + o
        a, b, c, d = load(out, q), load(out, q + 4), load(out, q + 8), load(out, q + 12)
        e, f, g, h = load(out, q + 16), load(out, q + 20), load(out, q + 24), load(out, q + 28)
        for j in range(n):
            x = spread(get(v, at + j))
            a, b = fma(load(M, p), x, a), fma(load(M, p + 4), x, b)
            c, d = fma(load(M, p + 8), x, c), fma(load(M, p + 12), x, d)
            e, f = fma(load(M, p + 16), x, e), fma(load(M, p + 20), x, f)
            g, h = fma(load(M, p + 24), x, g), fma(load(M, p + 28), x, h)
            p += PANEL
        store(out, q, a)
        store(out, q + 4, b)
        store(out, q + 8, c)
        store(out, q + 12, d)
        store(out, q + 16, e)
        store(out, q + 20, f)
        store(out, q + 24, g)
        store(out, q + 28, h)
        o += PANEL
    while o < width:
        store(out, to + o, plus(load(out, to + o), _panel_of_4(M, o * n, v, at, n)))
        o += WIDTH


@njit(**SCALAR)
def add_linear(kind: int, A: Any, B_kind: int, B: Any, d: int, W: Any, s: int, r: int, to: int, width: int) -> None:
    """W[to :] += A W[s :] + B W[r :], with packed matrices, or A its diagonal."""
    if kind == DENSE:
        multiply_add(A, d, W, s, W, to, width)
    elif kind == DIAGONAL:
        for o in range(0, width, WIDTH):
            store(W, to + o, fma(load(A, o), load(W, s + o), load(W, to + o)))
    if B_kind == DENSE:
        multiply_add(B, d, W, r, W, to, width)
    elif B_kind == DIAGONAL:
        for o in range(0, width, WIDTH):
            store(W, to + o, fma(load(B, o), load(W, r + o), load(W, to + o)))
