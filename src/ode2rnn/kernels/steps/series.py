"""Taylor coefficients of a network's state and readout, compiled.  Uses: C9.

The rows k of S (coefficients of s), T = k S, R (of r = G(s)), Q (of G'(s)) and G (of the forcing) follow each other in
one workspace W, known by its address, each ``width`` long.  W[inverse + k] is 1 / k.
"""

from __future__ import annotations

from ode2rnn.kernels.compiling import inlined, kernel
from ode2rnn.kernels.elementwise.activations import reduce
from ode2rnn.kernels.elementwise.codes import SIGMOID, TANH
from ode2rnn.kernels.elementwise.vectors import WIDTH, below, get, load, magnitude, signed, spread, store
from ode2rnn.kernels.products.tile import add_to_vector
from ode2rnn.kernels.steps.forcing import Model


@inlined
def _tanh_and_slope(W: int, s: int, r: int, q: int) -> None:
    """Four values and slopes, accurate where G saturates: 1 - r^2 would lose every digit of the slope there."""
    x = load(W, s)
    y = magnitude(x) * -2.0
    scale, part = reduce(below(y, -708.0, -708.0, y))
    e = below(y, -708.0, 0.0, scale + scale * part)
    w = 1.0 / (below(y, -708.0, -1.0, scale * part + (scale - 1.0)) + 2.0)
    store(W, r, signed(below(y, -708.0, -1.0, scale * part + (scale - 1.0)) * w, x))
    store(W, q, e * 4.0 * w * w)


@inlined
def _sigmoid_and_slope(W: int, s: int, r: int, q: int) -> None:
    x = load(W, s)
    y = magnitude(x) * -1.0
    scale, part = reduce(below(y, -708.0, -708.0, y))
    e = below(y, -708.0, 0.0, scale + scale * part)
    w = 1.0 / (e + 1.0)
    store(W, r, below(x, 0.0, e, 1.0) * w)
    store(W, q, e * w * w)


@kernel
def warp_rows(code: int, width: int, W: int, s: int, r: int, q: int) -> None:
    """W[r :] = G, W[q :] = G' of the entries W[s :]."""
    if code == TANH:
        for o in range(0, width, WIDTH):
            _tanh_and_slope(W, s + o, r + o, q + o)
    else:
        for o in range(0, width, WIDTH):
            _sigmoid_and_slope(W, s + o, r + o, q + o)


@kernel
def _readout_coefficients(code: int, m: int, W: int, T: int, R: int, Q: int, inverse: int, width: int) -> None:
    """Row m of R and Q from rows 1 .. m of T = k S[k] and rows .. m - 1 of R and Q: r' = q s', and q = 1 - r^2
    (tanh) or r - r^2 (sigmoid). What was computed last is added last.
    """
    per = spread(get(W, inverse + m))
    for o in range(0, width, WIDTH):
        total = spread(0.0)
        i, j, first = T + 2 * width + o, Q + (m - 2) * width + o, Q + o
        while j > first:
            total = load(W, i) * load(W, j) + total
            i += width
            j -= width
        if m > 1:
            total = load(W, T + width + o) * load(W, Q + (m - 1) * width + o) + total
        r = (load(W, T + m * width + o) * load(W, first) + total) * per
        total = spread(0.0)
        i, j = R + width + o, R + (m - 1) * width + o
        while i < j:
            total = load(W, i) * load(W, j) + total
            i += width
            j -= width
        if i == j:
            total = load(W, i) * load(W, i) * 0.5 + total
        start = load(W, R + o)
        if code == SIGMOID:  # r (1/2 - r_0) - total, twice
            start = start + -0.5
        store(W, R + m * width + o, r)
        store(W, Q + m * width + o, (start * r + total) * -2.0)


@kernel
def coefficients(model: Model, order: int, scale: float, W: int, rows: int, inverse: int) -> None:
    """Rows 2 .. order of S and T, from rows 0 and 1 of S and T, row 0 of R and Q and the forcing in G."""
    width = model.matrices[3]
    T, R, Q, G = rows * width, 2 * rows * width, 3 * rows * width, 4 * rows * width
    for k in range(1, order):
        row, following = k * width, (k + 1) * width
        if model.readout:
            _readout_coefficients(model.code, k, W, T, R, Q, inverse, width)
        add_to_vector(model.matrices, W, row, R + row, G + row)
        per = get(W, inverse + k + 1)
        for o in range(0, width, WIDTH):
            term = load(W, G + row + o) * scale
            store(W, T + following + o, term)
            store(W, following + o, term * per)
