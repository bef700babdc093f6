"""integrate(): the one loop over continuous time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ode2rnn.core.activations import as_activation
from ode2rnn.core.arrays import (
    Array,
    all_finite,
    as_like,
    broadcast_to,
    check_choice,
    check_divides,
    check_flag,
    is_torch,
    times_like,
)
from ode2rnn.core.dense import Piecewise
from ode2rnn.core.signals.data import is_data
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.trajectory import Interrupted, SimulationError, Stats, Trajectory
from ode2rnn.kernels import plain_first
from ode2rnn.solvers.arguments import build_problem
from ode2rnn.solvers.ensemble.parameter_sets import integrate_each
from ode2rnn.solvers.explicit import taylor
from ode2rnn.solvers.feedback import FeedbackSolution, trajectory_of
from ode2rnn.solvers.methods import METHODS, Method, check_feedback_method, choose, side_by_side
from ode2rnn.solvers.problem import Problem
from ode2rnn.solvers.solution import Solution, StepError
from ode2rnn.solvers.torchdiffeq.methods import solve_adjoint

TANH, SIGMOID = as_activation("tanh"), as_activation("sigmoid")
CHOICES = {"auto", *METHODS}


def integrate(
    model: Flow | Sequence[Flow] | Any,
    x: Any = None,
    *,
    t: Any,
    history: Any,
    s0: Any = None,
    method: str = "auto",
    rtol: float = 1e-6,
    atol: float = 1e-9,
    dt: float | None = None,
    adjoint: bool = False,
    progress: bool = False,
) -> Trajectory:
    """Solve a differential equation, with or without delays, from t0 to t1: C7 (C9), or any other Flow (C2).

    No step crosses a breaking point (sums of the delays, knots of the input and of the history), so a short
    pulse declared by its knots is never missed, whatever the method.

    Args:
        model: an AdditiveModel or ContinuousRNN, or any other Flow, as a right-hand side of your own by Flow(f, width);
            or a list of P models of one width, for solutions (T, P, ..., d) at samples t, where history and s0 may have
            a first axis of length P too. Ordinary network equations of up to 32 states (any number for "rk4") that
            differ in their matrices and biases alone are solved together, by "auto", "tsit5" and "rk4"; all others,
            with delays too, one by one. Or a ContinuousLSTM (K1), by "spectral" where tau > 0, "tsit5" and scipy's
            methods; its trajectory has v as r, and v between the nodes as ``traj.readout(t)``.
        x: input, one of ode2rnn.signals or a function t -> (m,); None for zero input. A sampled series must
            cover the range, the longest input delay before it, and after it as far as a negative one looks ahead. A
            function of your own is called at every step, outside the compiled methods: without delays some hundred
            times slower than the same signal at d = 10, ten times at d = 100. For a delay equation it is called at
            known times, many at once, and the method stays compiled.
        t: (t0, t1), which keeps nodes of the solver's own choice, or an increasing array of samples to keep.
        history: s before t0: an array (..., d) for a constant, a function t -> (..., d), or a Trajectory.
            Only its value at t0 matters to a model without delays. Of a ContinuousLSTM, a pair of these for s and v;
            where v is not given it is 0 before t0, as v[-1] is.
        s0: s(t0) of shape (..., d), where it differs from the history.
        method: "auto"; "spectral", collocation at 16 Radau points; "taylor" (a network in NumPy, no delay, tanh,
            sigmoid or identity, an input that is a sum of ode2rnn.signals), "tsit5"; scipy's "RK45", "DOP853", "Radau",
            "BDF", "LSODA"; torchdiffeq's "dopri5", "dopri8", "bosh3", "fehlberg2", "adaptive_heun"; with a fixed step
            dt "backward_euler" and torchdiffeq's "euler", "midpoint", "heun2", "heun3", "rk4",
            "explicit_adams", "implicit_adams". Every method but "taylor" takes delays, by the method of steps.
        rtol, atol: relative and absolute tolerance per step of adaptive methods.
        dt: the step of fixed-step methods; it must divide every delay.
        adjoint: torchdiffeq methods, models without delays: gradients by the adjoint equation. Needs samples.
        progress: show a progress bar.

    Ensembles at samples, of initial values, inputs or models, are spread over the cores, as many as the environment
    variable NUMBA_NUM_THREADS or ``ode2rnn.kernels.threads(n)`` allows; no result depends on their number.

    Returns:
        A Trajectory; ``traj(t)`` is the dense output. Where a compiled method takes more than 512 steps of an ordinary
        equation between samples that were asked for, it keeps these alone, and takes the steps again when the dense
        output is first asked for.

    Raises:
        ValueError: arguments that do not fit, before any work is done.
        SimulationError: the solution diverges or no step is small enough; ``error.trajectory`` is the valid
            part.

    Example:
        >>> from ode2rnn import ContinuousRNN
        >>> lag = ContinuousRNN(A=0, B=-1, C=None, phi=None, tau=1.0, activation="identity")
        >>> round(float(integrate(lag, t=(0, 10), history=1.0)(10.0)[0]), 9) == round(10493 / 518400, 9)
        True
    """
    adjoint, progress = check_flag("adjoint", adjoint), check_flag("progress", progress)
    if isinstance(model, (list, tuple)):
        rest = {"x": x, "t": t, "method": method, "rtol": rtol, "atol": atol, "dt": dt, "adjoint": adjoint}
        return integrate_each(integrate, _together, model, history, s0, {**rest, "progress": progress})
    problem = build_problem(model, x, t, history, s0, rtol, atol, dt)
    chosen = _method(method, problem, adjoint)
    return plain_first(lambda: _solved(problem, chosen, adjoint, progress))


def _solved(problem: Problem, chosen: Method, adjoint: bool, progress: bool) -> Trajectory:
    kind = FeedbackSolution if problem.model.feedback_width else Solution
    solution = kind(problem.span[0], chosen.theta(problem.rtol))
    bar = _bar(problem.span, solution) if progress else None
    with np.errstate(all="ignore"):  # overflow shows as an infinite error, and is told by a SimulationError
        try:
            if adjoint:
                states = solve_adjoint(problem, solution, chosen.name)
                assert problem.samples is not None
                return _with_readout(problem, problem.samples, states, _stats(problem, solution, chosen))
            chosen.run(problem, solution)
            trajectory = _trajectory(problem, solution, chosen)
            if not _saturates(problem) and not all_finite(trajectory.r):
                raise StepError("the readout G(s) leaves the finite numbers")
            return trajectory
        except (StepError, KeyboardInterrupt) as failure:
            told, stopped = str(failure) or "interrupted", isinstance(failure, KeyboardInterrupt)
            try:
                solution.cut(problem.model.readout)
                valid = _trajectory(problem, solution, chosen).failed(told)
            except Exception:
                if stopped:  # in the middle of a step: an interrupt must not turn into another error
                    raise failure from None
                raise
            raise (Interrupted(told, valid) if stopped else SimulationError(told, valid)) from None
        finally:
            if bar is not None:
                bar.close()


def _together(problem: Problem, method: str) -> Trajectory | None:
    """The solutions of all members of a problem, where blocks take them and none fails."""
    with np.errstate(all="ignore"):
        found = side_by_side(method, problem)
        if found is None:
            return None
        trajectory = _trajectory(problem, found[1], found[0])
        return trajectory if all_finite(trajectory.r) else None


def _method(name: Any, problem: Problem, adjoint: bool) -> Method:
    if check_choice("method", name, CHOICES) == "auto":
        chosen = METHODS["dopri5"] if adjoint else choose(problem)
    else:
        chosen = METHODS[name]
    model, dt = problem.model, problem.dt
    if model.feedback_width:
        check_feedback_method(chosen.name, problem)
    if chosen.name == "taylor" and taylor.fits(problem) is None:
        raise ValueError(
            "method: 'taylor' needs NumPy arrays, a model without delays, the activation tanh, sigmoid or identity,"
            " and an input that is a sum of ode2rnn.signals (no function of your own); use 'tsit5'"
        )
    if chosen.family == "scipy" and is_torch(problem.s0):
        raise ValueError(
            f"method: {chosen.name!r} runs in NumPy and has no gradients; use 'tsit5' or 'dopri5' in torch"
        )
    # either the tolerances choose the steps, or dt does, and then it divides every delay
    if chosen.adaptive and dt is not None:
        raise ValueError(f"dt: {chosen.name!r} chooses its own steps by rtol and atol; leave dt out, or use 'rk4'")
    if not chosen.adaptive and dt is None:
        raise ValueError(f"dt: {chosen.name!r} has a fixed step; expected dt > 0, got None")
    if dt is not None:
        for delay in model.delays:
            check_divides(dt, delay)
    if adjoint:
        if chosen.family != "torchdiffeq" or not is_torch(problem.s0) or model.delays or problem.samples is None:
            raise ValueError(
                "adjoint: expected a torchdiffeq method, torch tensors, a model without delays and an array"
                " of samples t; leave adjoint out to differentiate through the solver"
            )
        _check_adjoint_input(problem)
    return chosen


def _check_adjoint_input(problem: Problem) -> None:
    hidden = _hidden(problem)
    if problem.x is not None and not problem.x.parameters():
        hidden["the input"] = problem.x(problem.span[0])
    for name, probe in hidden.items():
        if is_torch(probe) and probe.requires_grad:
            raise ValueError(
                f"adjoint: {name} depends on tensors that the adjoint equation cannot see; give an input as a"
                " torch.nn.Module or one of ode2rnn.signals, or leave adjoint out"
            )


def _hidden(problem: Problem) -> dict[str, Array]:
    """Values that must not need a gradient, since the model does not say of which tensors they are made."""
    model, s = problem.model, problem.s0.detach()
    if problem.is_additive:
        return {"the activation": model.readout(s)}
    if any(not p.is_leaf for p in model.tensors()):
        raise ValueError("adjoint: expected parameters that are leaves of the graph, got one made of others")
    return {} if model.tensors() else {"the rate": model.rate(problem.span[0], s)}


def _saturates(problem: Problem) -> bool:
    """Whether nothing can go wrong with the readouts, which are then computed when they are asked for."""
    if is_torch(problem.s0):
        return False
    return problem.is_additive and problem.additive.activation in (TANH, SIGMOID)


def _bar(span: tuple[float, float], solution: Solution) -> Any:
    from tqdm.auto import tqdm

    bar = tqdm(total=span[1] - span[0], unit="t", desc="integrate", bar_format="{l_bar}{bar}| {n:.4g}/{total:.4g}")
    solution.on_step = lambda end: bar.update(end - span[0] - bar.n)
    return bar


def _stats(problem: Problem, solution: Solution, method: Method) -> Stats:
    met = int(problem.points.searchsorted(solution.end)) if len(problem.points) else 0
    return Stats(method.name, solution.evaluations, solution.steps, solution.rejected, met)


def _trajectory(problem: Problem, solution: Solution, method: Method) -> Trajectory:
    if isinstance(solution, FeedbackSolution):
        return trajectory_of(problem, solution, _stats(problem, solution, method))
    if not solution.steps:  # the first step failed: s(t0) is all that is valid
        start = np.array(problem.span[:1])
        return _with_readout(problem, start, problem.s0[None], _stats(problem, solution, method))
    dense: Any = solution.piecewise() if solution.whole is None else solution.whole
    ready = solution.whole is not None or solution.panels is not None
    if not ready and not is_torch(problem.s0) and is_torch(dense.values):  # torchdiffeq served a NumPy model
        dense = Piecewise(dense.breaks, dense.theta, dense.values.detach().numpy())
    if problem.samples is None and solution.whole is None:
        times, states = dense.nodes()
    elif problem.samples is None:
        times = dense.nodes()
        states = dense(times)
    else:
        reached = problem.samples[-1] <= solution.end
        times = problem.samples if reached else problem.samples[problem.samples <= solution.end]
        states = dense(times)
    stats = partial(_stats, problem, solution, method)
    return _with_readout(problem, times, states, stats, dense=dense, span=(problem.span[0], solution.end))


def _with_readout(problem: Problem, times: np.ndarray, states: Array, stats: Any, **rest: Any) -> Trajectory:
    inputs: Any = partial(_inputs, problem, times, states)
    if problem.x is not None and not is_data(problem.x):  # nothing can go wrong later with an input that is data
        inputs = inputs()
    knots: Any = partial(_knots, problem)
    warp = problem.model.readout
    readouts: Any = partial(warp, states) if _saturates(problem) else warp(states)
    return Trajectory(times_like(times, states), states, readouts, inputs, stats, knots=knots, **rest)


def _knots(problem: Problem) -> np.ndarray:
    return np.concatenate([problem.span[:1], problem.points])


def _inputs(problem: Problem, times: np.ndarray, states: Array) -> Array | None:
    """x at the times, (T, ..., m)."""
    if problem.x is None:
        return None
    # without knots one piece holds everywhere, and the times are known to be good
    x = problem.x if len(problem.x.knots) else problem.x.piece(*problem.span)
    inputs = as_like(x(times), states)
    missing = (1,) * (states.ndim - inputs.ndim)
    inputs = inputs.reshape((len(times), *missing, *inputs.shape[1:]))
    return broadcast_to(inputs, (*states.shape[:-1], inputs.shape[-1]))
