"""A continuous model seen through its own solver, one tick at a time.

Uses: D2, D5.  The state of a delay equation is a segment of its past. With tau = dt and one backward-Euler
substep that segment shrinks to one vector, and `Sampled` is the canonical RNN, to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.core.arrays import Array, broadcast_to, check_count, check_divides, check_positive, stack
from ode2rnn.core.dense import Piecewise
from ode2rnn.core.signal import Signal
from ode2rnn.core.signals import Constant
from ode2rnn.solvers.integrate import integrate
from ode2rnn.solvers.methods import METHODS


@dataclass(frozen=True)
class Past(Signal):
    """The segment of the past that determines the future: the last ticks, on local time [-n dt, 0].

    Attributes:
        first: the state before all of them, (..., d).
        ticks: the dense output of each tick on [0, dt], the last one the latest.
        dt: length of a tick.
    """

    first: Array
    ticks: tuple[Piecewise, ...]
    dt: float
    order: int = 1  # the input may jump from tick to tick: the slope of s does

    end: float = 0.0

    @property
    def knots(self) -> np.ndarray:  # type: ignore[override]
        """Local times at which a tick began."""
        return -self.dt * np.arange(len(self.ticks), 0, -1)

    @property
    def state(self) -> Array:
        """s now, (..., d)."""
        return self.ticks[-1].values[-1, -1] if self.ticks else self.first

    def piece(self, a: float, b: float) -> Callable[[np.ndarray], Array]:
        back = int(np.floor(-0.5 * (a + b) / self.dt)) + 1  # 1: the latest tick
        if back > len(self.ticks):
            return lambda t: broadcast_to(self.first, (len(t), *self.first.shape))
        tick = self.ticks[-back]
        return lambda t: tick(t + back * self.dt)

    def _values(self, t: np.ndarray) -> Array:
        return stack([self.piece(s, s)(np.array([s]))[0] if s < 0 else self.state for s in t])


class Sampled:
    """The differential equation, stepped by its solver from sample to sample: a System for `run`.

    During tick n the input is held at x[n], the convention of D1. Unlike a discretized cell it solves the
    equation itself, so it shows what sampling alone does, at any accuracy.

    Args:
        model: an AdditiveModel whose input terms have no delay, neither back nor ahead.
        dt: length of a tick, in the model's unit of time.
        method: as `integrate` takes it; "backward_euler" (the default) with tau = dt and one substep is the
            canonical RNN.
        substeps: steps a tick of a fixed-step method.
        rtol, atol: tolerances of an adaptive method.

    Raises:
        ValueError: dt <= 0, a delayed input, substeps < 1.

    Example:
        >>> from ode2rnn import ContinuousRNN, discretize, run
        >>> model = ContinuousRNN(A=-1.0, B=0.5, C=1.0, phi=0.1, tau=0.25)
        >>> x = np.sin(np.arange(20.0))
        >>> sampled, canonical = run(Sampled(model, 0.25), x), run(discretize(model, 0.25), x)
        >>> bool(np.abs(sampled.s - canonical.s).max() <= 1e-15)
        True
    """

    def __init__(
        self,
        model: AdditiveModel,
        dt: float,
        method: str = "backward_euler",
        substeps: int = 1,
        rtol: float = 1e-9,
        atol: float = 1e-12,
    ) -> None:
        if not isinstance(model, AdditiveModel):
            raise ValueError(f"model: expected an AdditiveModel or ContinuousRNN, got {type(model).__name__}")
        if any(model.input_delays):
            raise ValueError(
                f"model: expected input terms without delay, since a tick knows its own input alone, got delays"
                f" {model.input_delays}; shift the input series instead: x(t - delay) in place of x(t)"
            )
        substeps = check_count("substeps", substeps)
        self.model, self.dt = model, check_positive("dt", dt)
        self.method, self.substeps = method, substeps
        fixed = method in METHODS and not METHODS[method].adaptive
        self._options: dict[str, Any] = {"method": method, "rtol": rtol, "atol": atol}
        if fixed:
            self._options["dt"] = self.dt / substeps
            for delay in model.delays:
                check_divides(self._options["dt"], delay)
        self._kept = int(np.ceil(max(model.delays, default=0.0) / self.dt - 1e-9))

    @property
    def width(self) -> int:
        """Number of states d."""
        return self.model.width

    @property
    def input_width(self) -> int:
        """Number of inputs m."""
        return self.model.input_width

    @property
    def like(self) -> Array:
        """An array of the model's kind."""
        return self.model.phi

    @property
    def State(self) -> type:
        """The type of the states that init and step return."""
        return Past

    def init(self, s0: Array) -> Past:
        """The past that has been s0 for ever."""
        return Past(s0, (), self.dt)

    def step(self, state: Past, x: Array | None) -> Past:
        """The past one tick later, with the input held at ``x`` (..., m)."""
        signal = None if x is None else Constant(x)
        tick = integrate(self.model, signal, t=(0.0, self.dt), history=state, s0=state.state, **self._options)
        dense = tick.dense
        if not isinstance(dense, Piecewise):  # a method for models without delays, of which only the end is needed
            ends = np.array([0.0, self.dt])
            dense = Piecewise(ends, np.array([0.0, 1.0]), tick(ends)[None])
        return Past(state.first, (*state.ticks, dense)[-max(1, self._kept) :], self.dt)

    def readout(self, state: Past) -> tuple[Array, Array]:
        """s and r = G(s) at the end of the tick."""
        return state.state, self.model.activation.value(state.state)
