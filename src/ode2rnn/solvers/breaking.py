"""Breaking points: where the solution of a delay equation is less smooth, so that every step ends there.

A jump of a derivative at p comes back, one derivative higher, at p + tau for every delay tau; the source of
jumps are the start t0, the knots of the history and the knots of the input (Bellen and Zennaro 2003, ch. 2).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import numpy as np


def breaking_points(
    seeds: Iterable[tuple[float, int]],
    delays: tuple[float, ...],
    span: tuple[float, float],
    order: int,
) -> np.ndarray:
    """Times strictly inside ``span`` at which a derivative of the solution of order <= ``order`` jumps.

    Args:
        seeds: pairs (time, lowest derivative of the solution that jumps there), at or before the end.
        delays: the positive delays of states and readouts.
        span: (t0, t1).
        order: jumps of higher derivatives are left to the error control.

    Points closer than about 1e-12 of the smallest delay are one point: a delay of 3 * 0.1 is one of 0.3.

    Example:
        >>> breaking_points([(0.0, 0)], (0.2, 1 / 3), (0.0, 0.7), order=9).round(4).tolist()
        [0.2, 0.3333, 0.4, 0.5333, 0.6, 0.6667]
    """
    t0, t1 = span
    size = min((*delays, t1 - t0))
    close = max(1e-12 * size, 16 * np.finfo(float).eps * max(abs(t0), abs(t1)))
    heap = [seed for seed in seeds if seed[1] <= order]
    heapq.heapify(heap)
    found: list[float] = []
    while heap:
        time, jump = heapq.heappop(heap)
        while heap and heap[0][0] - time <= close:
            jump = min(jump, heapq.heappop(heap)[1])
        if t0 + close < time < t1 - close:
            found.append(time)
        if jump < order:
            for delay in delays:
                if time + delay < t1 - close:
                    heapq.heappush(heap, (time + delay, jump + 1))
    return np.array(found)
