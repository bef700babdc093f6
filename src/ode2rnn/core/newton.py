"""Implicit equations S = s + h f(S) by damped Newton's method and continuation; that of an undelayed readout."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ode2rnn.core.activations import Activation
from ode2rnn.core.arrays import Array, all_finite, as_like, is_torch, to_numpy
from ode2rnn.core.trajectory import SimulationError

MOST_ITERATIONS, MOST_CONTINUED = 40, 120
SMALLEST_DAMPING, SMALLEST_SHARE = 2.0**-16, 2.0**-10
ENOUGH = 1e-4  # of the decrease that the tangent promises
CLOSE = 1e-14  # a last change, against 1 + |s|
NUDGE = 1e-7  # what is added to a singular matrix
STALLED = 1e-11  # a change that rounding lets grow no smaller
ROUNDING = 16


class Equation(NamedTuple):
    """S = s + h f(S) in NumPy: f (..., d), its Jacobian (..., d, d), s (..., d), h a number or (..., 1), a rounding."""

    rate: Callable[[np.ndarray], np.ndarray]
    jacobian: Callable[[np.ndarray], np.ndarray]
    s: np.ndarray
    h: Any
    eps: float
    kept: float = 0.05  # a derivative is kept while the iteration contracts by this factor

    def residual(self, S: np.ndarray) -> np.ndarray:
        """How far S is from a solution."""
        return self.s + self.h * self.rate(S) - S

    def matrix(self, S: np.ndarray) -> np.ndarray:
        """I - h df/ds."""
        h = self.h if np.ndim(self.h) == 0 else self.h[..., None]
        return np.eye(S.shape[-1]) - h * self.jacobian(S)


def solved(equation: Equation, guess: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The solutions of all members, and which of them are solutions, (...).

    Every member is solved by itself, whatever the others do: from ``guess``; from s + h f(s), if that fails; and from
    h = 0, where S = s, along the branch to h.
    """
    s = equation.s
    S, ok = _damped(equation, guess)
    if not ok.all():
        ahead = s + equation.h * equation.rate(s)
        other, better = _damped(equation, np.where(np.isfinite(ahead), ahead, s))
        S, ok = np.where((better & ~ok)[..., None], other, S), ok | better
    if not ok.all():
        other, better = _continued(equation)
        S, ok = np.where((better & ~ok)[..., None], other, S), ok | better
    return S, ok


