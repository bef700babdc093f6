"""Taylor coefficients of a network's state and readout, compiled.  Uses: C9.

The rows k of S (coefficients of s), T = k S, R (of r = G(s)), Q (of G'(s)) and G (of the forcing) follow each other in
one workspace W, known by its address, each ``width`` long.
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from ode2rnn.kernels.codes import SIGMOID, TANH
from ode2rnn.kernels.elementwise import LOOP, SCALAR, _reduce
from ode2rnn.kernels.linear import add_linear
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


@njit(**SCALAR)
def warp_rows(code: int, W: Any, s: int, r: int, q: int, width: int) -> None:
    """W[r :] = G, W[q :] = G' of W[s :]."""
    if code == TANH:
        for i in range(width):
            value, rise = _warp_and_slope(False, get(W, s + i))
            put(W, r + i, value)
            put(W, q + i, rise)
    else:
        for i in range(width):
            value, rise = _warp_and_slope(True, get(W, s + i))
            put(W, r + i, value)
            put(W, q + i, rise)


@njit(**SCALAR)
def _readout_coefficients(code: int, m: int, W: Any, T: int, R: int, Q: int, width: int) -> None:
    """Row m of R and Q from rows 1 .. m of T = k S[k] and rows .. m - 1 of R and Q: r' = q s', and q = 1 - r^2
    (tanh) or r - r^2 (sigmoid). What was computed last is added last.
    """
    inverse = spread(1.0 / m)
    half = (m - 1) // 2
    for o in range(0, width, WIDTH):
        total = spread(0.0)
        for j in range(2, m):
            total = fma(load(W, T + j * width + o), load(W, Q + (m - j) * width + o), total)
        if m > 1:
            total = fma(load(W, T + width + o), load(W, Q + (m - 1) * width + o), total)
        r = times(fma(load(W, T + m * width + o), load(W, Q + o), total), inverse)
        total = spread(0.0)
        for j in range(half, 0, -1):
            total = fma(load(W, R + j * width + o), load(W, R + (m - j) * width + o), total)
        if m % 2 == 0:
            middle = load(W, R + (m // 2) * width + o)
            total = fma(times(middle, middle), spread(0.5), total)
        first = load(W, R + o)
        if code == SIGMOID:  # r (1/2 - r_0) - total, twice
            first = plus(first, spread(-0.5))
        store(W, R + m * width + o, r)
        store(W, Q + m * width + o, times(fma(first, r, total), spread(-2.0)))


@njit(**LOOP)
def coefficients(
    code: int, order: int, A_kind: int, A: int, B_kind: int, B: int, d: int, scale: float, W: int, rows: int, width: int
) -> None:
    """Rows 2 .. order of S and T, from rows 0 and 1 of S and T, row 0 of R and Q and the forcing in G."""
    S, T, R, Q, G = 0 * width, rows * width, 2 * rows * width, 3 * rows * width, 4 * rows * width
    factor = spread(scale)
    for k in range(1, order):
        row, following = k * width, (k + 1) * width
        if B_kind:
            _readout_coefficients(code, k, W, T, R, Q, width)
        add_linear(A_kind, A, B_kind, B, d, W, S + row, R + row, G + row, width)
        per = spread(1.0 / (k + 1))
        for o in range(0, width, WIDTH):
            term = times(load(W, G + row + o), factor)
            store(W, T + following + o, term)
            store(W, S + following + o, times(term, per))


@njit(**LOOP)
def few_coefficients(code: int, order: int, A: int, B: int, scale: float, W: int, rows: int) -> None:
    """The same for one vector of states: matrices and the newest coefficients stay in registers."""
    T, R, Q, G = WIDTH * rows, 2 * WIDTH * rows, 3 * WIDTH * rows, 4 * WIDTH * rows
    a0, a1, a2, a3 = load(A, 0), load(A, 4), load(A, 8), load(A, 12)
    b0, b1, b2, b3 = load(B, 0), load(B, 4), load(B, 8), load(B, 12)
    factor = spread(scale)
    first, q0, t1 = load(W, R), load(W, Q), load(W, T + WIDTH)
    if code == SIGMOID:
        first = plus(first, spread(-0.5))
    s, term, q = t1, t1, q0
    for k in range(1, order):
        x = fma(a1, lane_1(s), fma(a0, lane_0(s), load(W, G + WIDTH * k)))
        y = fma(a3, lane_3(s), times(a2, lane_2(s)))
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
        r = times(fma(term, q0, plus(one, two)), spread(1.0 / k))
        one = spread(0.0)
        i, j = R + WIDTH, R + (k - 1) * WIDTH
        while i < j:
            one = fma(load(W, i), load(W, j), one)
            i += WIDTH
            j -= WIDTH
        if i == j:
            one = fma(times(load(W, i), load(W, i)), spread(0.5), one)
        q = times(fma(first, r, one), spread(-2.0))
        store(W, R + WIDTH * k, r)
        store(W, Q + WIDTH * k, q)
        z = fma(b1, lane_1(r), fma(b0, lane_0(r), x))
        y = fma(b3, lane_3(r), fma(b2, lane_2(r), y))
        term = times(plus(z, y), factor)
        s = times(term, spread(1.0 / (k + 1)))
        store(W, T + WIDTH * (k + 1), term)
        store(W, WIDTH * (k + 1), s)
