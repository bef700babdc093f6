"""The implicit equation of an undelayed readout, s = known + M G(s), by Newton's method."""

from __future__ import annotations

import numpy as np

from ode2rnn.core.activations import Activation
from ode2rnn.core.arrays import Array, all_finite, as_like, is_torch, to_numpy
from ode2rnn.core.trajectory import SimulationError

MOST_ITERATIONS = 60
SMALLEST_DAMPING = 2.0**-12


def solve_readout(known: Array, M: Array, activation: Activation, guess: Array) -> Array:
    """The state s (..., d) with s = known + M G(s), near ``guess``.

    Damped Newton iterations without gradients; in torch one more iteration with gradients makes the result
    differentiable with respect to ``known`` and M (the implicit function theorem).

    Raises:
        SimulationError: no convergence; where dt made M, a smaller dt makes it a contraction.
    """
    if is_torch(known):
        s = as_like(_iterate(to_numpy(known), to_numpy(M), activation, to_numpy(guess)), known)
        residual = known + activation.value(s) @ M.T - s
        return s + _newton_change(s, M, activation, residual)
    return _iterate(known, M, activation, guess)


def _iterate(known: np.ndarray, M: np.ndarray, activation: Activation, guess: np.ndarray) -> np.ndarray:
    s = np.array(np.broadcast_to(guess, known.shape))
    residual = known + activation.value(s) @ M.T - s
    for _ in range(MOST_ITERATIONS):
        if not all_finite(residual):
            break
        change = _newton_change(s, M, activation, residual)
        damping = 1.0
        while True:
            trial = s + damping * change
            after = known + activation.value(trial) @ M.T - trial
            if np.abs(after).max() <= np.abs(residual).max() or damping < SMALLEST_DAMPING:
                break
            damping /= 2
        s, residual = trial, after
        if np.abs(change).max() <= 1e-13 * (1.0 + np.abs(s).max()):
            return s
    raise SimulationError("Newton's method found no solution of the undelayed readout; try a smaller dt")


def _newton_change(s: Array, M: Array, activation: Activation, residual: Array) -> Array:
    slope = activation.slope(s)
    jacobian = as_like(np.eye(s.shape[-1]), M) - M * slope[..., None, :]
    if is_torch(residual):
        import torch

        return torch.linalg.solve(jacobian, residual[..., None])[..., 0]
    try:
        return np.linalg.solve(jacobian, residual[..., None])[..., 0]
    except np.linalg.LinAlgError:
        raise SimulationError("the implicit equation of the undelayed readout is singular; try a smaller dt") from None
