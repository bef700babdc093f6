"""torchdiffeq's methods under their own names, from breaking point to breaking point, with gradients."""

from __future__ import annotations

import warnings
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.continuous.circulant import Circulant
from ode2rnn.continuous.terms import Term
from ode2rnn.core.arrays import Array, as_like, is_torch, stack, to_numpy
from ode2rnn.core.signals.signal import Signal
from ode2rnn.core.systems.flow import Flow
from ode2rnn.solvers.ensemble import batch as ensemble
from ode2rnn.solvers.problem import Problem, Segment, step_ends
from ode2rnn.solvers.solution import Solution, StepError, check_finite, check_step, precision
from ode2rnn.solvers.torchdiffeq.node_dense import dense_values

# torchdiffeq raises the order of its Adams methods up to 12 by default, and the explicit one is then unstable
# at rates of a hundredth of 1 / dt; with 5 they are Adams-Bashforth 4 and Adams-Moulton 5.
LARGE = 1e10
ADAMS = {"explicit_adams": {"max_order": 5}, "implicit_adams": {"max_order": 5, "max_iters": 50}}


class _Rate:
    """The right-hand side in the form torchdiffeq calls, of the time since the start of the segment, which
    is exact enough in single precision too. The subclasses record the steps by the names that torchdiffeq calls.
    """

    def __init__(self, segment: Segment, keep: bool = True, plain: bool = False) -> None:
        self.segment, self.keep, self.plain = segment, keep, plain
        self.times: list[float] = []
        self.states: list[Array] = []
        self.rejected = 0

    def __call__(self, t: Any, s: Array) -> Array:
        at = self.segment.a + float(t.detach())
        if self.plain:
            return as_like(self.segment.rate_at(at, to_numpy(s)), s)
        return self.segment.rate_at(at, s)

    def record(self, t: Any, s: Array, h: Any) -> None:
        """Check the start of a step, and keep it."""
        check_finite(s, self.segment.a + float(t))
        if not self.keep:
            return
        self.times.append(self.segment.a + float(t))
        self.states.append(s)


class _FixedRate(_Rate):
    callback_step = _Rate.record


class _AdaptiveRate(_Rate):
    callback_accept_step = _Rate.record

    def callback_reject_step(self, t: Any, s: Array, h: Any) -> None:
        self.rejected += 1
        check_step((self.segment.a, self.segment.b), self.segment.a + float(t), float(h), s)


def _rate(problem: Problem, segment: Segment, keep: bool = True) -> _Rate:
    plain = not is_torch(problem.s0)  # a function of the user's own, which may take NumPy arrays alone
    return (_AdaptiveRate if problem.dt is None else _FixedRate)(segment, keep, plain)


def solve(problem: Problem, solution: Solution, method: str, order: int) -> None:
    """Run ``method`` on every segment; for delay equations no segment is longer than the shortest delay."""
    if method == "rk4" and solve_members(problem, solution):
        return
    _solve(problem, solution, method, order)


def solve_members(problem: Problem, solution: Solution) -> bool:
    """Run "rk4" for many trajectories, or models, at once; False where its blocks do not fit."""
    return ensemble.solve_rk4(problem, solution, _solve_rk4)


def _solve_rk4(problem: Problem, solution: Solution) -> None:
    _solve(problem, solution, "rk4", 4)


def _solve(problem: Problem, solution: Solution, method: str, order: int) -> None:
    import torch

    gradients = torch.is_grad_enabled() and is_torch(problem.s0)
    s = problem.s0 if is_torch(problem.s0) else torch.as_tensor(np.array(problem.s0))
    if problem.is_additive:
        problem = replace(problem, model=problem.model.like(s), s0=s)
    with torch.set_grad_enabled(gradients), warnings.catch_warnings():
        warnings.filterwarnings("error", "Functional iteration", UserWarning)
        for a, b in problem.segments(longest=problem.shortest_delay):
            s = _solve_segment(problem, solution, problem.segment(solution, a, b), s, method, order)


