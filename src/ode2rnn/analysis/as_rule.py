"""The rule of motion of whatever system is given.

Uses: C7, D5.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ode2rnn.analysis.lstm_flow import LSTMFlow, LSTMTicks
from ode2rnn.analysis.rules import FunctionFlow, NetworkFlow, Numerical, Rule, Taps
from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.core.arrays import brief, check_count, to_numpy
from ode2rnn.core.signals import Constant
from ode2rnn.discrete.canonical import CanonicalRNN, TappedRNN, as_tapped
from ode2rnn.discrete.sampled import Sampled
from ode2rnn.discrete.schemes import discretize
from ode2rnn.gated.continuous import ContinuousLSTM
from ode2rnn.gated.sampled import SampledLSTM
from ode2rnn.solvers.integrate import integrate
from ode2rnn.solvers.methods import METHODS

WHAT = (
    "an AdditiveModel, a ContinuousLSTM, a CanonicalRNN, TappedRNN, Sampled or another cell, a torch RNN, LSTM or GRU,"
    " a layer of ode2rnn.nn, or a function of the state"
)


def rule_at_rest(system: Any, jacobian: Any = None, size: int | None = None) -> Rule:
    """The rule whose fixed points are those of the system; of a past that is remembered only what it is at rest.

    Raises:
        ValueError: no system.
    """
    if isinstance(system, AdditiveModel):
        return NetworkFlow(system)
    if isinstance(system, ContinuousLSTM):
        return LSTMFlow(system)
    if isinstance(system, SampledLSTM):
        return LSTMTicks(system, settled=True)
    if isinstance(system, CanonicalRNN | TappedRNN):
        return Taps(as_tapped(system), settled=True)
    if isinstance(system, Sampled):
        if has_ticks_of_its_own(system):
            return tick_rule(system)
        if system.method == "backward_euler":
            return Taps(as_tapped(discretize(system.model, system.dt / system.substeps)), settled=True)
        return NetworkFlow(system.model)  # with an adaptive step the samples rest where the equation does
    return _other(system, jacobian, size)


def moving_rule(system: Any, jacobian: Any = None, size: int | None = None) -> Rule:
    """The rule that moves all that a system without delays, or a recursion, remembers.

    Raises:
        ValueError: no system, or one that a plain rule does not move.
    """
    if isinstance(system, CanonicalRNN | TappedRNN):
        return Taps(as_tapped(system))
    if isinstance(system, AdditiveModel) and not system.delays:
        return NetworkFlow(system)
    if isinstance(system, ContinuousLSTM) and not system.delays:
        return LSTMFlow(system)
    if isinstance(system, SampledLSTM):
        return LSTMTicks(system)
    if isinstance(system, Sampled) and has_ticks_of_its_own(system):
        return tick_rule(system)
    return _other(system, jacobian, size)


def has_ticks_of_its_own(system: Sampled) -> bool:
    """Whether a tick is a map that may rest where the equation does not: a fixed step, no delay, not backward Euler."""
    fixed = system.method in METHODS and not METHODS[system.method].adaptive
    return fixed and system.method != "backward_euler" and not system.model.delays


def tick_rule(system: Sampled) -> Rule:
    """A tick of a Sampled model without delays, known by its values."""
    model = system.model.like(np.zeros(1))
    options: dict[str, Any] = {"method": system.method, "dt": system.dt / system.substeps}

    def step(S: np.ndarray, x: np.ndarray | None) -> np.ndarray:
        signal = None if x is None else Constant(x)
        return to_numpy(integrate(model, signal, t=(0.0, system.dt), history=S, s0=S, **options).s[-1])

    return Numerical(step, system.width, system.dt, system.input_width)


def _other(system: Any, jacobian: Any, size: int | None) -> Rule:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(system, torch.nn.Module):
        from ode2rnn.analysis.gated_rule import cell_rule
        from ode2rnn.analysis.layer_rules import layer_rule, one_cell

        cell = one_cell(system)
        return layer_rule(system) if cell is None else cell_rule(cell)
    if all(hasattr(system, name) for name in ("step", "init", "readout", "State")):
        from ode2rnn.analysis.gated_rule import cell_rule

        return cell_rule(system)
    if callable(system) and not isinstance(system, type):
        if size is None:
            raise ValueError("size: expected the number of states of the function, or starts that show it, got None")
        size = check_count("size", size)
        return FunctionFlow(system, jacobian or differences(system), size)
    raise ValueError(f"system: expected {WHAT}, got {brief(system)}")


def differences(f: Callable[[np.ndarray], Any]) -> Callable[[np.ndarray], np.ndarray]:
    """The Jacobian (n, n) of a function of one state by central differences."""

    def jacobian(s: np.ndarray) -> np.ndarray:
        step = np.finfo(float).eps ** (1 / 3) * (1 + np.abs(s).max())
        shifts = step * np.eye(len(s))
        columns = [(np.asarray(f(s + e)) - np.asarray(f(s - e))) / (2 * step) for e in shifts]
        return np.stack(columns, axis=-1)

    return jacobian
