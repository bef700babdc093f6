"""The Taylor method of solvers.explicit.taylor, compiled for one trajectory.  Uses: C9."""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.kernels.compiling import inlined, kernel
from ode2rnn.kernels.elementwise.codes import SIGMOID
from ode2rnn.kernels.elementwise.float64 import BIAS, ROUND, SHIFT
from ode2rnn.kernels.elementwise.power import EXP2, LOG2
from ode2rnn.kernels.elementwise.vectors import (
    WIDTH,
    address,
    fma,
    get,
    larger,
    load,
    magnitude,
    over,
    plus,
    put,
    spread,
    store,
    times,
    total,
)
from ode2rnn.kernels.products.vector import Matrices, add_linear
from ode2rnn.kernels.steps.few_series import four_15, four_20, four_linear, two_15, two_20, two_linear
from ode2rnn.kernels.steps.forcing import Known, forcing_at, forcing_coefficients, start_segment
from ode2rnn.kernels.steps.series import coefficients, warp_rows

FULL, DONE, FAILED = 0, 1, -1
TIME, SCALE, SEGMENT, REJECTED = range(4)  # entries of the cursor
EPS = float(np.finfo(float).eps)
SHARE = 1e-15  # as solvers.problem.SMALLEST_SHARE


@kernel
def smallest_step(t: float, a: float, b: float) -> float:
    """The step that is too small to move the time t, or ever to get to the end of its segment from a to b."""
    return max(4.0 * EPS * max(abs(t), abs(a)), SHARE * (b - a))


@inlined
def _rate(
    code: int, readout: bool, d: int, matrices: Matrices, known: Known, t: float, u: float, W: int, s: int, r: int
) -> None:
    """ds/dt at the time t, u after the start of the segment, for the state W[s :]; G, G' and ds/dt into the three
    rows from W[r :] on. The waves are left at t.
    """
    width = matrices[3]
    forcing_at(known, t, u, W, r + 2 * width)
    if readout:
        warp_rows(code, width, W, s, r, r + width)
    if d <= 2:
        two_linear(matrices[0], W, s, r, r + 2 * width)
    elif d <= WIDTH:
        four_linear(matrices[0], W, s, r, r + 2 * width)
    else:
        add_linear(matrices, W, s, r, r + 2 * width, 0 * width)  # for a literal 0 it would be compiled once more


@inlined
def _power(x: float, share: float) -> float:
    """x^-share for positive x, as kernels.elementwise.power has it."""
    bits = np.float64(x).view(np.int64)
    m = np.int64((bits & np.int64(0xFFFFFFFFFFFFF)) | np.int64(0x3FF0000000000000)).view(np.float64)
    m2 = m * m
    log = (LOG2[0] + m * LOG2[1]) + m2 * ((LOG2[2] + m * LOG2[3]) + m2 * (LOG2[4] + m * LOG2[5]))
    y = -share * (np.float64((bits >> 52) - 1023) + log)
    shifted = y + ROUND
    p = y - (shifted - ROUND)
    scale = np.int64((np.float64(shifted).view(np.int64) + BIAS) << SHIFT).view(np.float64)
    p2 = p * p
    return scale * ((EXP2[0] + p * EXP2[1]) + p2 * ((EXP2[2] + p * EXP2[3]) + p2 * EXP2[4]))


@inlined
def _largest_step(order: int, W: Any, S: int, weight: int, inverse: int, d: int, width: int) -> float:
    """The step, in units of the scale, at which the last two terms together meet the tolerance (after Jorba and Zou
    2005); NaN where they are not finite.
    """
    sums = spread(0.0)
    for o in range(0, width, WIDTH):
        w = load(W, weight + o)
        a = times(load(W, S + order * width + o), w)
        b = times(load(W, S + (order - 1) * width + o), w)
        sums = fma(b, b, fma(a, a, sums))
    mean = total(sums) / d
    if not mean < np.inf:
        return np.nan
    power = order if mean < 1.0 else order - 1
    return _power(max(mean, 1e-300), 0.5 * get(W, inverse + power))


@inlined
def _few_coefficients(
    sigmoid: bool, d: int, order: int, matrices: Matrices, scale: float, W: int, rows: int, known: Known
) -> None:
    """What series.coefficients does for more states; order is 15 or 20. The first wave is not in G yet."""
    F, K, omega, waves, count, width = known
    M, at, sine, cosine, turn = matrices[0], F, 0.0, 0.0, 0.0
    if count:
        at, sine, cosine = F + 8 * K * width, get(waves, 0), get(waves, 1)
        turn = scale * get(omega, 0)
    if d <= 2 and order == 15:
        two_15(sigmoid, M, scale, W, rows, at, sine, cosine, turn)
    elif d <= 2:
        two_20(sigmoid, M, scale, W, rows, at, sine, cosine, turn)
    elif order == 15:
        four_15(sigmoid, M, scale, W, rows, at, sine, cosine, turn)
    else:
        four_20(sigmoid, M, scale, W, rows, at, sine, cosine, turn)


