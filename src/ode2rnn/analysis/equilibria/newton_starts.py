"""Newton's method from many starts at once, damped after Levenberg and Marquardt.

It minimises |r(s)|^2 / 2. Where r can be made 0 its last steps are Newton's own; where it cannot, it ends at a point
that is slow: a minimum of |r| that is not 0 (Sussillo and Barak 2013).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ode2rnn.analysis.spectra.many_roots import solved

Residual = Callable[[np.ndarray], np.ndarray]

FIXED, SLOW, FAILED = 0, 1, 2
ROUNDING, NEAR = 1e-15, 1e-6
LARGEST = 1e6  # a state beyond this has left


class Ends(NamedTuple):
    """Where the starts (K, n) ended: the states, |r| of each, and FIXED, SLOW or FAILED; False after an interrupt."""

    states: np.ndarray
    speeds: np.ndarray
    kinds: np.ndarray
    complete: bool = True


def newton_starts(
    residual: Residual,
    jacobian: Residual,
    starts: np.ndarray,
    tolerance: float,
    iterations: int,
    on_step: Callable[[int], object] = lambda done: None,
) -> Ends:
    """Iterate every start until it rests, stalls, leaves, or has had all its iterations.

    An interrupt ends the iterations; starts that have not ended then count as failed.

    Args:
        residual: r of states (K, n), (K, n).
        jacobian: its derivative, (K, n, n).
        starts: (K, n).
        tolerance: |r| <= tolerance (1 + |s|) is a zero, in the largest component.
        iterations: the most.
        on_step: told how many have ended.
    """
    S, kinds = starts.copy(), np.full(len(starts), FAILED)
    active = np.arange(len(S))
    with np.errstate(all="ignore"):
        r = residual(S)
        damping, stalls = np.full(len(S), 1e-3), np.zeros(len(S), dtype=int)
        complete = True
        try:
            for _ in range(iterations):
                s, now = S[active], r[active]
                gone = ~np.isfinite(now).all(1) | ~(np.abs(s).max(1) <= LARGEST)
                small = (np.abs(now).max(1) <= tolerance * (1 + np.abs(s).max(1))) & ~gone
                slow = (stalls[active] >= 3) & ~small & ~gone
                kinds[active[small]], kinds[active[slow]] = FIXED, SLOW
                active = active[~(small | gone | slow)]
                on_step(len(S) - len(active))
                if not len(active):
                    break
                _step(residual, jacobian, S, r, damping, stalls, active)
        except KeyboardInterrupt:
            complete = False
        fixed = np.flatnonzero(kinds == FIXED)
        try:
            if len(fixed):
                S[fixed], r[fixed], real = _polished(residual, jacobian, S[fixed], r[fixed])
                kinds[fixed[~real]] = SLOW
        except KeyboardInterrupt:  # they are within the tolerance as they are
            complete = False
    return Ends(S, np.linalg.norm(r, axis=1), kinds, complete)


def _step(
    residual: Residual,
    jacobian: Residual,
    S: np.ndarray,
    r: np.ndarray,
    damping: np.ndarray,
    stalls: np.ndarray,
    active: np.ndarray,
) -> None:
    """One trial of every active start, taken where it lowers |r|; the damping goes down then, else up."""
    s, now = S[active], r[active]
    J = jacobian(s)
    JT = J.swapaxes(-1, -2)
    normal, slope = JT @ J, (JT @ now[..., None])[..., 0]
    scale = np.trace(normal, axis1=-2, axis2=-1) / s.shape[1] + 1e-300
    normal += (damping[active] * scale)[:, None, None] * np.eye(s.shape[1])
    good = np.isfinite(normal).all((1, 2))
    normal = np.where(good[:, None, None], normal, np.eye(s.shape[1]))
    trial = s - solved(normal, slope)  # a damping that rounding swallows leaves it singular
    after = residual(trial)
    before_cost, cost = (now**2).sum(1), (after**2).sum(1)
    better = good & (cost < before_cost)
    taken = active[better]
    S[taken], r[taken] = trial[better], after[better]
    damping[active] = np.where(better, np.maximum(damping[active] / 6, 1e-16), damping[active] * 5)
    # a minimum: the slope is what rounding leaves of it, or |r| goes down no more
    flat = np.linalg.norm(slope, axis=1) <= 1e-9 * np.sqrt(scale * before_cost * s.shape[1])
    still = better & (cost > (1 - 1e-9) * before_cost)
    stuck = ~better & (damping[active] > 1e8)
    stalls[active] = np.where(flat | still | stuck, stalls[active] + 1, 0)


def _polished(
    residual: Residual, jacobian: Residual, s: np.ndarray, r: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Newton's own steps while they bring |r| down, to rounding; and whether a zero is really there.

    Where r is small only because nothing moves (gates that are shut, far out) the next step would still be a long one.
    """
    change = np.full(len(s), np.inf)
    for _ in range(6):
        J = jacobian(s)
        step = solved(J, r)
        change = np.abs(step).max(1) / (1 + np.abs(s).max(1))
        # where J is singular the step may lead nowhere
        change[np.abs((J @ step[..., None])[..., 0] - r).max(1) > 0.5 * np.abs(r).max(1)] = np.inf
        trial = s - step
        after = residual(trial)
        better = (after**2).sum(1) < (r**2).sum(1)
        if not better.any():
            break
        s, r = np.where(better[:, None], trial, s), np.where(better[:, None], after, r)
    rounded = np.abs(r).max(1) <= ROUNDING * (1 + np.abs(s).max(1))
    return s, r, rounded | (change <= NEAR)
