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
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import ArrayLike

from ode2rnn.analysis.step_size.feedback_convergence import feedback_errors, pair_of
from ode2rnn.analysis.step_size.order import fit_order
from ode2rnn.analysis.step_size.recursions import Runs
from ode2rnn.analysis.subject import as_subject
from ode2rnn.core.arrays import check_array, check_choice, check_divides, is_torch, to_numpy
from ode2rnn.core.signals import as_signal, probed_signal
from ode2rnn.core.signals.signal import Signal
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.systems.kinds import as_flow
from ode2rnn.core.trajectory import SimulationError, Trajectory
from ode2rnn.discrete.sampled import METHOD_OF
from ode2rnn.discrete.schemes import discretize, rule_name
from ode2rnn.solvers.arguments import build_problem, check_times
from ode2rnn.solvers.integrate import integrate
from ode2rnn.solvers.methods import METHODS

if TYPE_CHECKING:
    from ode2rnn.continuous.additive import AdditiveModel

KINDS = ("final", "maximum", "dense")
# where between two nodes the dense output is compared, in units of dt
BETWEEN = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
BLOCK = 1 << 12

Function = Callable[[np.ndarray], np.ndarray]
Given = Signal | Callable[[float], ArrayLike]


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
    model: Flow,
    x: Given | None = None,
    *,
    t: tuple[float, float],
    history: object,
    dts: ArrayLike,
    scheme: str | None = None,
    method: str | None = None,
    alpha: float | None = None,
    delay: str = "fixed",
    s0: object = None,
    reference: object = None,
    rtol: float | None = None,
) -> Convergence:
    """Return the errors of a sampled flow, or of a fixed-step method, for a list of steps (D9, K4).

    A ``scheme`` is discretized and run from s[-1] = s(t0), with x[n] = x(t0 + (n + 1) dt) (D1; where x jumps, the
    value before the jump). What the recursion reads from before its first sample, x(t0) and the history, is the
    true past. Its dense output is linear between samples, so the dense order is at most 2. A jump between history and
    s0, or one of x, is one sample to a recursion: there schemes of order 2 are of order 1.

    A ContinuousLSTM goes by its schemes alone, from constants: its history is s(t0), (..., d), or a pair of it and of v
    before t0. Its reference is checked by a second method, and its kinds are "final", "maximum" and "readout", that of
    v. Tied, v[n] depends on v[n-1] at the same time in the limit, and the recursion follows only where that dependence
    contracts (small W_vcr).

    Args:
        model, x, history, s0: as for `integrate`.
        t: (t0, t1), in the model's unit of time.
        dts: at least two steps, decreasing; each divides t1 - t0 and the delays.
        scheme: a name `discretize` knows, of a flow of your own "backward_euler" or "forward_euler";
            "backward_euler" where no method is given.
        method: instead of a scheme, a fixed-step method of `integrate`.
        alpha: for the scheme "gbt".
        delay: "fixed": the model's own delays, dT -> 0: the error of the solver. "tied": for every dt the network
            with tau_0 = dt in place of an undelayed readout, which tends to ``model``, an ordinary equation.
        reference: the solution: a Trajectory, or a function t -> (..., d). By default the model's own, by
            ``integrate(method="auto")`` at ``rtol``; its error, estimated from a run at 10 rtol, raises the floor
            below which errors are not used.
        rtol: relative tolerance of that solution; 1e-13 by default, of a ContinuousLSTM 1e-12.

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
    flow, steps = as_flow("model", as_subject(model, "model")).plain(), check_steps(dts)
    if flow.feedback_width:
        if method is not None or s0 is not None or reference is not None:
            raise ValueError("method, s0, reference: expected none of them for a ContinuousLSTM")
        return _of_feedback(flow, x, t, history, steps, (name, alpha), delay, rtol or 1e-12)
    rtol = 1e-13 if rtol is None else rtol
    history, s0 = (to_numpy(v) if is_torch(v) else v for v in (history, s0))
    flows = [flow.tied(dt) if delay == "tied" else flow for dt in steps.tolist()]
    problem = build_problem(flows[0], x, t, history, s0, rtol, 1e-14, steps[0])
    if problem.samples is not None:
        raise ValueError("t: expected the range (t0, t1), got an array of times")
    span = problem.span
    counts = np.array([divided(m, dt, span) for m, dt in zip(flows, steps.tolist(), strict=True)])
    build_problem(flows[-1], x, t, history, s0, rtol, 1e-14, steps[-1])
    runs = None
    if method is None:
        if discretize(flows[0], float(steps[0]), name, alpha).taps is None:
            name = METHOD_OF[rule_name(name, alpha)[0]]  # a flow of the user's own is sampled by these methods
        else:
            networks = cast("list[AdditiveModel]", flows)
            runs = Runs(cast("AdditiveModel", flow), problem, networks, steps, counts, (name, alpha), delay == "tied")
    exact, uncertain, source = reference_solution(flow, x, span, history, s0, reference, rtol)

    errors = {kind: np.full(len(steps), np.inf) for kind in KINDS}
    found: Iterator[tuple[int, tuple[float, float, float]]]
    if runs is not None:
        found = ((k, _state_errors(states, exact, span[0], steps[k])) for k, states in runs)
    else:
        found = _method_errors(name, flows, steps, counts, exact, {"x": x, "t": span, "history": history, "s0": s0})
    for k, values in found:
        for kind, error in zip(KINDS, values, strict=True):
            errors[kind][k] = error
    size = _largest(exact, np.linspace(*span, 257))
    floor = np.maximum(uncertain, np.finfo(float).eps * size * (100 + counts))
    return _study(name, delay, steps, errors, source, floor)


def _study(
    name: str, delay: str, steps: np.ndarray, errors: dict[str, np.ndarray], source: str, floor: np.ndarray
) -> Convergence:
    """The errors with the orders fitted to them."""
    fits = {kind: fit_order(steps, values, floor) for kind, values in errors.items()}
    used = {kind: fit[1] for kind, fit in fits.items()}
    ranges = {kind: _range(steps[mask]) for kind, mask in used.items()}
    order = {kind: fit[0] for kind, fit in fits.items()}
    return Convergence(name, delay, steps, errors, order, used, ranges, source, floor)


def _of_feedback(
    flow: Flow,
    x: Given | None,
    t: tuple[float, float],
    history: object,
    steps: np.ndarray,
    rule: tuple[str, float | None],
    delay: str,
    rtol: float,
) -> Convergence:
    """K4: of a flow whose later times see a readout beside its state."""
    tied, own = delay == "tied", max(flow.delays, default=0.0)
    if tied == bool(flow.delays):
        raise ValueError(f"delay: expected 'tied' for tau = 0, 'fixed' for tau > 0, got {delay!r}, {own:g}")
    if not tied and rule[0] == "implicit_linear":
        raise ValueError(f"scheme: expected another than {rule[0]!r}, which is delay='tied'")
    span = check_times(t)[0]
    counts = np.array([count_steps(dt, span) for dt in steps.tolist()])
    cells = [discretize(flow.tied(dt) if tied else flow, dt, *rule) for dt in steps.tolist()]
    signal = None if x is None else probed_signal("x", x, flow.input_width, span)[0]
    errors, gap, size, source = feedback_errors(flow, signal, span, pair_of(history, flow), cells, counts, rtol)
    floor = np.maximum(gap, np.finfo(float).eps * size * (100 + counts))
    return _study(rule[0], delay, steps, errors, source, floor)


def fixed_step_methods() -> list[str]:
    """Names of the methods of `integrate` that take dt."""
    return [m.name for m in METHODS.values() if not m.adaptive]


def check_steps(dts: ArrayLike, least: int = 2) -> np.ndarray:
    """The steps (K,), checked: enough of them, positive, decreasing."""
    steps = to_numpy(check_array("dts", dts))
    if steps.ndim != 1 or len(steps) < least:
        raise ValueError(f"dts: expected a list of at least {least} steps, got shape {steps.shape}")
    if not (steps > 0).all():
        raise ValueError(f"dts: expected steps > 0, got {steps.min():g}")
    if not (np.diff(steps) < 0).all():
        raise ValueError(f"dts: expected decreasing steps, got {steps.tolist()}")
    return steps


def divided(model: Flow, dt: float, span: tuple[float, float]) -> int:
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
    model: Flow, x: Given | None, span: tuple[float, float], history: object, s0: object, given: object, rtol: float
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
    name: str, models: Sequence[Flow], steps: np.ndarray, counts: np.ndarray, exact: Function, given: dict
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
