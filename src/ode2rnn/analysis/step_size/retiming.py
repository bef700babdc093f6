"""A network that was trained at one sampling step, run at others: it follows the same continuous trajectory.

Uses: D11, K2, K3, K4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ode2rnn.analysis.step_size.order import fit_order
from ode2rnn.analysis.subject import as_subject
from ode2rnn.core.arrays import Array, brief, check_choice, check_count, to_numpy
from ode2rnn.core.run import run
from ode2rnn.core.signals import Analytic, Held, Linear, Signal
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.systems.kinds import as_ticking
from ode2rnn.core.systems.system import System
from ode2rnn.core.trajectory import Trajectory
from ode2rnn.discrete.schemes import retime, undiscretize
from ode2rnn.solvers.feedback import Sides, SolvedSignal
from ode2rnn.solvers.integrate import integrate

KINDS = ("state", "readout")


@dataclass(frozen=True, eq=False)
class Retiming:
    """Errors of a network at finer sampling steps, at the times of the original samples.

    Attributes:
        factors: m (K,), the steps being dT / m.
        dts: the steps dT' (K,).
        errors: by kind, "state" and "readout" of the top layer, the largest over components and samples, (K,).
        order: by kind, the fitted slope; NaN if too few points can be used.
        used: by kind, (K,) of bool: the points it was fitted on, by the rule of analysis.order.
        size: the largest |state| and |readout| of the reference.
        hold: how the input was resampled.
        times: those of the original samples, (N,).
        reference: the readouts of the continuous network there, (N, ..., d).
        readouts: the readouts at each step there, (K, N, ..., d).
        solution: the readout of the continuous network as a function of time.
    """

    factors: np.ndarray
    dts: np.ndarray
    errors: Mapping[str, np.ndarray]
    order: Mapping[str, float]
    used: Mapping[str, np.ndarray]
    size: Mapping[str, float]
    hold: str
    times: np.ndarray
    reference: np.ndarray
    readouts: np.ndarray
    solution: Signal

    def table(self) -> str:
        """A row per step; a star marks the points that the order was fitted on."""
        lines = [f"retimed, input {self.hold}", f"{'m':>6}{'dT':>12}" + "".join(f"{kind:>14} " for kind in KINDS)]
        for k, m in enumerate(self.factors):
            cells = (f"{self.errors[i][k]:14.3e}{'*' if self.used[i][k] else ' '}" for i in KINDS)
            lines.append((f"{m:6d}{self.dts[k]:12.6g}" + "".join(cells)).rstrip())
        lines.append((f"{'order':>18}" + "".join(f"{self.order[kind]:14.3f} " for kind in KINDS)).rstrip())
        return "\n".join(lines)

    __str__ = table


def as_signal_of(x: Array, dt: float, hold: str = "linear") -> Signal:
    """The samples x[n] (N, ..., m) at t[n] = (n + 1) dt as a function on [0, N dt].

    "held": x[n] on (t[n-1], t[n]], the convention of the recursions. "linear": straight lines from sample to sample,
    and x[0] before the first.
    """
    values, times = to_numpy(x), dt * np.arange(len(x) + 1.0)
    if check_choice("hold", hold, ("held", "linear")) == "held":
        return Held(times[1:], values)
    return Linear(times, np.concatenate([values[:1], values]))


def retiming(
    network: object,
    x: ArrayLike,
    factors: Sequence[int] = (1, 2, 4, 8, 16, 32),
    hold: str = "linear",
    rtol: float = 1e-10,
) -> Retiming:
    """Return the errors of a network run at the steps dT / m against the solution of its own differential equation.

    The reference is the continuous network behind the cell (D11, K2), with the delay tau = dT, solved for the input
    that ``hold`` makes of the samples; every finer run takes that input at its own ticks, the value before a jump. So
    the error at m = 1 is what the network, seen as a method for its equation, misses: it is not small where the rates
    are fast against dT, and a network that was trained at dT has learned with it.

    Args:
        network: a CanonicalRNN or VanillaLSTM, or a layer of ``ode2rnn.nn`` of one direction that holds these.
        x: samples (N, ..., m), dT apart, x[n] at (n + 1) dT.
        factors: m, increasing, at least two.
        hold: "linear" or "held", how the input is between the samples.
        rtol: relative tolerance of the reference.

    Raises:
        ValueError: arguments that do not fit; a network that is no sampled equation.

    Example:
        >>> from ode2rnn import CanonicalRNN
        >>> cell = CanonicalRNN(W_s=0.5, W_r=0.3, W_x=0.5, theta_s=0.1)
        >>> study = retiming(cell, np.sin(np.arange(20.0))[:, None], factors=(8, 16, 32, 64, 128))
        >>> round(study.order["state"], 1), study.used["state"].sum() >= 4
        (1.0, np.True_)
    """
    cells = _cells(network)
    counts = np.array([check_count("factors", m) for m in factors])
    if len(counts) < 2 or not (np.diff(counts) > 0).all():
        raise ValueError(f"factors: expected at least two increasing numbers, got {brief(list(factors))}")
    x, dt = to_numpy(x), cells[0].dt
    if x.ndim < 2 or x.shape[-1] != cells[0].input_width:
        raise ValueError(f"x: expected shape (N, ..., {cells[0].input_width}), got {tuple(x.shape)}")
    signal = as_signal_of(x, dt, hold)
    times = dt * np.arange(1.0, len(x) + 1)
    # the equation behind the network, and its input between the samples, are the same at every step
    exact, solution = _continuous(cells, signal, times, rtol)
    found: dict[str, list[np.ndarray]] = {kind: [] for kind in KINDS}
    # m ticks for one; every m-th falls on a sample time. A layer's readout is the input of the next
    for m in counts.tolist():
        ticks = (dt / m) * np.arange(1, m * len(x) + 1)
        values = to_numpy(signal.left(np.minimum(ticks, times[-1])))
        for cell in cells:
            trajectory = run(retime(cell, dt / m), values)
            values = trajectory.r
        for kind, array in zip(KINDS, (trajectory.s, trajectory.r), strict=True):
            found[kind].append(array[m - 1 :: m])
    errors = {kind: np.array([np.abs(array - exact[kind]).max() for array in arrays]) for kind, arrays in found.items()}
    size = {kind: float(np.abs(exact[kind]).max()) for kind in KINDS}
    steps = dt / counts
    fits = {kind: fit_order(steps, errors[kind], np.full(len(steps), 100 * rtol * size[kind])) for kind in KINDS}
    order, used = {kind: fit[0] for kind, fit in fits.items()}, {kind: fit[1] for kind, fit in fits.items()}
    return Retiming(
        counts, steps, errors, order, used, size, hold, times, exact["readout"], np.array(found["readout"]), solution
    )


def _cells(network: object) -> tuple[System, ...]:
    """The recursions of a network from the lowest up, as cells in NumPy."""
    cells = as_ticking("network", as_subject(network, "network")).plain().layers
    for cell in cells:
        undiscretize(cell)  # what is no sampled equation is told here
    return cells


def _continuous(
    cells: Sequence[System], signal: Signal, times: np.ndarray, rtol: float
) -> tuple[dict[str, np.ndarray], Signal]:
    """s and the readout of the top layer at the times; the readout as a function of time."""
    for cell in cells:
        model, span = undiscretize(cell), (0.0, float(times[-1]))
        rest = np.zeros(cell.width)
        trajectory = integrate(model, signal, t=span, history=rest, rtol=rtol, atol=0.1 * rtol)
        signal = _readout(trajectory, model)
    at = np.minimum(times, signal.end)
    return {"state": to_numpy(trajectory(at)), "readout": to_numpy(signal(at))}, signal


def _readout(trajectory: Trajectory, model: Flow) -> Signal:
    """The readout as the input of the layer above, with the knots of the solution."""
    dense = trajectory.shown
    if isinstance(dense, Sides):
        return SolvedSignal(dense, trajectory)
    signal = Analytic(
        lambda t: model.readout(trajectory(np.clip(t, trajectory.start, trajectory.end))), trajectory.knots
    )
    signal.start, signal.end = trajectory.start, trajectory.end
    return signal
