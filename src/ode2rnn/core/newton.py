"""The implicit equation of an undelayed readout, s = known + M G(s), by Newton's method."""

from __future__ import annotations

import numpy as np

from ode2rnn.core.activations import Activation
from ode2rnn.core.arrays import Array, all_finite, as_like, is_torch, to_numpy
from ode2rnn.core.trajectory import SimulationError

MOST_ITERATIONS = 60
SMALLEST_DAMPING = 2.0**-12
ROUNDING = 8 * np.finfo(np.float64).eps


def solve_readout(known: Array, M: Array, activation: Activation, guess: Array) -> Array:
    """The state s (..., d) with s = known + M G(s), near ``guess``, to rounding for every member of a batch.

    M is (d, d), or (..., d, d) with a matrix for every member.

    Damped Newton iterations with the exact Jacobian, without gradients; in torch one more iteration with gradients
    makes the result differentiable (once) with respect to ``known`` and M: the implicit function theorem.

    Raises:
        SimulationError: no convergence; where dt made M, a smaller dt makes it a contraction.
    """
    if not all_finite(known):
        raise SimulationError("the state overflowed: the recursion diverges; try a smaller dt")
    with np.errstate(all="ignore"):  # a trial that overflows is damped
        if is_torch(known):
            s = as_like(_iterate(to_numpy(known), to_numpy(M), activation, to_numpy(guess)), known)
            residual = known + _apply(M, activation.value(s)) - s
            return s + _newton_change(s, M, activation, residual)
        return _iterate(known, M, activation, guess)


def _iterate(known: np.ndarray, M: np.ndarray, activation: Activation, guess: np.ndarray) -> np.ndarray:
    def residual_of(s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The residual, its size for every member of the batch (..., 1), and what of that is rounding."""
        r = activation.value(s)
        residual = known + _apply(M, r) - s
        terms = np.abs(known) + _apply(np.abs(M), np.abs(r)) + np.abs(s)
        return residual, _size(residual), ROUNDING * _size(terms)

    s = np.array(np.broadcast_to(guess, known.shape))
    residual, size, rounding = residual_of(s)
    for _ in range(MOST_ITERATIONS):
        change = _newton_change(s, M, activation, residual)
        damping = np.ones(size.shape)
        while True:
            trial = s + damping * change
            after, size_after, rounding = residual_of(trial)
            # not <=: a trial that overflowed is worse
            worse = ~((size_after <= size) | (size_after <= rounding)) & (damping >= SMALLEST_DAMPING)
            if not worse.any():
                break
            damping = np.where(worse, damping / 2, damping)
        s, residual, size = trial, after, size_after
        if ((size <= rounding) | (_size(change) <= 1e-13 * (1.0 + _size(s)))).all():
            return s
    raise SimulationError(
        "Newton's method found no solution of the undelayed readout:"
        f" after {MOST_ITERATIONS} iterations the residual is {size.max():.1e}; try a smaller dt"
    )


def _apply(M: Array, r: Array) -> Array:
    return r @ M.T if M.ndim == 2 else (M @ r[..., None])[..., 0]


def _size(values: np.ndarray) -> np.ndarray:
    return np.abs(values).max(axis=-1, keepdims=True)


def _newton_change(s: Array, M: Array, activation: Activation, residual: Array) -> Array:
    slope = activation.slope(s)
    jacobian = as_like(np.eye(s.shape[-1]), M) - M * slope[..., None, :]
    failure = "the implicit equation of the undelayed readout is singular; try a smaller dt"
    if is_torch(residual):
        import torch

        try:
            return torch.linalg.solve(jacobian, residual[..., None])[..., 0]
        except torch.linalg.LinAlgError:
            raise SimulationError(failure) from None
    try:
        return np.linalg.solve(jacobian, residual[..., None])[..., 0]
    except np.linalg.LinAlgError:
        raise SimulationError(failure) from None
