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

Array = np.ndarray
Width = tuple[int, ...]
DONE, REJECTED, REPLAN = range(3)
SAFETY, SHRINK, GROW = 0.9, 0.15, 3.0
EPS = 2.220446049250313e-16
ROUNDING = 64 * EPS


@njit(**LOOP)
def panel_length(a: float, b: float, start: float, target: float) -> float:
    """The largest of (b - a) / 2^n that is at most ``target`` and takes a panel at ``start`` onto the dyadic grid."""
    h, n = b - a, 1.0
    while h > target * (1.0 + 1e-9) and n < 1e15:
        h *= 0.5
        n *= 2.0
    place = (start - a) / (b - a)
    while abs(place * n - np.round(place * n)) > 0.01 and n < 1e12:
        h *= 0.5
        n *= 2.0
    return h


@njit(**LOOP)
def next_target(width: Width, target: float, h: float, error: float) -> float:
    """The longest panel to try next, after a panel of length ``h`` with that error over its tolerance."""
    K = len(width)
    factor = min(max(SAFETY * max(error, 1e-30) ** (-1.0 / K), SHRINK), GROW)
    if error > 1.0:
        return h * min(factor, 0.5)
    if h <= 0.5 * target and factor >= 1.0:
        return max(target, h * factor)  # the end of its segment made the panel short
    return h * max(factor, 1.0)


@njit(**LOOP)
def segment_ends(ends: Array, delay: float) -> Array:
    """The increasing ``ends`` and, between them, points ``delay`` apart."""
    n = 1
    for i in range(len(ends) - 1):
        n += max(1, int(np.ceil((ends[i + 1] - ends[i]) / delay - 1e-9)))
    out = np.empty(n)
    n = 0
    for i in range(len(ends) - 1):
        for part in range(max(1, int(np.ceil((ends[i + 1] - ends[i]) / delay - 1e-9)))):
            out[n] = ends[i] + part * delay if part else ends[i]
            n += 1
    out[n] = ends[-1]
    return out


@njit(**LOOP)
def plan(
    width: Width,
    bounds: Array,
    segment: int,
    start: float,
    target: float,
    count: int,
    lengths: Array,
    known: int,
    close: float,
    theta: Array,
) -> tuple:
    """The next panels, if the target stays: segment, start, end, and place of the length in ``lengths``, for each,
    the number of lengths, and the middles (n,) and nodes (n, K).

    lengths holds ``known`` lengths; those that are new are added. Stops where it is full.
    """
    K = len(width)
    middles, nodes = np.empty(count), np.empty((count, K))
    segments = np.empty(count, np.int64)
    starts, ends = np.empty(count), np.empty(count)
    tables = np.empty(count, np.int64)
    last = bounds.shape[0] - 1
    n = 0
    while n < count and segment < last:
        a, b = bounds[segment], bounds[segment + 1]
        h = panel_length(a, b, start, target)
        table = 0
        while table < known and abs(lengths[table] - h) > max(close, 1e-12 * h):
            table += 1
        if table == known:
            if known == lengths.shape[0]:
                break
            lengths[known] = h
            known += 1
        end = start + h
        if abs(end - b) <= 1e-9 * h:
            end = b
        segments[n], starts[n], ends[n], tables[n] = segment, start, end, table
        middles[n] = 0.5 * (start + end)
        for k in range(K):
            nodes[n, k] = start + (end - start) * theta[k + 1]
        n += 1
        start = end
        if end == b:
            segment += 1
    return segments[:n], starts[:n], ends[:n], tables[:n], known, middles[:n], nodes[:n]


# The loops over a row have a constant length and slices for operands, whose indices cannot be negative, and bodies
# too long to be unrolled: otherwise the compiler leaves them scalar.


@njit(**LOOP)
def add_product(width: Width, W: Array, Z: Array, out: Array) -> None:
    """out += W Z for blocks of rows of K; W is packed as W[p, i] = (row i, columns 4 p to 4 p + 3)."""
    K = len(width)
    for p in range(W.shape[0]):
        z = Z[4 * p * K : (4 * p + 4) * K]
        for i in range(0, W.shape[1], 4):
            a00, a01, a02, a03 = W[p, i, 0], W[p, i, 1], W[p, i, 2], W[p, i, 3]
            a10, a11, a12, a13 = W[p, i + 1, 0], W[p, i + 1, 1], W[p, i + 1, 2], W[p, i + 1, 3]
            a20, a21, a22, a23 = W[p, i + 2, 0], W[p, i + 2, 1], W[p, i + 2, 2], W[p, i + 2, 3]
            a30, a31, a32, a33 = W[p, i + 3, 0], W[p, i + 3, 1], W[p, i + 3, 2], W[p, i + 3, 3]
            o = out[i * K : (i + 4) * K]
            for k in range(K):
                z0, z1, z2, z3 = z[k], z[K + k], z[2 * K + k], z[3 * K + k]
                o[k] += a00 * z0 + a01 * z1 + a02 * z2 + a03 * z3
                o[K + k] += a10 * z0 + a11 * z1 + a12 * z2 + a13 * z3
                o[2 * K + k] += a20 * z0 + a21 * z1 + a22 * z2 + a23 * z3
                o[3 * K + k] += a30 * z0 + a31 * z1 + a32 * z2 + a33 * z3


