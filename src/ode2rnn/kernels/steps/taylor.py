"""The Taylor method of solvers.explicit.taylor, compiled for one trajectory.  Uses: C9."""

from __future__ import annotations

import numpy as np

from ode2rnn.kernels.compiling import inlined, kernel
from ode2rnn.kernels.elementwise.vectors import WIDTH, address, get, larger, load, magnitude, put, spread, store, total
from ode2rnn.kernels.products.tile import add_to_vector
from ode2rnn.kernels.spectral.past import find
from ode2rnn.kernels.steps.forcing import Model, forcing_at, forcing_coefficients, model_of, room_for, start_segment
from ode2rnn.kernels.steps.records import NetworkEquation
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
def _rate(model: Model, t: float, u: float, W: int, s: int, r: int) -> None:
    """ds/dt at the time t, u after the start of the segment, for the state W[s :]; G, G' and ds/dt into the three
    rows from W[r :] on. The sines are left at t.
    """
    width = model.matrices[3]
    forcing_at(model, t, u, W, r + 2 * width)
    if model.readout:
        warp_rows(model.code, width, W, s, r, r + width)
    add_to_vector(model.matrices, W, s, r, r + 2 * width)


@inlined
def _largest_step(order: int, W: int, weight: int, inverse: int, d: int, width: int) -> float:
    """The step, in units of the scale, at which the last two terms together meet the tolerance (after Jorba and Zou
    2005); NaN where they are not finite.
    """
    sums = spread(0.0)
    for o in range(0, width, WIDTH):
        w = load(W, weight + o)
        a = load(W, order * width + o) * w
        b = load(W, (order - 1) * width + o) * w
        sums = b * b + (a * a + sums)
    mean = total(sums) / d
    if not mean < np.inf:
        return np.nan
    power = order if mean < 1.0 else order - 1
    return max(mean, 1e-300) ** (-0.5 * get(W, inverse + power))


