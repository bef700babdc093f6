"""Matrix times vector inside a kernel: columns added, panel by panel.  Uses: C9.

The product streams the packed matrices (kernels.products.packing) once, keeps its sums in registers, and needs no
BLAS, whose threads would spin on matrices of this size.
"""

from __future__ import annotations

from ode2rnn.kernels.compiling import kernel
from ode2rnn.kernels.elementwise.vectors import WIDTH, fma, get, load, plus, spread, store, times

PANEL = 3 * WIDTH

Matrices = tuple[int, int, int, int]  # where [A | B] are packed, their numbers of columns, the width of a vector


@kernel
def add_linear(matrices: Matrices, W: int, s: int, r: int, to: int, turn: int) -> None:
    """W[to :] += A W[s :] + B W[r :]; where ``turn`` is odd the panels come in the opposite order.

    Products that take turns find in the innermost cache what the one before used last.
    """
    M, first, second, width = matrices
    columns, panels = first + second, width // PANEL
    for n in range(panels):
        o = (panels - 1 - n if turn % 2 else n) * PANEL
        p = 2 * width + o * columns
        a = fma(load(M, o), load(W, s + o), load(W, to + o))
        b = fma(load(M, o + 4), load(W, s + o + 4), load(W, to + o + 4))
        c = fma(load(M, o + 8), load(W, s + o + 8), load(W, to + o + 8))
        d = times(load(M, width + o), load(W, r + o))
        e = times(load(M, width + o + 4), load(W, r + o + 4))
        f = times(load(M, width + o + 8), load(W, r + o + 8))
        for j in range(0, columns, 2):
            at = s + j if j < first else r + j - first
            one, two = spread(get(W, at)), spread(get(W, at + 1))
            a, d = fma(load(M, p), one, a), fma(load(M, p + 12), two, d)
            b, e = fma(load(M, p + 4), one, b), fma(load(M, p + 16), two, e)
            c, f = fma(load(M, p + 8), one, c), fma(load(M, p + 20), two, f)
            p += 2 * PANEL
        store(W, to + o, plus(a, d))
        store(W, to + o + 4, plus(b, e))
        store(W, to + o + 8, plus(c, f))
    whole = columns - columns % 4
    for o in range(panels * PANEL, width, WIDTH):  # four sums at once: one alone would wait for itself
        p = 2 * width + o * columns
        a = fma(load(M, o), load(W, s + o), load(W, to + o))
        b, c, d = times(load(M, width + o), load(W, r + o)), spread(0.0), spread(0.0)
        for j in range(0, whole, 4):
            at = s + j if j < first else r + j - first
            after = s + j + 2 if j + 2 < first else r + j + 2 - first
            a = fma(load(M, p), spread(get(W, at)), a)
            b = fma(load(M, p + WIDTH), spread(get(W, at + 1)), b)
            c = fma(load(M, p + 2 * WIDTH), spread(get(W, after)), c)
            d = fma(load(M, p + 3 * WIDTH), spread(get(W, after + 1)), d)
            p += 4 * WIDTH
        if whole < columns:
            at = s + whole if whole < first else r + whole - first
            a = fma(load(M, p), spread(get(W, at)), a)
            b = fma(load(M, p + WIDTH), spread(get(W, at + 1)), b)
        store(W, to + o, plus(plus(a, c), plus(b, d)))
