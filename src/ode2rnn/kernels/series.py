"""Taylor coefficients of a network's state and readout, compiled.  Uses: C9.

The rows k of S (coefficients of s), T = k S, R (of r = G(s)), Q (of G'(s)) and G (of the forcing) follow each other in
one workspace W, known by its address, each ``width`` long.  W[inverse + k] is 1 / k.
"""

from __future__ import annotations

import math

from numba import njit

from ode2rnn.kernels.codes import SIGMOID, TANH
from ode2rnn.kernels.elementwise import LOOP, SCALAR, _reduce
from ode2rnn.kernels.linear import Matrices, add_linear
from ode2rnn.kernels.vectors import (
    WIDTH,
    fma,
    get,
    lane_0,
    lane_1,
    lane_2,
    lane_3,
    load,
    plus,
    put,
    spread,
    store,
    times,
)


@njit(**SCALAR)
def _warp_and_slope(sigmoid: bool, x: float) -> tuple[float, float]:
    """G(x) and G'(x), both accurate where G saturates: 1 - r^2 would lose every digit of the slope there."""
    y = -abs(x) if sigmoid else -2.0 * abs(x)
    low = y < -708.0
    scale, part = _reduce(-708.0 if low else y)
    e = 0.0 if low else scale + scale * part
    if sigmoid:
        w = 1.0 / (1.0 + e)
        return (e if x < 0.0 else 1.0) * w, e * w * w
    minus = -1.0 if low else scale * part + (scale - 1.0)
    w = 1.0 / (2.0 + minus)
    return math.copysign(minus * w, x), 4.0 * e * w * w


@njit(**LOOP)
def warp_rows(code: int, d: int, W: int, s: int, r: int, q: int) -> None:
    """W[r :] = G, W[q :] = G' of the d entries W[s :]."""
    if code == TANH:
        for i in range(d):
            value, rise = _warp_and_slope(False, get(W, s + i))
            put(W, r + i, value)
            put(W, q + i, rise)
    else:
        for i in range(d):
            value, rise = _warp_and_slope(True, get(W, s + i))
            put(W, r + i, value)
            put(W, q + i, rise)


@njit(**LOOP)
def _readout_coefficients(code: int, m: int, W: int, T: int, R: int, Q: int, inverse: int, width: int) -> None:
    """Row m of R and Q from rows 1 .. m of T = k S[k] and rows .. m - 1 of R and Q: r' = q s', and q = 1 - r^2
    (tanh) or r - r^2 (sigmoid). What was computed last is added last.
    """
    per = spread(get(W, inverse + m))
    for o in range(0, width, WIDTH):
        total = spread(0.0)
        i, j, first = T + 2 * width + o, Q + (m - 2) * width + o, Q + o
        while j > first:
            total = fma(load(W, i), load(W, j), total)
            i += width
            j -= width
        if m > 1:
            total = fma(load(W, T + width + o), load(W, Q + (m - 1) * width + o), total)
        r = times(fma(load(W, T + m * width + o), load(W, first), total), per)
        total = spread(0.0)
        i, j = R + width + o, R + (m - 1) * width + o
        while i < j:
            total = fma(load(W, i), load(W, j), total)
            i += width
            j -= width
        if i == j:
            total = fma(times(load(W, i), load(W, i)), spread(0.5), total)
        start = load(W, R + o)
        if code == SIGMOID:  # r (1/2 - r_0) - total, twice
            start = plus(start, spread(-0.5))
        store(W, R + m * width + o, r)
        store(W, Q + m * width + o, times(fma(start, r, total), spread(-2.0)))


@njit(**LOOP)
def coefficients(
    code: int, readout: bool, order: int, matrices: Matrices, scale: float, W: int, rows: int, inverse: int
) -> None:
    """Rows 2 .. order of S and T, from rows 0 and 1 of S and T, row 0 of R and Q and the forcing in G."""
    width = matrices[3]
    T, R, Q, G = rows * width, 2 * rows * width, 3 * rows * width, 4 * rows * width
    factor = spread(scale)
    for k in range(1, order):
        row, following = k * width, (k + 1) * width
        if readout:
            _readout_coefficients(code, k, W, T, R, Q, inverse, width)
        add_linear(matrices, W, row, R + row, G + row, k)
        per = spread(get(W, inverse + k + 1))
        for o in range(0, width, WIDTH):
            term = times(load(W, G + row + o), factor)
            store(W, T + following + o, term)
            store(W, following + o, times(term, per))


@njit(**LOOP)
def few_coefficients(code: int, d: int, order: int, M: int, scale: float, W: int, rows: int, inverse: int) -> None:
    """The same for one vector of states: matrices and the newest coefficients stay in registers.

    Every row needs the one before: what is at hand earlier is added earlier, to keep that chain short.
    """
    T, R, Q, G = WIDTH * rows, 2 * WIDTH * rows, 3 * WIDTH * rows, 4 * WIDTH * rows
    factor = spread(scale)
    a0, a1 = times(load(M, 8), factor), times(load(M, 12), factor)
    a2, a3 = times(load(M, 16), factor), times(load(M, 20), factor)
    b0, b1 = times(load(M, 24), factor), times(load(M, 28), factor)
    b2, b3 = times(load(M, 32), factor), times(load(M, 36), factor)
    first, q0, t1 = load(W, R), load(W, Q), load(W, T + WIDTH)
    if code == SIGMOID:
        first = plus(first, spread(-0.5))
    first = times(first, spread(-2.0))
    term, q = t1, q0
    for k in range(1, order):
        per = spread(get(W, inverse + k))  # of k S[k] and k R[k]
        x = fma(times(a0, per), lane_0(term), times(load(W, G + WIDTH * k), factor))
        x = fma(times(a1, per), lane_1(term), x)
        one, two = spread(0.0), spread(0.0)
        i, j = T + 2 * WIDTH, Q + (k - 2) * WIDTH
        while j > Q + WIDTH:
            one = fma(load(W, i), load(W, j), one)
            two = fma(load(W, i + WIDTH), load(W, j - WIDTH), two)
            i += 2 * WIDTH
            j -= 2 * WIDTH
        if j > Q:
            one = fma(load(W, i), load(W, j), one)
        if k > 1:
            two = fma(t1, q, two)
        p = fma(term, q0, plus(one, two))
        one = spread(0.0)
        i, j = R + WIDTH, R + (k - 1) * WIDTH
        while i < j:
            one = fma(load(W, i), load(W, j), one)
            i += WIDTH
            j -= WIDTH
        if i == j:
            one = fma(times(load(W, i), load(W, i)), spread(0.5), one)
        q = fma(times(first, per), p, times(one, spread(-2.0)))
        store(W, R + WIDTH * k, times(p, per))
        store(W, Q + WIDTH * k, q)
        x = fma(times(b1, per), lane_1(p), fma(times(b0, per), lane_0(p), x))
        if d > 2:
            y = fma(times(a3, per), lane_3(term), times(times(a2, per), lane_2(term)))
            x = plus(x, fma(times(b3, per), lane_3(p), fma(times(b2, per), lane_2(p), y)))
        term = x
        store(W, T + WIDTH * (k + 1), term)
        store(W, WIDTH * (k + 1), times(term, spread(get(W, inverse + k + 1))))
