"""The Taylor method of solvers.taylor, compiled for one trajectory.  Uses: C9."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from ode2rnn.kernels.codes import SIGMOID, TANH
from ode2rnn.kernels.elementwise import LOOP, SCALAR, _reduce
from ode2rnn.kernels.forcing import expand_waves, forcing_at, forcing_coefficients, start_segment, start_waves
from ode2rnn.kernels.linear import add_linear, pack
from ode2rnn.kernels.vectors import WIDTH, address, fma, get, load, plus, put, spread, store, times

FULL, DONE, FAILED = 0, 1, -1
TIME, SCALE, SEGMENT, REJECTED = range(4)  # entries of the cursor
EPS = float(np.finfo(float).eps)


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
def _warp_rows(code: int, W: Any, s: int, r: int, q: int, width: int) -> None:
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


@njit(**SCALAR)
def _largest_step(order: int, W: Any, S: int, weight: int, d: int, width: int) -> float:
    """The step, in units of the scale, at which the last two terms meet the tolerance (Jorba and Zou 2005).

    Infinite where both vanish, NaN where they are not finite.
    """
    last, before = 0.0, 0.0
    for i in range(d):
        w = get(W, weight + i)
        a = get(W, S + order * width + i) * w
        b = get(W, S + (order - 1) * width + i) * w
        last += a * a
        before += b * b
    if not (last + before < np.inf):
        return np.nan
    step = 700.0
    if last > 0.0:
        step = min(step, -0.5 * math.log(last / d) / order)
    if before > 0.0:
        step = min(step, -0.5 * math.log(before / d) / (order - 1))
    return math.exp(step)


@njit(**SCALAR)
def _finish(order: int, ratio: float, W: Any, S: int, out: Any, to: int, new: int, slope: int, width: int) -> None:
    """The polynomial on [0, 1] of a step of ``ratio`` scales into out[to :], its value and slope at 1 into W."""
    for o in range(0, width, WIDTH):
        power = spread(1.0)
        for k in range(order + 1):
            store(out, to + k * width + o, times(load(W, S + k * width + o), power))
            power = times(power, spread(ratio))
        total, rise = spread(0.0), spread(0.0)
        for k in range(order, 0, -1):
            term = load(out, to + k * width + o)
            total, rise = plus(total, term), fma(spread(float(k)), term, rise)
        store(W, new + o, plus(total, load(out, to + o)))
        store(W, slope + o, rise)


@njit(**SCALAR)
def _defect(order: int, h: float, W: Any, slope: int, rate: int, weight: int, d: int) -> float:
    """What the slope of the polynomial misses of ds/dt at its end, as an error of the step against the tolerance."""
    total = 0.0
    for i in range(d):
        e = (get(W, slope + i) - h * get(W, rate + i)) * get(W, weight + i)
        total += e * e
    return math.sqrt(total / d) / (order + 1)


@njit(**LOOP)
def steps(
    code: int,
    order: int,
    A: np.ndarray,
    B: np.ndarray,
    C: np.ndarray,
    phi: np.ndarray,
    edges: np.ndarray,
    pieces: np.ndarray,
    omega: np.ndarray,
    sine: np.ndarray,
    cosine: np.ndarray,
    lane: int,
    rtol: float,
    atol: float,
    cursor: np.ndarray,
    s: np.ndarray,
    breaks: np.ndarray,
    out: np.ndarray,
) -> tuple[int, int]:
    """Take steps until ``out`` is full, the end is reached, or no step is small enough: (number of steps, status).

    Args:
        code, order: the activation (TANH or SIGMOID), and the order.
        A, B: matrices (d, d), or (0, 0) for none.
        C, phi: (d, M), (d,).
        edges, pieces, omega, sine, cosine: the input as data (kernels.inputs).
        lane: the trajectory of the batch, for inputs that differ.
        cursor: time, length of the last step, segment, number of rejected steps; kept up to date.
        s: the state (width,), d padded to a multiple of 4; kept up to date.
        breaks, out: ends (N + 1,) and polynomials on [0, 1] (N, order + 1, width) of the steps.
    """
    d, width, K, count = phi.shape[0], s.shape[0], pieces.shape[1], omega.shape[0]
    rows = order + 1
    F_array = np.zeros((K + 2 * count) * width)
    W_array = np.zeros((5 * rows + 6) * width + count * (2 * rows + 1))
    A_array, B_array = np.zeros(A.shape[0] * width), np.zeros(B.shape[0] * width)
    A_kind, B_kind = pack(A, width, A_array), pack(B, width, B_array)
    W, F, A_at, B_at, to = address(W_array), address(F_array), address(A_array), address(B_array), address(out)
    frequencies = W + 8 * ((5 * rows + 6) * width + count * 2 * rows)
    for i in range(count):
        put(frequencies, i, omega[i, lane])
    waves = W + 8 * (5 * rows + 6) * width
    S, T, R, Q, G = 0, rows * width, 2 * rows * width, 3 * rows * width, 4 * rows * width
    new = 5 * rows * width
    r, q, rate, weight, slope = new + width, new + 2 * width, new + 3 * width, new + 4 * width, new + 5 * width
    t, scale, segment, rejected = cursor[TIME], cursor[SCALE], int(cursor[SEGMENT]), cursor[REJECTED]
    for i in range(width):
        put(W, S + i, s[i])
        put(W, weight + i, abs(s[i]))
    n, status, fresh = 0, FULL, True
    while n < out.shape[0]:
        a, b = edges[segment], edges[segment + 1]
        if fresh:
            start_segment(C, phi, pieces, segment, sine, cosine, lane, F_array, width)
            start_waves(frequencies, count, t, waves, order)
            forcing_at(t - a, F, K, waves, count, order, W, rate, width)
            if B_kind:
                _warp_rows(code, W, S, r, q, width)
            add_linear(A_kind, A_at, B_kind, B_at, d, W, S, r, rate, width)
            fresh = False
        for i in range(width):
            put(W, R + i, get(W, r + i))
            put(W, Q + i, get(W, q + i))
            put(W, weight + i, 1.0 / (atol + rtol * max(abs(get(W, S + i)), get(W, weight + i))))
        start_waves(frequencies, count, t, waves, order)
        while True:  # until the coefficients are finite in units of ``scale``
            expand_waves(frequencies, count, scale, waves, order)
            forcing_coefficients(t - a, scale, F, K, waves, count, order, W, G, width)
            for o in range(0, width, WIDTH):
                first = times(load(W, rate + o), spread(scale))
                store(W, S + width + o, first)
                store(W, T + width + o, first)
            for k in range(1, order):
                if B_kind:
                    _readout_coefficients(code, k, W, T, R, Q, width)
                row, next_row = k * width, (k + 1) * width
                add_linear(A_kind, A_at, B_kind, B_at, d, W, S + row, R + row, G + row, width)
                per, factor = spread(1.0 / (k + 1)), spread(scale)
                for o in range(0, width, WIDTH):
                    term = times(load(W, G + row + o), factor)
                    store(W, T + next_row + o, term)
                    store(W, S + next_row + o, times(term, per))
            ratio = _largest_step(order, W, S, weight, d, width)
            if ratio > 0.0 or not scale > 4.0 * EPS * max(abs(t), abs(a)):
                break
            scale *= 1e-3
            rejected += 1.0
        accepted, last, end, h = False, False, t, 0.0
        while ratio > 0.0:
            h = ratio * scale
            last = h >= (b - t) * (1.0 - 1e-12)
            if last:
                h = b - t
            elif h > 0.5 * (b - t):
                h = 0.5 * (b - t)  # two like steps to the end rather than one that leaves a sliver
            if not last and h <= 4.0 * EPS * max(abs(t), abs(a)):
                break
            ratio = h / scale
            end = b if last else t + h
            _finish(order, ratio, W, S, to, n * rows * width, new, slope, width)
            start_waves(frequencies, count, end, waves, order)
            forcing_at(end - a, F, K, waves, count, order, W, rate, width)
            if B_kind:
                _warp_rows(code, W, new, r, q, width)
            add_linear(A_kind, A_at, B_kind, B_at, d, W, new, r, rate, width)
            if _defect(order, h, W, slope, rate, weight, d) <= 1.0:
                accepted = True
                break
            rejected += 1.0
            ratio *= 0.7
        if not accepted:
            status = FAILED
            break
        n += 1
        breaks[n] = end
        for i in range(width):
            put(W, weight + i, abs(get(W, S + i)))
            put(W, S + i, get(W, new + i))
        t, scale = end, h
        if last:
            segment += 1
            fresh = True
            if segment == edges.shape[0] - 1:
                status = DONE
                break
    for i in range(width):
        s[i] = get(W, S + i)
    W_array[0], F_array[0], A_array[:1], B_array[:1] = 0.0, 0.0, 0.0, 0.0  # the memory is in use up to here
    cursor[TIME], cursor[SCALE], cursor[SEGMENT], cursor[REJECTED] = t, scale, segment, rejected
    return n, status


@njit(**LOOP)
def evaluate(breaks: np.ndarray, coefficients: np.ndarray, t: np.ndarray, out: np.ndarray) -> None:
    """The polynomials (P, K, width) on the intervals between ``breaks`` at times (T,), into (T, d), d <= width."""
    pieces, K, width = coefficients.shape
    flat, buffer = address(coefficients), np.empty(width)
    d = out.shape[1]
    row = address(buffer)
    n = 0
    for j in range(t.shape[0]):
        time = t[j]
        if time >= breaks[n + 1] and n + 2 < breaks.shape[0] and time < breaks[n + 2]:
            n += 1
        elif not (breaks[n] <= time < breaks[n + 1]):
            n = min(max(np.searchsorted(breaks, time, side="right") - 1, 0), pieces - 1)
        theta = spread((time - breaks[n]) / (breaks[n + 1] - breaks[n]))
        for o in range(0, width, WIDTH):
            at = n * K * width + o
            total = load(flat, at + (K - 1) * width)
            for k in range(K - 2, -1, -1):
                total = fma(total, theta, load(flat, at + k * width))
            store(row, o, total)
        for i in range(d):
            out[j, i] = buffer[i]
