"""Which panels the spectral method solves next: dyadic parts of the segments between breaking points.

The plain twins are in solvers.spectral.
"""

from __future__ import annotations

import math

import numpy as np

from ode2rnn.kernels.compiling import kernel
from ode2rnn.kernels.spectral.records import Lengths

Array = np.ndarray
SAFETY, SHRINK, GROW = 0.9, 0.15, 3.0


@kernel
def panel_length(a: float, b: float, start: float, target: float) -> float:
    """The largest of (b - a) / 2^n that is at most ``target`` and takes a panel at ``start`` onto the dyadic grid."""
    h, n = b - a, 1.0
    while h > target * (1.0 + 1e-9) and n < 1e15:
        h *= 0.5
        n *= 2.0
    place = (start - a) / (b - a)
    while abs(place * n - math.floor(place * n + 0.5)) > 0.01 and n < 1e12:
        h *= 0.5
        n *= 2.0
    return h


@kernel
def next_target(K: int, target: float, h: float, error: float) -> float:
    """The longest panel to try next, after a panel of length ``h`` with that error over its tolerance."""
    factor = min(max(SAFETY * max(error, 1e-30) ** (-1.0 / K), SHRINK), GROW)
    if error > 1.0:
        return h * min(factor, 0.5)
    if h <= 0.5 * target and factor >= 1.0:
        return max(target, h * factor)  # the end of its segment made the panel short
    return h * max(factor, 1.0)


@kernel
def segment_ends(ends: Array, delay: float) -> Array:
    """The increasing ``ends`` and, between them, points ``delay`` apart."""
    n = 1
    for i in range(len(ends) - 1):
        n += max(1, math.ceil((ends[i + 1] - ends[i]) / delay - 1e-9))
    out = np.empty(n)
    n = 0
    for i in range(len(ends) - 1):
        for part in range(max(1, math.ceil((ends[i + 1] - ends[i]) / delay - 1e-9))):
            out[n] = ends[i] + part * delay if part else ends[i]
            n += 1
    out[n] = ends[-1]
    return out


@kernel
def plan_panels(
    bounds: Array, segment: int, start: float, target: float, count: int, kept: Lengths, theta: Array
) -> tuple:
    """The next panels, if the target stays: segment, start, end, and place of the length among those kept, for each,
    the number of lengths, and the middles (n,) and nodes (n, K).

    Lengths that are new are added. Stops where there is no room for one.
    """
    K = theta.shape[0] - 1
    lengths, known, close = kept
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
