"""Step-size studies: how fast a recursion, or a fixed-step method, tends to the differential equation.

Home of: D9.  Source: "The Roots of RNN" (the discretization of the delay equation).

D9  with tau_0 = dT and dT -> 0 the canonical RNN (D5) converges at order 1 to the ODE C9 with tau_0 = 0;
    with tau_0 = m dT held fixed and m -> infinity the recursion with r[n-m] converges at order 1 to the DDE C9.

Uses: D1, D10.  These are two studies, never mixed: with the delay fixed dT -> 0 shows the error of a solver; with the
delay tied to dT, as in the paper, the system itself changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from ode2rnn.analysis.convergence_lanes import Runs
from ode2rnn.analysis.order import fit_order
from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.core.arrays import check_array, check_choice, check_divides, is_torch, to_numpy
from ode2rnn.core.signals import as_signal
from ode2rnn.core.trajectory import SimulationError, Trajectory
from ode2rnn.solvers.arguments import build_problem
from ode2rnn.solvers.integrate import integrate
from ode2rnn.solvers.methods import METHODS

KINDS = ("final", "maximum", "dense")
# where between two nodes the dense output is compared, in units of dt
BETWEEN = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
BLOCK = 1 << 12

Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Convergence:
    """Errors against the step, and the orders fitted to them.

    Attributes:
        name: the scheme or method.
        delay: "fixed" or "tied".
        dts: steps (K,), decreasing, in the model's unit of time.
        errors: by kind, (K,) each, the largest over components and batch: "final" at t1, "maximum" over the nodes,
            "dense" between the nodes (five points a step); of an LSTM "readout", v at the nodes. Infinity where the run
            diverged.
        order: by kind, the fitted slope of log error against log dt; NaN if too few points can be used.
        used: by kind, (K,) of bool: the points the order was fitted on, by the rule of :func:`fit_order`.
        range: by kind, the (coarsest, finest) dt of those points; NaN if there are none.
        reference: what the errors were measured against.
        floor: (K,), the error that counts as round-off.
    """

    name: str
    delay: str
    dts: np.ndarray
    errors: Mapping[str, np.ndarray]
    order: Mapping[str, float]
    used: Mapping[str, np.ndarray]
    range: Mapping[str, tuple[float, float]]
    reference: str
    floor: np.ndarray

    def table(self) -> str:
        """A row per step; a star marks the points that the order was fitted on."""
        lines = [f"{self.name}, delay {self.delay}, against {self.reference}"]
        lines.append(f"{'dt':>12}" + "".join(f"{kind:>14} " for kind in self.errors))
        for k, dt in enumerate(self.dts):
            cells = (f"{self.errors[i][k]:14.3e}{'*' if self.used[i][k] else ' '}" for i in self.errors)
            lines.append((f"{dt:12.6g}" + "".join(cells)).rstrip())
        lines.append((f"{'order':>12}" + "".join(f"{self.order[kind]:14.3f} " for kind in self.errors)).rstrip())
        for label, at in (("from dt", 0), ("to dt", 1)):
            lines.append((f"{label:>12}" + "".join(f"{self.range[i][at]:14.6g} " for i in self.errors)).rstrip())
        return "\n".join(lines)

    __str__ = table


def convergence(
    model: AdditiveModel,
    x: Any = None,
    *,
    t: tuple[float, float],
    history: Any,
    dts: Sequence[float],
    scheme: str | None = None,
    method: str | None = None,
    alpha: float | None = None,
    delay: str = "fixed",
    s0: Any = None,
    reference: Trajectory | Callable[[Any], Any] | None = None,
    rtol: float = 1e-13,
) -> Convergence:
    """Errors of a sampled network, or of a fixed-step method, for a list of steps (D9).

    A ``scheme`` is discretized and run from s[-1] = s(t0), with x[n] = x(t0 + (n + 1) dt) (D1; where x jumps, the
    value before the jump). What the recursion reads from before its first sample, x(t0) and the history, is the
    true past. Its dense output is linear between samples, so the dense order is at most 2. A jump between history and
    s0, or one of x, is one sample to a recursion: there schemes of order 2 are of order 1.

    Args:
        model, x, history, s0: as for `integrate`.
        t: (t0, t1), in the model's unit of time.
        dts: at least two steps, decreasing; each divides t1 - t0 and the delays.
        scheme: a name `discretize` knows; "backward_euler" where no method is given.
        method: instead of a scheme, a fixed-step method of `integrate`.
        alpha: for the scheme "gbt".
        delay: "fixed": the model's own delays, dT -> 0: the error of the solver. "tied": for every dt the network
            with tau_0 = dt in place of an undelayed readout, which tends to ``model``, an ordinary equation.
        reference: the solution: a Trajectory, or a function t -> (..., d). By default the model's own, by
            ``integrate(method="auto")`` at ``rtol``; its error, estimated from a run at 10 rtol, raises the floor
            below which errors are not used.
        rtol: relative tolerance of that solution.

    A step at which the recursion diverges has infinite errors, and does not stop the study.

    Raises:
        ValueError: arguments that do not fit, before any work is done.
        SimulationError: the reference itself diverges.

    Example:
        >>> from ode2rnn import ContinuousRNN, signals
        >>> ode = ContinuousRNN(A=-1.0, B=-2.0, C=1.0, phi=0.2)
        >>> study = convergence(ode, signals.Sine(), t=(0, 2), history=0.5, dts=0.5 ** np.arange(4, 9), delay="tied")
        >>> round(study.order["maximum"], 1), study.range["maximum"]
        (1.0, (0.0625, 0.00390625))
    """
    if method is not None and (scheme is not None or alpha is not None):
        raise ValueError(f"scheme, method: expected one of them, got {scheme or 'alpha'!r} and {method!r}")
    name = check_choice("method", method, fixed_step_methods()) if method is not None else scheme or "backward_euler"
    check_choice("delay", delay, ("fixed", "tied"))
    if not isinstance(model, AdditiveModel):
        raise ValueError(
            f"model: expected an AdditiveModel or ContinuousRNN, got {type(model).__name__}; a ContinuousLSTM has"
            " lstm_convergence"
        )
    model = model.like(np.zeros(1))
    history, s0 = (to_numpy(v) if is_torch(v) else v for v in (history, s0))
    steps = check_steps(dts)
    models = [tied_model(model, dt) if delay == "tied" else model for dt in steps]
    problem = build_problem(models[0], x, t, history, s0, rtol, 1e-14, steps[0])
    if problem.samples is not None:
        raise ValueError("t: expected the range (t0, t1), got an array of times")
    span = problem.span
    counts = np.array([divided(m, dt, span) for m, dt in zip(models, steps, strict=True)])
    build_problem(models[-1], x, t, history, s0, rtol, 1e-14, steps[-1])
    runs = None if method is not None else Runs(model, problem, models, steps, counts, (name, alpha), delay == "tied")
    exact, uncertain, source = reference_solution(model, x, span, history, s0, reference, rtol)

    errors = {kind: np.full(len(steps), np.inf) for kind in KINDS}
    found: Iterator[tuple[int, tuple[float, float, float]]]
    if runs is not None:
        found = ((k, _state_errors(states, exact, span[0], steps[k])) for k, states in runs)
    else:
        found = _method_errors(name, models, steps, counts, exact, {"x": x, "t": span, "history": history, "s0": s0})
    for k, values in found:
        for kind, error in zip(KINDS, values, strict=True):
            errors[kind][k] = error
    size = _largest(exact, np.linspace(*span, 257))
    floor = np.maximum(uncertain, np.finfo(float).eps * size * (100 + counts))
    fits = {kind: fit_order(steps, errors[kind], floor) for kind in KINDS}
    used = {kind: fits[kind][1] for kind in KINDS}
    return Convergence(
        name,
        delay,
        steps,
        errors,
        {kind: fits[kind][0] for kind in KINDS},
        used,
        {kind: _range(steps[used[kind]]) for kind in KINDS},
        source,
        floor,
    )


def fixed_step_methods() -> list[str]:
    """Names of the methods of `integrate` that take dt."""
    return [m.name for m in METHODS.values() if not m.adaptive]


def check_steps(dts: Any, least: int = 2) -> np.ndarray:
    """The steps (K,), checked: enough of them, positive, decreasing."""
    steps = to_numpy(check_array("dts", dts))
    if steps.ndim != 1 or len(steps) < least:
        raise ValueError(f"dts: expected a list of at least {least} steps, got shape {steps.shape}")
    if not (steps > 0).all():
        raise ValueError(f"dts: expected steps > 0, got {steps.min():g}")
    if not (np.diff(steps) < 0).all():
        raise ValueError(f"dts: expected decreasing steps, got {steps.tolist()}")
    return steps


def tied_model(model: AdditiveModel, dt: float) -> AdditiveModel:
    """The network whose readout comes one sample late, tau_0 = dt (D2), that tends to ``model`` for dt -> 0.

    Raises:
        ValueError: a model with delays of its own, or without an undelayed readout.
    """
    if model.delays or model.undelayed("readout") is None:
        raise ValueError(
            "delay: 'tied' sets tau_0 = dt for every dt and takes the ordinary equation, a model with an undelayed"
            f" readout and no delay; got delays {model.delays}; use tau=0, or delay='fixed'"
        )
    readout = [(term.matrix, dt) for term in model.readout]
    return AdditiveModel(model.state, readout, model.input, model.phi, model.activation)


def divided(model: AdditiveModel, dt: float, span: tuple[float, float]) -> int:
    """The number of steps in the range; dt must divide it and every delay."""
    for delay in (*model.delays, *model.input_delays):
        check_divides(dt, abs(delay))
    return count_steps(dt, span)


def count_steps(dt: float, span: tuple[float, float]) -> int:
    """The number of steps in the range, which dt must divide."""
    length = span[1] - span[0]
    count = max(1, round(length / dt))
    if abs(length / dt - count) > 1e-9 * count:
        raise ValueError(
            f"dts: expected steps that divide t1 - t0 = {length:g}, got {dt:g}; the nearest that does is"
            f" {length / count!r}"
        )
    return count


def reference_solution(
    model: AdditiveModel,
    x: Any,
    span: tuple[float, float],
    history: Any,
    s0: Any,
    given: Any,
    rtol: float,
) -> tuple[Function, float, str]:
    """The solution, its own error, and where it comes from."""
    if isinstance(given, Trajectory):
        if given.dense is None or given.start > span[0] + 1e-9 or given.end < span[1] - 1e-9:
            raise ValueError(
                f"reference: expected a trajectory with dense output on [{span[0]:g}, {span[1]:g}], got one on"
                f" [{given.start:g}, {given.end:g}]{' without it' if given.dense is None else ''}"
            )
        return given, 0.0, "the given trajectory"
    if given is not None:
        return as_signal("reference", given, model.width, span), 0.0, "the given function"
    solutions = [integrate(model, x, t=span, history=history, s0=s0, rtol=r, atol=0.1 * r) for r in (rtol, 10 * rtol)]
    times = np.linspace(*span, 257)
    gap = np.abs(to_numpy(solutions[0](times)) - to_numpy(solutions[1](times))).max()
    return solutions[0], float(gap), f"{solutions[0].stats.method} at rtol {rtol:g}"


def _method_errors(
    name: str, models: list[AdditiveModel], steps: np.ndarray, counts: np.ndarray, exact: Function, given: dict
) -> Iterator[tuple[int, tuple[float, float, float]]]:
    """The errors of a fixed-step method at every step where it does not diverge."""
    for k, (dt, count) in enumerate(zip(steps, counts, strict=True)):
        with suppress(SimulationError):
            solution = integrate(models[k], **given, method=name, dt=dt)
            edges = given["t"][0] + dt * np.arange(count + 1)
            between = (edges[:-1, None] + dt * BETWEEN).ravel()
            times = (edges[-1:], edges[1:], between)
            last, most, dense = (_difference(solution, exact, part) for part in times)
            yield k, (last, most, dense)


def _state_errors(states: np.ndarray, exact: Function, t0: float, dt: float) -> tuple[float, float, float]:
    """The errors of s[-1 .. N-1] (N + 1, ..., d): at the last, at all but the first, and of the lines between them."""
    most = dense = last = 0.0
    for first in range(0, len(states) - 1, BLOCK):
        part = states[first : first + BLOCK + 1]
        n, parts = np.arange(first, first + len(part)), len(BETWEEN)
        between = (t0 + dt * n[:-1, None] + dt * BETWEEN).ravel()
        true = to_numpy(exact(np.concatenate([t0 + dt * n[1:], between])))
        nodes = np.abs(part[1:] - true[: len(n) - 1])
        share = BETWEEN.reshape((1, parts) + (1,) * (part.ndim - 1))
        lines = part[:-1, None] + share * np.diff(part, axis=0)[:, None]
        most, last = max(most, float(nodes.max())), float(nodes[-1].max())
        dense = max(dense, float(np.abs(lines.reshape((-1, *part.shape[1:])) - true[len(n) - 1 :]).max()))
    return last, most, dense


def _difference(solution: Function, exact: Function, times: np.ndarray) -> float:
    return _largest(lambda t: to_numpy(solution(t)) - to_numpy(exact(t)), times)


def _largest(function: Function, times: np.ndarray) -> float:
    blocks = (times[n : n + BLOCK] for n in range(0, len(times), BLOCK))
    return max(float(np.abs(to_numpy(function(block))).max()) for block in blocks)


def _range(steps: np.ndarray) -> tuple[float, float]:
    return (float(steps[0]), float(steps[-1])) if len(steps) else (float("nan"), float("nan"))
