"""One step of backward Euler of any flow: S = s + h f(S), found by the Newton's method of core.

Uses: D1.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import Any

import numpy as np

from ode2rnn.core.arrays import Array, as_like, broadcast_to, is_torch, to_numpy
from ode2rnn.core.newton import Equation, solved
from ode2rnn.solvers.problem import Segment
from ode2rnn.solvers.solution import StepError, precision


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
        found, ok = solved(equation, equation.s)
        if not ok.all():
            raise StepError(_failure(equation, found, ok, end))
        if not tensors:
            return found
        S = as_like(found, s)
        matrix = as_like(np.eye(s.shape[-1]), s) - h * segment.jacobian(known, S)
    slopes = broadcast_to(segment.rate(known, S), tuple(s.shape))
    change = sys.modules["torch"].linalg.solve_ex(matrix, (s + h * slopes - S)[..., None])[0]
    return S + change[..., 0]


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
