"""torchdiffeq's methods under their own names, from breaking point to breaking point, with gradients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ode2rnn.core.arrays import Array, all_finite, is_torch, stack
from ode2rnn.solvers.node_dense import THETA, dense_values
from ode2rnn.solvers.problem import Problem, Segment, Solution, StepFailure, check_step

__all__ = ["THETA", "solve"]


class _Rate:
    """The right-hand side in the form torchdiffeq calls."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment

    def __call__(self, t: Any, s: Array) -> Array:
        return self.segment.rate_at(float(t), s)


class _RecordingRate(_Rate):
    """The same, recording the steps that an adaptive method accepts."""

    def __init__(self, segment: Segment) -> None:
        super().__init__(segment)
        self.times: list[float] = []
        self.states: list[Array] = []
        self.rejected = 0

    def callback_accept_step(self, t: Any, s: Array, h: Any) -> None:
        self.times.append(float(t))
        self.states.append(s)

    def callback_reject_step(self, t: Any, s: Array, h: Any) -> None:
        self.rejected += 1
        check_step(self.segment.a, float(t), float(h), s)


def solve(problem: Problem, solution: Solution, method: str, order: int, adaptive: bool) -> None:
    """Run ``method`` on every segment; for delay equations no segment is longer than the shortest delay."""
    import torch

    gradients = torch.is_grad_enabled() and is_torch(problem.s0)
    if not is_torch(problem.s0):
        s = torch.as_tensor(np.array(problem.s0))
        problem = replace(problem, model=problem.model.like(s), s0=s)
    s = problem.s0
    with torch.set_grad_enabled(gradients):
        for a, b in problem.segments(longest=problem.shortest_delay):
            segment = Segment(problem, solution, a, b)
            times, states = _solve_segment(problem, solution, segment, s, method, adaptive)
            values = dense_values(segment, times, states, order)
            finite = [all_finite(step) for step in values]
            last = len(finite) if all(finite) else finite.index(False)
            solution.extend(times[1 : last + 1], values[:last])
            if last < len(finite):
                raise StepFailure(
                    f"torchdiffeq's {method} left the finite numbers after t = {times[last]:.6g}: the solution diverges,"
                    " or the step is too long for this method"
                )
            s = states[-1]


def _solve_segment(
    problem: Problem, solution: Solution, segment: Segment, s: Array, method: str, adaptive: bool
) -> tuple[np.ndarray, Array]:
    import torch
    from torchdiffeq import odeint

    a, b = segment.a, segment.b
    if adaptive:
        rate = _RecordingRate(segment)
        ends = torch.tensor([a, b], dtype=torch.float64, device=s.device)
        try:
            result = odeint(
                rate,
                s,
                ends,
                rtol=problem.rtol,
                atol=problem.atol,
                method=method,
                options={"step_t": ends[1:]},
            )
        except AssertionError as error:  # "underflow in dt", "non-finite values in state"
            if rate.times:
                steps = np.array(rate.times)
                keep = dense_values(segment, steps, stack(rate.states), 4) if len(steps) > 1 else []
                solution.extend(steps[1:], keep)
            raise StepFailure(
                f"torchdiffeq's {method} stopped after t = {solution.end:.6g}: {error}"
            ) from None
        solution.rejected += rate.rejected
        return np.array([*rate.times, b]), stack([*rate.states, result[-1]])
    assert problem.dt is not None
    steps = max(1, int(np.ceil((b - a) / problem.dt - 1e-9)))
    times = np.linspace(a, b, steps + 1)
    grid = torch.as_tensor(times, device=s.device)
    with np.errstate(all="ignore"):
        states = odeint(
            _Rate(segment), s, grid, method=method, options={"grid_constructor": lambda f, y, t: grid}
        )
    return times, states


def solve_adjoint(problem: Problem, solution: Solution, method: str, adaptive: bool) -> Array:
    """States at ``problem.samples``, with gradients by torchdiffeq's adjoint equation: memory does not grow
    with the number of steps, and nothing but the samples is kept.
    """
    import torch
    from torchdiffeq import odeint_adjoint

    assert problem.samples is not None
    signal = () if problem.x is None else problem.x.parameters()
    parameters = tuple(p for p in (*problem.model.parameters(), *signal) if p.requires_grad)
    s, kept = problem.s0, []
    for a, b in problem.segments():
        segment = Segment(problem, solution, a, b)
        last = b == problem.span[1]
        inside = problem.samples[
            (problem.samples >= a) & ((problem.samples < b) | ((problem.samples == b) & last))
        ]
        times = np.unique(np.concatenate([[a], inside, [b]]))
        if adaptive:
            options: dict[str, Any] = {"step_t": torch.tensor([a, b], dtype=torch.float64)}
        else:
            assert problem.dt is not None
            options = {"step_size": (b - a) / max(1, int(np.ceil((b - a) / problem.dt - 1e-9)))}
        states = odeint_adjoint(
            _Rate(segment),
            s,
            torch.as_tensor(times),
            rtol=problem.rtol,
            atol=problem.atol,
            method=method,
            options=options,
            adjoint_params=parameters,
        )
        if not all_finite(states):
            raise StepFailure(f"torchdiffeq's {method} left the finite numbers before t = {b:.6g}")
        kept.append(states[np.searchsorted(times, inside)])
        s = states[-1]
    return torch.cat(kept)
