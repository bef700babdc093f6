"""The order of convergence in a list of errors, and which of them it was fitted on."""

from __future__ import annotations

import numpy as np

# Local slopes of one range lie within this of each other, and none is below the other.
SPREAD = 0.25
FLATTEST = 0.5


def fit_order(dts: np.ndarray, errors: np.ndarray, floor: np.ndarray) -> tuple[float, np.ndarray]:
    """The slope of log error against log dt, and the points (K,) of bool that it was fitted on.

    The rule, from the finest step to coarser ones:

    1. points at round-off (error <= floor) and points without an error (the run diverged) are dropped;
    2. of the others, neighbours with local slopes that agree within 0.25 and are at least 0.5 make a range; the
       range nearest to dt = 0 that has three points is taken, as far towards coarse steps as its slopes agree.
       What is coarser is not yet asymptotic; what is finer is at the accuracy of the reference.

    Without such a range the order is NaN and no point is marked. Where only two steps are given, two points do.

    Args:
        dts: steps (K,), decreasing.
        errors: (K,); infinity where there is none.
        floor: the error that counts as round-off, (K,).

    Example:
        >>> dts = 0.5 ** np.arange(6)
        >>> order, used = fit_order(dts, np.array([0.5, 0.25, 0.0625, 0.015625, 2e-14, 1e-14]), np.full(6, 1e-13))
        >>> round(order, 12), used.tolist()
        (2.0, [False, True, True, True, False, False])
    """
    least = min(3, len(dts))
    usable = np.isfinite(errors) & (errors > floor)
    slopes = np.full(len(dts) - 1, np.nan)
    pairs = usable[:-1] & usable[1:]
    slopes[pairs] = np.diff(np.log(np.where(usable, errors, 1.0)))[pairs] / np.diff(np.log(dts))[pairs]
    used = np.zeros(len(dts), dtype=bool)
    for last in range(len(dts) - 1, least - 2, -1):
        first = last
        while first > 0 and _agree(slopes[first - 1 : last]):
            first -= 1
        if last - first + 1 >= least:
            used[first : last + 1] = True
            return float(np.polyfit(np.log(dts[used]), np.log(errors[used]), 1)[0]), used
    return float("nan"), used


def _agree(slopes: np.ndarray) -> bool:
    return bool(slopes.min() >= FLATTEST and np.ptp(slopes) <= SPREAD)  # False with a NaN
