"""Breaking points: where the solution of a delay equation is less smooth, so that every step ends there.

A jump of a derivative at p comes back, one derivative higher, at p + tau for every delay tau; the sources of
jumps are the start t0, the knots of the history and the knots of the input (Bellen and Zennaro 2003, ch. 2).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

# Several delays make many points. Beyond this many for each delay interval and each source of jumps, the jumps of
# higher derivatives are left to the error control; those of the derivatives up to LEAST are always met.
MOST, LEAST = 20, 3
FEW = 100  # times up to which lists are faster than arrays
FEW_SEEDS = 16  # up to this many, the points are kept for the next call


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
    sources = tuple(seeds)
    return (_kept if len(sources) <= FEW_SEEDS else _points)(sources, delays, span, order)


def _points(
    sources: tuple[tuple[float, int], ...], delays: tuple[float, ...], span: tuple[float, float], order: int
) -> np.ndarray:
    t0, t1 = span
    size = min((*delays, t1 - t0))
    close = max(1e-12 * size, 16 * np.finfo(float).eps * max(abs(t0), abs(t1)))
    most = MOST * (len(sources) + (t1 - t0) / size)
    found = _merge([time for time, _ in sources], close)
    jumps: list[float] = []  # where this derivative jumps
    for derivative in range(order + 1):
        later = [time + delay for time in jumps for delay in delays if time + delay < t1 - close]
        jumps = _merge([*later, *(time for time, n in sources if n == derivative)], close)
        more = _merge([*found, *jumps], close)
        if derivative > LEAST and len(more) > most:
            break
        found = more
    points = np.array([time for time in found if t0 + close < time < t1 - close])
    points.flags.writeable = False  # it may be handed out again
    return points


_kept = lru_cache(maxsize=64)(_points)  # the same equation is often solved again, from other states


def _merge(times: list[float], close: float) -> list[float]:
    """The times in order; of those closer than ``close`` to one another, the first."""
    if len(times) > FEW:
        ordered = np.sort(np.array(times))
        return ordered[np.diff(ordered, prepend=-np.inf) > close].tolist()
    times = sorted(times)
    return times[:1] + [time for before, time in zip(times[:-1], times[1:], strict=True) if time - before > close]