@inlined
def _finish(order: int, ratio: float, W: Any, S: int, out: Any, to: int, new: int, slope: int, width: int) -> None:
    """The polynomial on [0, 1] of a step of ``ratio`` scales into out[to :], its value and slope at 1 into W.

    The rows of T = k S[k] follow those of S.
    """
    square = spread(ratio * ratio)
    for o in range(0, width, WIDTH):
        even, odd = spread(1.0), spread(ratio)  # two chains of powers and sums: one alone would wait for itself
        value, rise, more, steeper = spread(0.0), spread(0.0), spread(0.0), spread(0.0)
        start = load(W, S + o)
        store(out, to + o, start)
        s, t, place = S + o + width, S + o + (order + 2) * width, to + o + width
        for _ in range(order // 2):
            even = times(even, square)
            a, b = times(load(W, s), odd), times(load(W, s + width), even)
            store(out, place, a)
            store(out, place + width, b)
            value, more = plus(value, a), plus(more, b)
            rise, steeper = fma(load(W, t), odd, rise), fma(load(W, t + width), even, steeper)
            odd = times(odd, square)
            s, t, place = s + 2 * width, t + 2 * width, place + 2 * width
        if order % 2:
            a = times(load(W, s), odd)
            store(out, place, a)
            value, rise = plus(value, a), fma(load(W, t), odd, rise)
        store(W, new + o, plus(start, plus(value, more)))
        store(W, slope + o, plus(rise, steeper))


@inlined
def _defect(order: int, h: float, W: Any, slope: int, rate: int, weight: int, d: int, width: int) -> bool:
    """Whether what the slope of the polynomial misses of ds/dt at its end, as an error of the step, is tolerable."""
    back, sums = spread(-h), spread(0.0)
    for o in range(0, width, WIDTH):
        missed = times(fma(load(W, rate + o), back, load(W, slope + o)), load(W, weight + o))
        sums = fma(missed, missed, sums)
    return total(sums) <= d * (order + 1) * (order + 1)


@kernel
def steps(
    code: int,
    order: int,
    linear: np.ndarray,
    columns: tuple[int, int],
    readout: bool,
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
        linear, columns, readout: the matrices, as kernels.products.packing packs them, and whether there is a B.
        C, phi: (d, M), (d,).
        edges, pieces, omega, sine, cosine: the input as data (kernels.steps.inputs).
        lane: the trajectory of the batch, for inputs that differ.
        cursor: time, length of the last step, segment, number of rejected steps; kept up to date.
        s: the state, and the absolute values of the one before, zero for none: (2 width,), d padded to a multiple of 4;
            kept up to date.
        breaks, out: ends (N + 1,) and polynomials on [0, 1] (N, order + 1, width) of the steps.
    """
    d, width, K, count = phi.shape[0], s.shape[0] // 2, pieces.shape[1], omega.shape[0]
    rows, few = order + 1, width == WIDTH and (order == 15 or order == 20)
    F_array = np.zeros((K + 2 * max(1, count)) * width)
    W_array = np.zeros((5 * rows + 6) * width + rows + 3 * count)
    W, F, to = address(W_array), address(F_array), address(out)
    S, G, new = 0 * width, 4 * rows * width, 5 * rows * width
    T, R, Q = rows * width, 2 * rows * width, 3 * rows * width
    r, q, rate, weight, slope = new + width, new + 2 * width, new + 3 * width, new + 4 * width, new + 5 * width
    inverse = slope + width
    for k in range(1, rows):
        put(W, inverse + k, 1.0 / k)
    frequencies = W + 8 * (inverse + rows)
    for i in range(count):
        put(frequencies, i, omega[i, lane])
    matrices = (address(linear), columns[0], columns[1], width)
    known = (F, K, frequencies, frequencies + 8 * count, count, width)
    t, scale, segment, rejected = cursor[TIME], cursor[SCALE], int(cursor[SEGMENT]), cursor[REJECTED]
    for i in range(width):
        put(W, S + i, s[i])
        put(W, weight + i, s[width + i])
    n, status, fresh = 0, FULL, True
    while n < out.shape[0]:
        a, b = edges[segment], edges[segment + 1]
        if fresh:
            start_segment(C, phi, pieces, segment, sine, cosine, lane, F_array, width)
            _rate(code, readout, d, matrices, known, t, t - a, W, S, r)
            fresh = False
        for o in range(0, width, WIDTH):
            store(W, R + o, load(W, r + o))
            store(W, Q + o, load(W, q + o))
        for o in range(0, width, WIDTH):
            most = larger(magnitude(load(W, S + o)), load(W, weight + o))
            store(W, weight + o, over(spread(1.0), fma(most, spread(rtol), spread(atol))))
        while True:  # until the coefficients are finite in units of ``scale``
            if not few or K > 1 or count > 1:  # the first wave is left to _few_coefficients
                factor, left = (scale, 1) if few else (1.0, 0)
                forcing_coefficients(known, t - a, scale, factor, left, order, inverse, W, G)
            for o in range(0, width, WIDTH):
                first = times(load(W, rate + o), spread(scale))
                store(W, S + width + o, first)
                store(W, T + width + o, first)
            if few:
                _few_coefficients(code == SIGMOID, d, order, matrices, scale, W, rows, known)
            else:
                coefficients(code, readout, order, matrices, scale, W, rows, inverse)
            ratio = _largest_step(order, W, S, weight, inverse, d, width)
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
            _rate(code, readout, d, matrices, known, end, end - a, W, new, r)
            if _defect(order, h, W, slope, rate, weight, d, width):
                accepted = True
                break
            rejected += 1.0
            ratio *= 0.7
        if not accepted:
            status = FAILED
            break
        n += 1
        breaks[n] = end
        for o in range(0, width, WIDTH):
            store(W, weight + o, magnitude(load(W, S + o)))
            store(W, S + o, load(W, new + o))
        t, scale = end, h
        if last:
            segment += 1
            fresh = True
            if segment == edges.shape[0] - 1:
                status = DONE
                break
    for i in range(width):
        s[i] = get(W, S + i)
        s[width + i] = get(W, weight + i)
    W_array[0], F_array[0] = 0.0, 0.0  # the memory is in use up to here
    cursor[TIME], cursor[SCALE], cursor[SEGMENT], cursor[REJECTED] = t, scale, segment, rejected
    return n, status


@kernel
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
