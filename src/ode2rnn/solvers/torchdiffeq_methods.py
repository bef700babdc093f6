"""torchdiffeq's methods under their own names, from breaking point to breaking point, with gradients."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from ode2rnn.core.arrays import Array, all_finite, is_torch, stack
from ode2rnn.solvers.node_dense import dense_values
from ode2rnn.solvers.problem import Problem, Segment, Solution, StepError, check_step, step_ends

# torchdiffeq raises the order of its Adams methods up to 12 by default, and the explicit one is then unstable
# at rates of a hundredth of 1 / dt; with 5 they are Adams-Bashforth 4 and Adams-Moulton 5.
ADAMS = {"explicit_adams": {"max_order": 5}, "implicit_adams": {"max_order": 5, "max_iters": 50}}


class _Rate:
    """The right-hand side in the form torchdiffeq calls, of the time since the start of the segment, which
    is exact enough in single precision too.
    """

    def __init__(self, segment: Segment) -> None:
        self.segment = segment

    def __call__(self, t: Any, s: Array) -> Array:
        return self.segment.rate_at(self.segment.a + float(t), s)


class _RecordingRate(_Rate):
    """The same, recording the steps that an adaptive method accepts."""

    def __init__(self, segment: Segment) -> None:
        super().__init__(segment)
        self.times: list[float] = []
        self.states: list[Array] = []
        self.rejected = 0

    def callback_accept_step(self, t: Any, s: Array, h: Any) -> None:
        self.times.append(self.segment.a + float(t))
        self.states.append(s)

    def callback_reject_step(self, t: Any, s: Array, h: Any) -> None:
        self.rejected += 1
        check_step(self.segment.a, self.segment.a + float(t), float(h), s)


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
                raise StepError(
                    f"torchdiffeq's {method} left the finite numbers after t = {times[last]:.6g}: the solution"
                    " diverges, or the step is too long for this method"
                )
            s = states[-1]


def _solve_segment(
    problem: Problem, solution: Solution, segment: Segment, s: Array, method: str, adaptive: bool
) -> tuple[np.ndarray, Array]:
    import torch
    from torchdiffeq import odeint

    a, b = segment.a, segment.b
    if not adaptive:
        assert problem.dt is not None
        times = np.concatenate([[a], step_ends(a, b, problem.dt)])
        grid = torch.as_tensor(times - a, device=s.device)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            try:
                states = odeint(_Rate(segment), s, grid, **_options(problem, segment, method, adaptive))
            except UserWarning as error:  # "Functional iteration did not converge"
                raise StepError(f"torchdiffeq's {method} after t = {a:.6g}: {error} Try a smaller dt.") from None
        return times, states
    rate = _RecordingRate(segment)
    ends = torch.tensor([0.0, b - a], dtype=torch.float64, device=s.device)
    try:
        result = odeint(rate, s, ends, **_options(problem, segment, method, adaptive))
    except (AssertionError, StepError) as error:  # "underflow in dt", "non-finite values in state"
        steps = np.array(rate.times)
        if len(steps) > 1:
            solution.extend(steps[1:], dense_values(segment, steps, stack(rate.states), order=4))
        raise StepError(f"torchdiffeq's {method} stopped after t = {solution.end:.6g}: {error}") from None
    solution.rejected += rate.rejected
    return np.array([*rate.times, b]), stack([*rate.states, result[-1]])


def _options(problem: Problem, segment: Segment, method: str, adaptive: bool) -> dict[str, Any]:
    import torch

    options: dict[str, Any] = dict(ADAMS.get(method, {}))
    if adaptive:
        end = torch.tensor([segment.b - segment.a], dtype=torch.float64)
        options = {"step_t": end, "norm": _norm}
    return {"method": method, "rtol": problem.rtol, "atol": problem.atol, "options": options}


def _equal_steps(t: Array, dt: float) -> Array:
    import torch

    steps = len(step_ends(0.0, abs(float(t[-1] - t[0])), dt))
    return torch.linspace(float(t[0]), float(t[-1]), steps + 1, dtype=t.dtype, device=t.device)


def _norm(error: Array) -> Array:
    # root mean square over the state, the worst over the batch: company makes no trajectory less accurate
    return error.square().mean(-1).sqrt().max()


def solve_adjoint(problem: Problem, solution: Solution, method: str, adaptive: bool) -> Array:
    """States at ``problem.samples``, with gradients by torchdiffeq's adjoint equation: memory does not grow
    with the number of steps, and nothing but the samples is kept.
    """
    import torch
    from torchdiffeq import odeint_adjoint

    assert problem.samples is not None
    signal = () if problem.x is None else problem.x.parameters()
    parameters = tuple(p for p in (*problem.model.parameters(), *signal) if p.requires_grad)
    s, kept = problem.s0, [problem.s0]
    # a sample is where a step ends, so that it is as accurate as the method, not as its interpolant
    edges = np.union1d(problem.points, problem.samples[1:-1])
    for a, b in replace(problem, points=edges).segments():
        segment = Segment(problem, solution, a, b)
        settings = _options(problem, segment, method, adaptive)
        if problem.dt is not None:
            settings["options"]["grid_constructor"] = lambda f, y, t: _equal_steps(t, problem.dt)  # both ways
        ends = torch.tensor([0.0, b - a], dtype=torch.float64, device=s.device)
        s = odeint_adjoint(_Rate(segment), s, ends, adjoint_params=parameters, **settings)[-1]
        if not all_finite(s):
            raise StepError(f"torchdiffeq's {method} left the finite numbers before t = {b:.6g}")
        if b in problem.samples:
            kept.append(s)
    return stack(kept)