@njit(**LOOP)
def add_row(width: Width, weights: Array, f: Array, out: Array) -> None:
    """out += sum_j f[j] weights[j], rows of K, for f of K numbers; weights is flat."""
    K = len(width)
    for j in range(0, K, 8):
        f0, f1, f2, f3 = f[j], f[j + 1], f[j + 2], f[j + 3]
        f4, f5, f6, f7 = f[j + 4], f[j + 5], f[j + 6], f[j + 7]
        w = weights[j * K : (j + 8) * K]
        for k in range(K):
            low = (f0 * w[k] + f1 * w[K + k]) + (f2 * w[2 * K + k] + f3 * w[3 * K + k])
            high = (f4 * w[4 * K + k] + f5 * w[5 * K + k]) + (f6 * w[6 * K + k] + f7 * w[7 * K + k])
            out[k] += low + high


@njit(**LOOP)
def add_pair(width: Width, real: Array, turned: Array, f: Array, g: Array, one: Array, two: Array) -> None:
    """one += f real - g turned and two += g real + f turned, as :func:`add_row`."""
    K = len(width)
    for j in range(0, K, 4):
        f0, f1, f2, f3 = f[j], f[j + 1], f[j + 2], f[j + 3]
        g0, g1, g2, g3 = g[j], g[j + 1], g[j + 2], g[j + 3]
        u, v = real[j * K : (j + 4) * K], turned[j * K : (j + 4) * K]
        for k in range(K):
            u0, u1, u2, u3 = u[k], u[K + k], u[2 * K + k], u[3 * K + k]
            v0, v1, v2, v3 = v[k], v[K + k], v[2 * K + k], v[3 * K + k]
            one[k] += ((f0 * u0 + f1 * u1) + (f2 * u2 + f3 * u3)) - ((g0 * v0 + g1 * v1) + (g2 * v2 + g3 * v3))
            two[k] += ((g0 * u0 + g1 * u1) + (g2 * u2 + g3 * u3)) + ((f0 * v0 + f1 * v1) + (f2 * v2 + f3 * v3))


@njit(**LOOP)
def solve_modes(width: Width, real: Array, turned: Array, start: Array, forcing: Array, out: Array) -> None:
    """The panel of every mode: real modes first, then the pairs, all first members before all second members.

    Args:
        real: responses (reals + pairs, (1 + K) K) to the start value and to the forcing at each node.
        turned: the imaginary parts for the pairs, (pairs, (1 + K) K).
    """
    K = len(width)
    pairs = turned.shape[0]
    reals = real.shape[0] - pairs
    for c in range(reals):
        row, s = out[c * K : (c + 1) * K], start[c]
        for k in range(K):
            row[k] = s * real[c, k]
        add_row(width, real[c, K:], forcing[c * K : (c + 1) * K], row)
    for c in range(reals, reals + pairs):
        i, j = c, c + pairs
        u, v = real[c], turned[c - reals]
        one, two = out[i * K : (i + 1) * K], out[j * K : (j + 1) * K]
        s, t = start[i], start[j]
        for k in range(K):
            one[k] = s * u[k] - t * v[k]
            two[k] = t * u[k] + s * v[k]
        add_pair(width, u[K:], v[K:], forcing[i * K : (i + 1) * K], forcing[j * K : (j + 1) * K], one, two)


@njit(**LOOP)
def solve_dense(width: Width, matrix: Array, start: Array, forcing: Array, out: Array) -> None:
    """The panel by one matrix of responses, (d + K d, K d), a row for each start value and each node of the forcing."""
    K = len(width)
    out[:] = 0.0
    d = matrix.shape[1] // K
    for i in range(d):
        f = start[i]
        row = matrix[i]
        for n in range(d * K):
            out[n] += f * row[n]
    for i in range(0, d * K, 4):
        f0, f1, f2, f3 = forcing[i], forcing[i + 1], forcing[i + 2], forcing[i + 3]
        rows = matrix[d + i : d + i + 4]
        for n in range(d * K):
            out[n] += (f0 * rows[0, n] + f1 * rows[1, n]) + (f2 * rows[2, n] + f3 * rows[3, n])


# Reassociation is allowed in sums that only estimate an error or interpolate: they may be taken in any order.
SUMS = {**LOOP, "fastmath": {"contract", "nsz", "reassoc"}}


