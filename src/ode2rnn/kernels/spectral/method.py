"""The spectral method of steps, panel after panel.

Uses: C7.  A panel of one trajectory is a block of d rows of K values, one row a component, one column a Radau node.
Nothing here knows a model: the equation comes in the coordinates z of the modes of A, s = V z, where its linear part is
diagonal or made of 2 x 2 rotations. The plain twin is solvers.spectral.
"""

from __future__ import annotations

import numpy as np

from ode2rnn.kernels.compiling import inner, kernel
from ode2rnn.kernels.elementwise.float64 import warp
from ode2rnn.kernels.elementwise.vectors import (
    address,
    fma,
    get,
    larger,
    largest,
    load,
    magnitude,
    plus,
    put,
    spread,
    store,
    total,
)
from ode2rnn.kernels.spectral.algebra import add_product, solve_dense, solve_modes
from ode2rnn.kernels.spectral.past import gather, locate
from ode2rnn.kernels.spectral.plan import next_target, panel_length

Array = np.ndarray
DONE, REJECTED, REPLAN = range(3)
EPS = 2.220446049250313e-16
ROUNDING = 64 * EPS
LARGEST = 1e-4 * 1.7976931348623157e308  # as solvers.problem.HUGE


@inner
def tail_error(K: int, tail: int, before: int, s: int, d: int, rtol: float, atol: float) -> float:
    """The last two Legendre coefficients over the tolerance, the largest over components; infinite for NaN
    and for values that near the largest number.

    tail (2, 1 + K) takes the start value, the last of a row of ``before``, and the K values of a row of s to the two.
    """
    most, bad = spread(0.0), spread(0.0)
    for i in range(0, d * K, 4):
        v = load(s, i)
        most, bad = larger(magnitude(v), most), fma(spread(0.0), v, bad)
    if total(bad) != 0.0 or largest(most) >= LARGEST:  # the first is true for NaN, too
        return np.inf
    worst, rounding = 0.0, ROUNDING * largest(most)
    for c in range(d):
        first = get(before, c * K + K - 1)
        x, y, most = spread(0.0), spread(0.0), spread(abs(first))
        for k in range(0, K, 4):
            v = load(s, c * K + k)
            x, y = fma(load(tail, 1 + k), v, x), fma(load(tail, K + 2 + k), v, y)
            most = larger(magnitude(v), most)
        one, two = get(tail, 0) * first + total(x), get(tail, K + 1) * first + total(y)
        error = max(max(abs(one), abs(two)) - rounding, 0.0) / max(atol + rtol * largest(most), rounding)
        if not abs(one) + abs(two) < np.inf:
            return np.inf
        worst = max(worst, error)
    return worst


@inner
def known_forcing(K: int, rows: int, m: int, to_modes: int, bias: int, x: int, out: int) -> None:
    """out = bias 1' + to_modes x for x (m, K) and ``rows`` rows of out."""
    for c in range(rows):
        for o in range(0, K, 4):
            v = spread(get(bias, c))
            for i in range(m):
                v = fma(spread(get(to_modes, c * m + i)), load(x, i * K + o), v)
            store(out, c * K + o, v)


@inner
def fill(out: int, size: int) -> None:
    """Zeros, ``size`` of them, a multiple of 4."""
    for i in range(0, size, 4):
        store(out, i, spread(0.0))


@kernel
def run(
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
    work: Array,
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
        work: room for (4 + batch) rows K numbers.
        terms, delays, warped: the delayed terms: packed matrices into the modes; delays; whether of r = G(s).
        to_modes: the input matrices (rows, m) and bias (rows,) in the modes; basis: V packed, empty where it is 1.
        real, turned: operators of the modes for each length; dense: the whole operator, empty where modes are used.

    Returns:
        (how many panels were solved, what stopped the run, target, error of the last panel).
    """
    K = theta.shape[0] - 1
    batch, rows = modes.shape
    d = values.shape[2] // K
    size, blocks, pairs, m = rows * K, rows // 4, turned.shape[1], to_modes.shape[1]
    delayed = work[3 * size : 3 * size + d * K]
    # addresses count bytes
    known = address(work)
    forcing, state, past, solved = known + 8 * size, known + 16 * size, known + 24 * size, known + 32 * size
    block, per_panel = address(values), 8 * batch * d * K
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
                number[n] = locate(breaks, count, start, end, delays[n], theta, weights, sources[n], weight[n])
        error = 0.0
        for lane in range(batch):
            z, now = solved + 8 * lane * size, address(modes) + 8 * lane * rows
            before = block + count * per_panel + 8 * lane * d * K
            out = before + per_panel
            if lane == 0 or inputs.shape[1] > 1:
                x = address(inputs) + 8 * (p * inputs.shape[1] + lane) * m * K
                known_forcing(K, rows, m, address(to_modes), address(bias), x, known)
            more = address(extra) + 8 * (p * batch + lane) * size
            for i in range(0, size, 4):
                v = load(known, i)
                store(forcing, i, plus(v, load(more, i)) if p < extra.shape[0] else v)
            for n in range(delays.shape[0]):
                if number[n] < 0:
                    continue
                source = values[sources[n, 0] + 1, lane]
                if number[n] > 0:
                    gather(K, d, values, sources[n], number[n], lane, weight[n], past)
                    source = delayed
                if warped[n]:
                    warp(code, source, delayed)
                    source = delayed
                add_product(K, address(terms[n]), blocks, d, address(source), forcing)
            if dense.shape[0] > 0:
                solve_dense(d * K, d, address(dense[table]), now, forcing, z)
            else:
                solve_modes(
                    K, real.shape[1] - pairs, pairs, address(real[table]), address(turned[table]), now, forcing, z
                )
            if basis.shape[0] > 0:
                into = out if rows == d else state  # a block has no room for rows that are padding
                fill(into, size)
                add_product(K, address(basis), blocks, d, z, into)
                z = into
            if z != out:
                for i in range(0, d * K, 4):
                    store(out, i, load(z, i))
            error = max(error, tail_error(K, address(tail), before, out, d, rtol, atol))
            if not error < np.inf:
                break
        target = next_target(K, target, end - start, error)
        if error > 1.0:
            return p, REJECTED, target, error
        for lane in range(batch):
            for c in range(d):
                put(address(modes), lane * rows + c, get(solved, lane * size + c * K + K - 1))
        count += 1
        breaks[count] = end
    return len(starts), DONE, target, error
