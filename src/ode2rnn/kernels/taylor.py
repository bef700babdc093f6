"""The Taylor method of solvers.taylor, compiled for one trajectory.  Uses: C9."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from ode2rnn.kernels.elementwise import LOOP
from ode2rnn.kernels.forcing import expand_waves, forcing_at, forcing_coefficients, start_segment, start_waves
from ode2rnn.kernels.linear import add_linear, pack
from ode2rnn.kernels.series import coefficients, few_coefficients, warp_rows
from ode2rnn.kernels.vectors import (
    WIDTH,
    address,
    fma,
    get,
    load,
    put,
    spread,
    store,
    times,
)

FULL, DONE, FAILED = 0, 1, -1
TIME, SCALE, SEGMENT, REJECTED = range(4)  # entries of the cursor
EPS = float(np.finfo(float).eps)
SHARE = 1e-15  # as solvers.problem.SMALLEST_SHARE


@njit(**LOOP)
def smallest_step(t: float, a: float, b: float) -> float:
    """The step that is too small to move the time t, or ever to get to the end of its segment from a to b."""
    return max(4.0 * EPS * max(abs(t), abs(a)), SHARE * (b - a))


@njit(**LOOP)
def _rate(
    code: int,
    A_kind: int,
    A: int,
    B_kind: int,
    B: int,
    d: int,
    u: float,
    F: int,
    K: int,
    waves: int,
    count: int,
    order: int,
    W: int,
    s: int,
    r: int,
    rate: int,
    width: int,
) -> None:
    """W[rate :] = ds/dt at the time u after the start of the segment; W[r :] = G of W[s :], G' after it."""
    forcing_at(u, F, K, waves, count, order, W, rate, width)
    if B_kind:
        warp_rows(code, W, s, r, r + width, width)
    add_linear(A_kind, A, B_kind, B, d, W, s, r, rate, width)


@njit(**LOOP)
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


@njit(**LOOP)
def _finish(order: int, ratio: float, W: Any, S: int, out: Any, to: int, new: int, slope: int, width: int) -> None:
    """The polynomial on [0, 1] of a step of ``ratio`` scales into out[to :], its value and slope at 1 into W.

    The rows of T = k S[k] follow those of S.
    """
    for o in range(0, width, WIDTH):
        power, factor = spread(1.0), spread(ratio)
        at, last = S + o, S + o + order * width
        total, rise = load(W, last), load(W, last + (order + 1) * width)
        for k in range(order + 1):
            store(out, to + k * width + o, times(load(W, at + k * width), power))
            power = times(power, factor)
            if k < order:  # Horner's scheme, from the other end
                last -= width
                total = fma(total, factor, load(W, last))
                if k < order - 1:
                    rise = fma(rise, factor, load(W, last + (order + 1) * width))
        store(W, new + o, total)
        store(W, slope + o, times(rise, factor))


@njit(**LOOP)
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
    A_array, B_array = np.zeros(max(16, A.shape[0] * width)), np.zeros(max(16, B.shape[0] * width))
    A_kind, B_kind = pack(A, width, A_array), pack(B, width, B_array)
    W, F, A_at, B_at, to = address(W_array), address(F_array), address(A_array), address(B_array), address(out)
    frequencies = W + 8 * ((5 * rows + 6) * width + count * 2 * rows)
    for i in range(count):
        put(frequencies, i, omega[i, lane])
    waves = W + 8 * (5 * rows + 6) * width
    S, T, R, Q, G = 0 * width, rows * width, 2 * rows * width, 3 * rows * width, 4 * rows * width
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
            _rate(code, A_kind, A_at, B_kind, B_at, d, t - a, F, K, waves, count, order, W, S, r, rate, width)
            fresh = False
        for i in range(width):
            put(W, R + i, get(W, r + i))
            put(W, Q + i, get(W, q + i))
            put(W, weight + i, 1.0 / (atol + rtol * max(abs(get(W, S + i)), get(W, weight + i))))
        while True:  # until the coefficients are finite in units of ``scale``
            expand_waves(frequencies, count, scale, waves, order)
            forcing_coefficients(t - a, scale, F, K, waves, count, order, W, G, width)
            for o in range(0, width, WIDTH):
                first = times(load(W, rate + o), spread(scale))
                store(W, S + width + o, first)
                store(W, T + width + o, first)
            if width == WIDTH:
                few_coefficients(code, order, A_at, B_at, scale, W, rows)
            else:
                coefficients(code, order, A_kind, A_at, B_kind, B_at, d, scale, W, rows, width)
            ratio = _largest_step(order, W, S, weight, d, width)
            if ratio > 0.0 or not scale > smallest_step(t, a, b):
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
            if not last and h <= smallest_step(t, a, b):
                break
            ratio = h / scale
            end = b if last else t + h
            _finish(order, ratio, W, S, to, n * rows * width, new, slope, width)
            start_waves(frequencies, count, end, waves, order)
            _rate(code, A_kind, A_at, B_kind, B_at, d, end - a, F, K, waves, count, order, W, new, r, rate, width)
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
    W_array[0], F_array[0], A_array[0], B_array[0] = 0.0, 0.0, 0.0, 0.0  # the memory is in use up to here
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
            low, high = 0, pieces  # the last piece that begins at or before the time
            while high - low > 1:
                middle = (low + high) // 2
                if breaks[middle] <= time:
                    low = middle
                else:
                    high = middle
            n = low
        theta = spread((time - breaks[n]) / (breaks[n + 1] - breaks[n]))
        for o in range(0, width, WIDTH):
            at = n * K * width + o
            total = load(flat, at + (K - 1) * width)
            for k in range(K - 2, -1, -1):
                total = fma(total, theta, load(flat, at + k * width))
            store(row, o, total)
        for i in range(d):
            out[j, i] = buffer[i]