@inlined
def _finish(order: int, ratio: float, W: int, out: int, to: int, new: int, slope: int, width: int) -> None:
    """The polynomial on [0, 1] of a step of ``ratio`` scales into out[to :], its value and slope at 1 into W.

    The rows of T = k S[k] follow those of S.
    """
    square = spread(ratio * ratio)
    for o in range(0, width, WIDTH):
        even, odd = spread(1.0), spread(ratio)  # two chains of powers and sums: one alone would wait for itself
        value, rise, more, steeper = spread(0.0), spread(0.0), spread(0.0), spread(0.0)
        start = load(W, o)
        store(out, to + o, start)
        s, t, place = o + width, o + (order + 2) * width, to + o + width
        for _ in range(order // 2):
            even = even * square
            a, b = load(W, s) * odd, load(W, s + width) * even
            store(out, place, a)
            store(out, place + width, b)
            value, more = value + a, more + b
            rise, steeper = load(W, t) * odd + rise, load(W, t + width) * even + steeper
            odd = odd * square
            s, t, place = s + 2 * width, t + 2 * width, place + 2 * width
        if order % 2:
            a = load(W, s) * odd
            store(out, place, a)
            value, rise = value + a, load(W, t) * odd + rise
        store(W, new + o, start + (value + more))
        store(W, slope + o, rise + steeper)


@inlined
def _defect(order: int, h: float, W: int, slope: int, rate: int, weight: int, d: int, width: int) -> bool:
    """Whether what the slope of the polynomial misses of ds/dt at its end, as an error of the step, is tolerable."""
    back, sums = spread(-h), spread(0.0)
    for o in range(0, width, WIDTH):
        missed = (load(W, rate + o) * back + load(W, slope + o)) * load(W, weight + o)
        sums = missed * missed + sums
    return total(sums) <= d * (order + 1) * (order + 1)


@kernel
def taylor_steps(
    equation: NetworkEquation, order: int, cursor: np.ndarray, s: np.ndarray, breaks: np.ndarray, out: np.ndarray
) -> tuple[int, int]:
    """Take steps until ``out`` is full, the end is reached, or no step is small enough: (number of steps, status).

    Args:
        equation: with tanh, sigmoid, or no readout.
        order: of the polynomials.
        cursor: time, length of the last step, segment, number of rejected steps; kept up to date.
        s: the state, and the absolute values of the one before, zero for none: (2 width,), d padded to a multiple of 4;
            kept up to date.
        breaks, out: ends (N + 1,) and polynomials on [0, 1] (N, order + 1, width) of the steps.
    """
    d, width, rows, edges = equation.phi.shape[0], s.shape[0] // 2, order + 1, equation.edges
    F_array, sines = room_for(equation, width)
    W_array = np.zeros((5 * rows + 6) * width + rows)
    W, to = address(W_array), address(out)
    # the rows of S, T, R, Q and G, which kernels.steps.series describes, and six vectors
    T, R, Q, G = rows * width, 2 * rows * width, 3 * rows * width, 4 * rows * width
    new = 5 * rows * width
    r, q, rate, weight, slope = new + width, new + 2 * width, new + 3 * width, new + 4 * width, new + 5 * width
    inverse = slope + width
    for k in range(1, rows):
        put(W, inverse + k, 1.0 / k)
    model = model_of(equation, width, F_array, sines)
    t, scale, segment, rejected = cursor[TIME], cursor[SCALE], int(cursor[SEGMENT]), cursor[REJECTED]
    for i in range(width):
        put(W, i, s[i])
        put(W, weight + i, s[width + i])
    n, status, fresh = 0, FULL, True
    while n < out.shape[0]:
        a, b = edges[segment], edges[segment + 1]
        if fresh:
            start_segment(equation, segment, width, F_array)
            _rate(model, t, t - a, W, 0, r)
            fresh = False
        for o in range(0, width, WIDTH):
            store(W, R + o, load(W, r + o))
            store(W, Q + o, load(W, q + o))
        for o in range(0, width, WIDTH):
            most = larger(magnitude(load(W, o)), load(W, weight + o))
            store(W, weight + o, 1.0 / (most * equation.rtol + equation.atol))
        while True:  # until the coefficients are finite in units of ``scale``
            forcing_coefficients(model, t - a, scale, order, inverse, W, G)
            for o in range(0, width, WIDTH):
                first = load(W, rate + o) * scale
                store(W, width + o, first)
                store(W, T + width + o, first)
            coefficients(model, order, scale, W, rows, inverse)
            ratio = _largest_step(order, W, weight, inverse, d, width)
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
            _finish(order, ratio, W, to, n * rows * width, new, slope, width)
            _rate(model, end, end - a, W, new, r)
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
            store(W, weight + o, magnitude(load(W, o)))
            store(W, o, load(W, new + o))
        t, scale = end, h
        if last:
            segment += 1
            fresh = True
            if segment == edges.shape[0] - 1:
                status = DONE
                break
    for i in range(width):
        s[i] = get(W, i)
        s[width + i] = get(W, weight + i)
    W_array[0], F_array[0], sines[:] = 0.0, 0.0, 0.0  # the memory is in use up to here
    cursor[TIME], cursor[SCALE], cursor[SEGMENT], cursor[REJECTED] = t, scale, segment, rejected
    return n, status


@kernel
def taylor_values(breaks: np.ndarray, coefficients: np.ndarray, t: np.ndarray, out: np.ndarray) -> None:
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
            n = find(breaks, pieces, time)
        theta = spread((time - breaks[n]) / (breaks[n + 1] - breaks[n]))
        for o in range(0, width, WIDTH):
            at = n * K * width + o
            total = load(flat, at + (K - 1) * width)
            for k in range(K - 2, -1, -1):
                total = total * theta + load(flat, at + k * width)
            store(row, o, total)
        for i in range(d):
            out[j, i] = buffer[i]