@njit(**SUMS)
def tail_error(width: Width, tail: Array, start: Array, s: Array, d: int, rtol: float, atol: float) -> float:
    """The last two Legendre coefficients over the tolerance, the largest over components; infinite for NaN.

    tail (2, 1 + K) takes the start value and the K values of a component to the two.
    """
    K = len(width)
    largest, bad = 0.0, 0.0
    for i in range(d * K):
        largest = max(largest, abs(s[i]))
        bad += 0.0 * s[i]
    if bad != 0.0:  # true for NaN, too
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
def find(breaks: Array, count: int, t: float) -> int:
    """The interval i of ``count`` with breaks[i] <= t < breaks[i + 1], the outer ones reaching past the ends."""
    low, high = 0, count
    while high - low > 1:
        middle = (low + high) // 2
        if breaks[middle] <= t:
            low = middle
        else:
            high = middle
    return low


@njit(**LOOP)
def barycentric(width: Width, theta: Array, weights: Array, at: float, row: Array) -> None:
    """Fill row (1 + K,) with the interpolation weights at the place ``at`` of a panel."""
    K = len(width)
    total = 0.0
    for j in range(K + 1):
        difference = at - theta[j]
        if abs(difference) <= 1e-300:
            row[:] = 0.0
            row[j] = 1.0
            return
        row[j] = weights[j] / difference
        total += row[j]
    for j in range(K + 1):
        row[j] /= total


@njit(**LOOP)
def locate(
    width: Width,
    breaks: Array,
    count: int,
    start: float,
    end: float,
    delay: float,
    theta: Array,
    weights: Array,
    sources: Array,
    rows: Array,
) -> int:
    """The panels in which the nodes of a panel lie one delay before: fills ``sources`` (K,), returns their number.

    Zero means that panel sources[0] is the same one shifted: its node values serve as they are. Else
    rows[n, j K + k] is the weight of value j of panel sources[n] at node k.
    """
    K = len(width)
    a, b = start - delay, end - delay
    q = find(breaks, count, 0.5 * (a + b))
    slack = max(1e-12 * (end - start), 2.0 * EPS * max(abs(start), abs(end), abs(delay)))
    if abs(breaks[q] - a) <= slack and abs(breaks[q + 1] - b) <= slack:
        sources[0] = q
        return 0
    row = np.empty(K + 1)
    number = 0
    for k in range(K):
        t = a + (b - a) * theta[k + 1]
        q = find(breaks, count, t)
        if number == 0 or sources[number - 1] != q:
            sources[number] = q
            rows[number] = 0.0
            number += 1
        barycentric(width, theta, weights, (t - breaks[q]) / (breaks[q + 1] - breaks[q]), row)
        for j in range(K + 1):
            rows[number - 1, j * K + k] = row[j]
    return number


@njit(**LOOP)
def gather(
    width: Width,
    values: Array,
    sources: Array,
    number: int,
    batch: int,
    rows: Array,
    out: Array,
    d: int,
) -> None:
    """The delayed state of one trajectory at the nodes, from the panels that `locate` found."""
    K = len(width)
    if number == 0:
        same = values[sources[0] + 1, batch]
        for i in range(d * K):
            out[i] = same[i]
        return
    out[: d * K] = 0.0
    for n in range(number):
        before, source, weight = values[sources[n], batch], values[sources[n] + 1, batch], rows[n]
        for c in range(d):
            line, v = out[c * K : (c + 1) * K], before[c * K + K - 1]
            for k in range(K):
                line[k] += v * weight[k]
            add_row(width, weight[K:], source[c * K : (c + 1) * K], line)


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


@njit(**SUMS)
def sample(
    width: Width,
    breaks: Array,
    values: Array,
    theta: Array,
    weights: Array,
    times: Array,
    out: Array,
) -> None:
    """The solution at ``times`` (T,) into out (T, batch, d); values as in :func:`run`."""
    K = len(width)
    count = breaks.shape[0] - 1
    row = np.empty(K + 1)
    batch, d = out.shape[1], out.shape[2]
    for n in range(times.shape[0]):
        t = times[n]
        q = find(breaks, count, t)
        length = breaks[q + 1] - breaks[q]
        at = 1.0 if t == breaks[q + 1] else (t - breaks[q]) / length
        # a time that was handed out as a node is that node, whatever rounding makes of it here
        near = 4e-16 * max(1.0, abs(t) / length)
        for j in range(K + 1):
            if abs(at - theta[j]) <= near:
                at = theta[j]
                break
        barycentric(width, theta, weights, at, row)
        for b in range(batch):
            before, source = values[q, b], values[q + 1, b]
            for c in range(d):
                total = row[0] * before[c * K + K - 1]
                for k in range(K):
                    total += row[k + 1] * source[c * K + k]
                out[n, b, c] = total