def _damped(equation: Equation, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Newton's method from ``start``, each change halved until the residual falls; and which members converged."""
    S = np.array(start)
    residual = equation.residual(S)
    done, lost = np.zeros(S.shape[:-1], bool), ~np.isfinite(residual).all(-1)
    matrix: np.ndarray | None = None
    for _ in range(MOST_ITERATIONS):
        fresh = matrix is None
        matrix = equation.matrix(S) if matrix is None else matrix
        lost = lost | (~done & ~np.isfinite(matrix).all(axis=(-1, -2)))
        going = ~(done | lost)
        change = _change(matrix, residual, going)
        scale, length = 1 + np.abs(S).max(axis=-1), np.abs(change).max(axis=-1)
        # a change so small that only rounding is left of the residual is taken, whether that falls or not
        small = length <= (CLOSE + ROUNDING * equation.eps) * scale
        trial, after, falls = _searched(equation, S, residual, change, going & ~small)
        stalled = going & ~falls & (length <= (STALLED + ROUNDING * equation.eps) * scale)
        moves = going & (falls | small)
        slow = moves & ~small & ~(_norm(after) <= equation.kept * _norm(residual))
        S, residual = np.where(moves[..., None], trial, S), np.where(moves[..., None], after, residual)
        done = done | (going & small)
        stays = going & ~moves
        if fresh:  # with an old derivative nothing is lost yet
            done, lost = done | stalled, lost | (stays & ~stalled)
        if (done | lost).all():
            break
        if slow.any() or stays.any():
            matrix = None
    return S, done


def _searched(
    equation: Equation, S: np.ndarray, residual: np.ndarray, change: np.ndarray, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """S + damping * change and its residual, halved until that falls where it is ``wanted``; and if it did."""
    size, damping = _norm(residual), np.ones(wanted.shape)
    while True:
        trial = S + damping[..., None] * change
        after = equation.residual(trial)
        # not >: a residual that is no number is worse
        worse = wanted & ~(_norm(after) <= (1 - ENOUGH * damping) * size)
        if not (worse & (damping > SMALLEST_DAMPING)).any():
            return trial, after, ~worse
        damping = np.where(worse, damping / 2, damping)


def _change(matrix: np.ndarray, residual: np.ndarray, going: np.ndarray) -> np.ndarray:
    """Newton's change of the members that go on, zero of others."""
    matrix = np.where(going[..., None, None], matrix, np.eye(matrix.shape[-1]))
    residual = np.where(going[..., None], residual, 0.0)[..., None]
    try:
        return np.linalg.solve(matrix, residual)[..., 0]
    except np.linalg.LinAlgError:  # a member where the equation folds goes on as if beside that place
        slope = NUDGE * np.maximum(1.0, np.abs(matrix).max(axis=(-1, -2), keepdims=True))
        return np.linalg.solve(matrix + slope * np.eye(matrix.shape[-1]), residual)[..., 0]


def _continued(equation: Equation) -> tuple[np.ndarray, np.ndarray]:
    """The solutions at shares of h from 0 to 1, each from that of the share before; and which members got to 1."""
    s = equation.s
    S, share = np.array(s), np.zeros((*s.shape[:-1], 1))
    step = np.full(share.shape, 0.125)
    for _ in range(MOST_CONTINUED):
        trial = np.minimum(1.0, share + step)
        found, ok = _damped(equation._replace(h=equation.h * trial), S)
        S, share = np.where(ok[..., None], found, S), np.where(ok[..., None], trial, share)
        step = np.where(ok[..., None], 2 * step, step / 2)
        if ((share >= 1.0) | (step < SMALLEST_SHARE)).all():
            break
    return S, share[..., 0] >= 1.0


def _norm(residual: np.ndarray) -> np.ndarray:
    return np.sqrt((residual**2).sum(axis=-1))


def solve_readout(known: Array, M: Array, activation: Activation, guess: Array) -> Array:
    """The state s (..., d) with s = known + M G(s), near ``guess``, to rounding for every member of a batch.

    M is (d, d), or (..., d, d) with a matrix for every member.

    Newton's method with the exact Jacobian, without gradients; in torch one more iteration with gradients
    makes the result differentiable (once) with respect to ``known`` and M: the implicit function theorem.

    Raises:
        SimulationError: no convergence; where dt made M, a smaller dt makes it a contraction.
    """
    if not all_finite(known):
        raise SimulationError("the state overflowed: the recursion diverges; try a smaller dt")
    with np.errstate(all="ignore"):  # a trial that overflows is damped
        if is_torch(known):
            s = as_like(_readout(to_numpy(known), to_numpy(M), activation, to_numpy(guess)), known)
            torch = sys.modules["torch"]
            residual = known + _apply(M, activation.value(s)) - s
            jacobian = as_like(np.eye(s.shape[-1]), M) - M * activation.slope(s)[..., None, :]
            try:
                return s + torch.linalg.solve(jacobian, residual[..., None])[..., 0]
            except torch.linalg.LinAlgError:
                failure = "the implicit equation of the undelayed readout is singular; try a smaller dt"
                raise SimulationError(failure) from None
        return _readout(known, M, activation, guess)


def _readout(known: np.ndarray, M: np.ndarray, activation: Activation, guess: np.ndarray) -> np.ndarray:
    equation = Equation(
        lambda s: _apply(M, activation.value(s)),
        lambda s: M * activation.slope(s)[..., None, :],
        known,
        1.0,
        float(np.finfo(float).eps),
        kept=0.0,
    )
    s, ok = solved(equation, np.broadcast_to(guess, known.shape))
    if not ok.all():
        left = np.abs(equation.residual(s)).max()
        raise SimulationError(
            f"Newton's method found no solution of the undelayed readout: the residual is {left:.1e}; try a smaller dt"
        )
    return s


def _apply(M: Array, r: Array) -> Array:
    return r @ M.T if M.ndim == 2 else (M @ r[..., None])[..., 0]
