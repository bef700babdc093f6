"""Values of a solution held as panels: one delay before the nodes of a new panel, and at any times.

The plain twins are Solution in solvers.problem and core.dense.
"""

from __future__ import annotations

import numpy as np

from ode2rnn.kernels.compiling import inner, kernel
from ode2rnn.kernels.elementwise.vectors import address, get, load, put, spread, store, total
from ode2rnn.kernels.spectral.algebra import add_row

Array = np.ndarray
EPS = 2.220446049250313e-16


@inner
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


@inner
def barycentric(theta: Array, weights: Array, at: float, row: Array) -> None:
    """Fill row (1 + K,) with the interpolation weights at the place ``at`` of a panel."""
    K = theta.shape[0] - 1
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


@inner
def locate(
    breaks: Array,
    count: int,
    span: tuple[float, float, float],
    theta: Array,
    weights: Array,
    sources: Array,
    rows: Array,
) -> int:
    """The steps in which the nodes of one, from start to end, lie one delay before, ``span`` holding the three: fills
    ``sources`` (K,), returns their number.

    Zero means that panel sources[0] is the same one shifted: its node values serve as they are. Else
    rows[n, j K + k] is the weight of value j of panel sources[n] at node k.
    """
    K = theta.shape[0] - 1
    start, end, delay = span
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
        barycentric(theta, weights, (t - breaks[q]) / (breaks[q + 1] - breaks[q]), row)
        for j in range(K + 1):
            rows[number - 1, j * K + k] = row[j]
    return number


@inner
def gather(K: int, d: int, values: Array, sources: Array, number: int, batch: int, rows: Array, out: int) -> None:
    """The delayed state of one trajectory at the nodes, from the ``number`` > 0 panels that `locate` found."""
    for i in range(0, d * K, 4):
        store(out, i, spread(0.0))
    for n in range(number):
        source, weights = address(values[sources[n] + 1, batch]), address(rows[n])
        for c in range(d):
            add_row(K, weights, values[sources[n], batch, c * K + K - 1], source + 8 * c * K, out + 8 * c * K)


@kernel
def sample_panels(breaks: Array, values: Array, theta: Array, weights: Array, times: Array, out: Array) -> None:
    """The solution at ``times`` (T,) into out (T, batch, d); values as in :func:`run`."""
    K = theta.shape[0] - 1
    count = breaks.shape[0] - 1
    row = np.empty(K + 1)
    block = address(values)
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
        barycentric(theta, weights, at, row)
        first = row[0]
        for b in range(batch):
            before, source, to = (
                block + 8 * (q * batch + b) * d * K,
                block + 8 * ((q + 1) * batch + b) * d * K,
                n * batch + b,
            )
            for c in range(d):
                sums = spread(0.0)
                for k in range(0, K, 4):
                    sums = load(address(row), k + 1) * load(source, c * K + k) + sums
                put(address(out), to * d + c, first * get(before, c * K + K - 1) + total(sums))
