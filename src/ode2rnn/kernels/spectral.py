"""The spectral method of steps, panel after panel.

Uses: C7.  A panel of one trajectory is a block of d rows of K values, one row a component, one column a Radau node. K
comes as the length of a tuple, ``width``: so it is part of a type, every K gives code of its own, and the constant
length of the rows is what the compiler turns into vector instructions. Nothing here knows a model:
the equation comes in the coordinates z of the modes of A, s = V z, where its linear part is diagonal or made of
2 x 2 rotations. The plain twin is solvers.spectral.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ode2rnn.kernels.elementwise import LOOP, warp
from ode2rnn.kernels.panel_algebra import add_product, solve_dense, solve_modes
from ode2rnn.kernels.panel_past import SUMS, gather, locate
from ode2rnn.kernels.panel_plan import next_target, panel_length

Array = np.ndarray
Width = tuple[int, ...]
DONE, REJECTED, REPLAN = range(3)
EPS = 2.220446049250313e-16
ROUNDING = 64 * EPS
LARGEST = 1e-4 * 1.7976931348623157e308  # as solvers.problem.HUGE


@njit(**{**SUMS, "no_cpython_wrapper": True})
def tail_error(width: Width, tail: Array, start: Array, s: Array, d: int, rtol: float, atol: float) -> float:
    """The last two Legendre coefficients over the tolerance, the largest over components; infinite for NaN
    and for values that near the largest number.

    tail (2, 1 + K) takes the start value and the K values of a component to the two.
    """
    K = len(width)
    largest, bad = 0.0, 0.0
    for i in range(d * K):
        largest = max(largest, abs(s[i]))
        bad += 0.0 * s[i]
    if bad != 0.0 or largest >= LARGEST:  # the first is true for NaN, too
        return np.inf
    worst, rounding = 0.0, ROUNDING * largest
    for c in range(d):
        first = start[c]
        one, two, size = tail[0, 0] * first, tail[1, 0] * first, abs(first)
        row = s[c * K : (c + 1) * K]
        for k in range(K):
            v = row[k]
            one += tail[0, k + 1] * v
            two += tail[1, k + 1] * v
            size = max(size, abs(v))
        error = max(max(abs(one), abs(two)) - rounding, 0.0) / max(atol + rtol * size, rounding)
        if not abs(one) + abs(two) < np.inf:
            return np.inf
        worst = max(worst, error)
    return worst


@njit(**LOOP)
def run(
    width: Width,
    bounds: Array,
    segments: Array,
    starts: Array,
    ends: Array,
    tables: Array,
    inputs: Array,
    extra: Array,
    breaks: Array,
    values: Array,
    count: int,
    modes: Array,
    t0: float,
    target: float,
    rtol: float,
    atol: float,
    code: int,
    theta: Array,
    weights: Array,
    tail: Array,
    terms: Array,
    delays: Array,
    warped: Array,
    to_modes: Array,
    bias: Array,
    basis: Array,
    real: Array,
    turned: Array,
    dense: Array,
) -> tuple:
    """Solve the planned panels in turn, until one is rejected or the target asks for another plan.

    Args:
        bounds, segments, starts, ends, tables: the plan, as :func:`plan` makes it.
        inputs: x at the nodes, (panels, 1 or batch, m, K), the delayed inputs side by side.
        extra: further known forcing of the first panels in the coordinates of the modes, (n, batch, rows, K).
        breaks, values: the panels solved so far, ``count`` of them; values[0] ends with s(t0), values[i + 1] is
            panel i, (batch, d K) each. There is room for the plan.
        modes: the state in the coordinates of the modes, (batch, rows); changed in place.
        terms, delays, warped: the delayed terms: packed matrices into the modes; delays; whether of r = G(s).
        to_modes: the input matrices (rows, m) and bias (rows,) in the modes; basis: V packed, empty where it is 1.
        real, turned: operators of the modes for each length; dense: the whole operator, empty where modes are used.

    Returns:
        (how many panels were solved, what stopped the run, target, error of the last panel).
    """
    K = len(width)
    batch, rows = modes.shape
    d = values.shape[2] // K
    known = np.zeros(rows * K)
    forcing = np.zeros(rows * K)
    delayed = np.zeros(rows * K)
    solved = np.zeros((batch, rows * K))
    state = np.zeros(rows * K)
    first = np.empty(d)
    weight = np.empty((delays.shape[0], K, (K + 1) * K))
    sources = np.empty((delays.shape[0], K), np.int64)
    number = np.empty(delays.shape[0], np.int64)
    error = 0.0
    for p in range(len(starts)):
        start, end, table = starts[p], ends[p], tables[p]
        if p > 0:
            a, b = bounds[segments[p]], bounds[segments[p] + 1]
            if abs(panel_length(a, b, start, target) - (end - start)) > 1e-6 * (end - start):
                return p, REPLAN, target, error
        for n in range(delays.shape[0]):
            number[n] = -1  # the history, which the extra forcing holds
            if 0.5 * (start + end) - delays[n] >= t0:
                number[n] = locate(width, breaks, count, start, end, delays[n], theta, weights, sources[n], weight[n])
        error = 0.0
        for b in range(batch):
            if b == 0 or inputs.shape[1] > 1:
                x = inputs[p, b]
                for c in range(rows):
                    line = known[c * K : (c + 1) * K]
                    line[:] = bias[c]
                    for i in range(x.shape[0]):
                        for k in range(K):
                            line[k] += to_modes[c, i] * x[i, k]
            forcing[:] = known
            if p < extra.shape[0]:
                for i in range(rows * K):
                    forcing[i] += extra[p, b, i]
            for n in range(delays.shape[0]):
                if number[n] >= 0:
                    gather(width, values, sources[n], number[n], b, weight[n], delayed, d)
                    if warped[n]:
                        warp(code, delayed[: d * K], delayed[: d * K])
                    add_product(width, terms[n], delayed, forcing)
            if dense.shape[0] > 0:
                solve_dense(width, dense[table], modes[b], forcing[: d * K], solved[b, : d * K])
            else:
                solve_modes(width, real[table], turned[table], modes[b], forcing, solved[b])
            out = values[count + 1, b]
            if basis.shape[0] > 0:
                state[:] = 0.0
                add_product(width, basis, solved[b], state)
                out[:] = state[: d * K]
            else:
                out[:] = solved[b, : d * K]
            for c in range(d):
                first[c] = values[count, b, c * K + K - 1]
            error = max(error, tail_error(width, tail, first, out, d, rtol, atol))
            if not error < np.inf:
                break
        target = next_target(width, target, end - start, error)
        if error > 1.0:
            return p, REJECTED, target, error
        for b in range(batch):
            for c in range(d):
                modes[b, c] = solved[b, c * K + K - 1]
        count += 1
        breaks[count] = end
    return len(starts), DONE, target, error