def _solve_segment(problem: Problem, solution: Solution, segment: Segment, s: Array, method: str, order: int) -> Array:
    import torch
    from torchdiffeq import odeint

    a, b = segment.a, segment.b
    rate = _rate(problem, segment)
    ends = [b] if problem.dt is None else step_ends(a, b, problem.dt)
    grid = torch.as_tensor(np.array([a, *ends]) - a, device=s.device)
    stopped = None
    try:
        rate.record(grid[-1], odeint(rate, s, grid, **_options(problem, s, b - a, method))[-1], None)
    except (AssertionError, UserWarning, StepError) as error:
        # "underflow in dt", "non-finite values in state", "Functional iteration did not converge"
        stopped = f"torchdiffeq's {method} stopped after t = {max(rate.times, default=a):.6g}: {error}"
    solution.rejected += rate.rejected
    if len(rate.times) > 1:
        times = np.array(rate.times)
        times[-1] = times[-1] if stopped else b
        states = stack(rate.states)
        solution.extend(times[1:], dense_values(segment, times, to_numpy(states) if rate.plain else states, order))
    if stopped:
        raise StepError(stopped)
    return rate.states[-1]


def _options(problem: Problem, s: Array, length: float, method: str) -> dict[str, Any]:
    """Keyword arguments of odeint on a segment of that length that starts at s."""
    import torch

    if problem.dt is None:
        # a step ends at either end, the adjoint goes back to the first: interpolants are less accurate
        ends = torch.tensor([0.0, length], dtype=torch.float64)
        options: dict[str, Any] = {"step_t": ends, "norm": _norm}
        return {"method": method, "rtol": problem.rtol, "atol": problem.atol, "options": options}
    # a fixed step has no tolerance; this one ends the iteration of implicit_adams near round-off
    tolerance = 100 * precision(s)
    options = dict(ADAMS.get(method, {}))
    return {
        "method": method,
        "rtol": tolerance,
        "atol": tolerance * (1 + float(s.detach().abs().max())),
        "options": options,
    }


def _equal_steps(t: Array, dt: float) -> Array:
    import torch

    steps = len(step_ends(0.0, abs(float(t[-1] - t[0])), dt))
    return torch.linspace(float(t[0]), float(t[-1]), steps + 1, dtype=t.dtype, device=t.device)


def _norm(error: Array) -> Array:
    # root mean square over the state, the worst over the batch: company makes no trajectory less accurate. Without
    # gradient: the solution does not depend on the steps, and the rate takes its time as a number
    # and what is no number is a large error, so that the step shrinks.
    return error.detach().square().mean(-1).sqrt().max().nan_to_num(nan=LARGE, posinf=LARGE).clamp(max=LARGE)


def solve_adjoint(problem: Problem, solution: Solution, method: str) -> Array:
    """States at ``problem.samples``, with gradients by torchdiffeq's adjoint equation: memory does not grow
    with the number of steps, and nothing but the samples is kept.
    """
    import torch
    from torchdiffeq import odeint_adjoint

    samples = problem.samples
    assert samples is not None
    # a sample is where a step ends, so that it is as accurate as the method, not as its interpolant
    problem = replace(
        problem,
        model=_independent_model(problem.model),
        x=_independent_signal(problem.x),
        points=np.union1d(problem.points, samples[1:-1]),
    )
    signal = () if problem.x is None else problem.x.parameters()
    parameters = tuple(p for p in (*problem.model.tensors(), *signal) if p.requires_grad)
    s, kept = problem.s0, [problem.s0]
    for a, b in problem.segments():
        settings = _options(problem, s, b - a, method)
        if problem.dt is not None:
            settings["options"]["grid_constructor"] = lambda f, y, t: _equal_steps(t, problem.dt)  # both ways
        ends = torch.tensor([0.0, b - a], dtype=torch.float64, device=s.device)
        try:
            rate = _rate(problem, problem.segment(solution, a, b), keep=False)
            s = odeint_adjoint(rate, s, ends, adjoint_params=parameters, **settings)[-1]
        except AssertionError as error:
            raise StepError(f"torchdiffeq's {method} stopped after t = {a:.6g}: {error}") from None
        check_finite(s, a)
        if b in samples:
            kept.append(s)
    return stack(kept)


def _independent_model(model: Flow) -> Flow:
    """The model on copies of its tensors: torchdiffeq counts a path twice where one parameter depends on another.

    Another flow is as it is: `integrate` has seen to it that its tensors depend on nothing.
    """
    if not isinstance(model, AdditiveModel):
        return model

    def terms(given: tuple[Term, ...]) -> list[tuple[Any, float]]:
        return [(Circulant(m.kernel.clone()) if isinstance(m, Circulant) else m.clone(), delay) for m, delay in given]

    kinds = (terms(model.state), terms(model.readout), terms(model.input))
    return AdditiveModel(*kinds, model.phi.clone(), model.activation)


def _independent_signal(x: Signal | None) -> Signal | None:
    twin = copy(x)
    if twin is not None:
        vars(twin).update({name: value.clone() for name, value in vars(twin).items() if is_torch(value)})
    return twin
