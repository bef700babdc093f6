"""One step of backward Euler of any flow: damped Newton's method, then continuation in the step.

Uses: D1.  S = s + h f(S) for every member of a batch by itself, whatever the others do.  The methods that are tried,
until one succeeds: from s; from explicit Euler, s + h f(s); and from h = 0 on, where S = s, along the branch to h.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np

from ode2rnn.core.arrays import Array, as_like, broadcast_to, is_torch, to_numpy
from ode2rnn.solvers.problem import Segment
from ode2rnn.solvers.solution import StepError, precision

MOST_ITERATIONS, MOST_CONTINUED = 40, 120
SMALLEST_DAMPING, SMALLEST_SHARE = 2.0**-16, 2.0**-10
ENOUGH = 1e-4  # of the decrease that the tangent promises
CONTRACTS = 0.05  # a derivative is kept while the iteration contracts by this factor
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

    def residual(self, S: np.ndarray) -> np.ndarray:
        """How far S is from a solution."""
        return self.s + self.h * self.rate(S) - S

    def matrix(self, S: np.ndarray) -> np.ndarray:
        """I - h df/ds."""
        h = self.h if np.ndim(self.h) == 0 else self.h[..., None]
        return np.eye(S.shape[-1]) - h * self.jacobian(S)


def implicit_step(segment: Segment, known: Any, s: Array, h: float, end: float) -> Array:
    """S with S = s + h f(S), f at the time ``end``, for which ``known`` is what is known there.

    In torch the iteration runs without gradient, and one more step of it carries the gradient: its derivative is that
    of the solution (once), by the implicit function theorem.

    Raises:
        StepError: no solution was found; it names the member of the batch, its state and the residual that is left.
    """

    def rate(S: np.ndarray) -> np.ndarray:
        return np.broadcast_to(to_numpy(segment.rate(known, as_like(S, s))), S.shape)

    def jacobian(S: np.ndarray) -> np.ndarray:
        return to_numpy(segment.jacobian(known, as_like(S, s)))

    tensors = is_torch(s)
    with sys.modules["torch"].no_grad() if tensors else nullcontext():
        equation = Equation(rate, jacobian, to_numpy(s), h, precision(s))
        found, ok = _solved(equation)
        if not ok.all():
            raise StepError(_failure(equation, found, ok, end))
        if not tensors:
            return found
        S = as_like(found, s)
        matrix = as_like(np.eye(s.shape[-1]), s) - h * segment.jacobian(known, S)
    slopes = broadcast_to(segment.rate(known, S), tuple(s.shape))
    change = sys.modules["torch"].linalg.solve_ex(matrix, (s + h * slopes - S)[..., None])[0]
    return S + change[..., 0]


def _solved(equation: Equation) -> tuple[np.ndarray, np.ndarray]:
    """The solutions of all members, and which of them are solutions, (...)."""
    s = equation.s
    S, ok = _damped(equation, s)
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
        slow = moves & ~small & ~(_norm(after) <= CONTRACTS * _norm(residual))
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


def _failure(equation: Equation, S: np.ndarray, ok: np.ndarray, end: float) -> str:
    member = tuple(int(k) for k in np.argwhere(~ok)[0]) if ok.ndim else ()
    left = np.abs(equation.residual(S)[member]).max()
    before = np.array2string(equation.s[member][:6], precision=4)
    more = ", .." if equation.s.shape[-1] > 6 else ""
    whose = f" of trajectory {member}" if member else ""
    what = f"a residual of {left:.1e} is left" if np.isfinite(left) else "the rate is not finite near there"
    return (
        f"at t = {end:.6g}: Newton's method found no solution s of the implicit equation s = s[n-1] + dt f(s) for"
        f" s[n-1] = {before}{more}{whose} and dt = {equation.h:.6g}: {what}; the solution diverges there, or try a"
        " smaller dt or an adaptive method"
    )
