"""A recursion that reaches further back than one tick, or is implicit in its readout.

Uses: D5, D10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ode2rnn.core.activations import Activation, as_activation
from ode2rnn.core.arrays import Array, as_like, broadcast_to, check_shape, is_torch
from ode2rnn.core.newton import solve_readout
from ode2rnn.discrete.compiled import scan
from ode2rnn.discrete.memory import Memory, MemoryCell, check_bias, check_lag, check_matrix

LEAST_LAG = {"W_s": 1, "W_r": 0, "W_x": 0}


@dataclass(frozen=True, eq=False)
class TappedRNN(MemoryCell):
    """A recursion with matrices by lag, of which the canonical RNN is the one-tap case.

    s[n] = sum_k W_s[k] s[n-k] + sum_k W_r[k] r[n-k] + sum_k W_x[k] x[n-k] + theta_s,   r[n] = G(s[n])

    Args:
        W_s: {lag >= 1: (d, d)}.
        W_r: {lag >= 0: (d, d)}; lag 0 is an undelayed readout, solved for by Newton's method at every tick.
        W_x: {lag >= 0: (d, m)}; empty for a cell without input.
        theta_s: bias (d,).
        dt: length of a tick, in the unit of time of the model it came from.
        activation: G, a registered name or an Activation.

    Before the first tick the inputs are zero and the states are s[-1].

    Raises:
        ValueError: shapes that do not fit, NaN, lags that are no whole numbers or too small.

    Example:
        >>> from ode2rnn import run
        >>> cell = TappedRNN(W_s={1: 0.5}, W_r={2: 1.0}, W_x={}, theta_s=[0.0], activation="identity")
        >>> run(cell, 3, s0=1.0).s.ravel()
        array([1.5  , 1.75 , 2.375])
    """

    W_s: Mapping[int, Array]
    W_r: Mapping[int, Array]
    W_x: Mapping[int, Array]
    theta_s: Array
    dt: float = 1.0
    activation: str | Activation = "tanh"

    def __post_init__(self) -> None:
        theta = check_bias(self.theta_s)
        d = int(theta.shape[0])
        taps = {name: _taps(name, getattr(self, name), least) for name, least in LEAST_LAG.items()}
        arrays = [theta, *(matrix for by_lag in taps.values() for matrix in by_lag.values())]
        like = next((a for a in arrays if is_torch(a)), theta)
        columns = {"W_s": d, "W_r": d, "W_x": next((int(m.shape[1]) for m in taps["W_x"].values()), 0)}
        for name, by_lag in taps.items():
            for lag, matrix in by_lag.items():
                by_lag[lag] = as_like(check_shape(f"{name}[{lag}]", matrix, (d, columns[name])), like)
        self._settle(theta_s=as_like(theta, like), **taps)

    @property
    def input_width(self) -> int:
        """Number of inputs m; 0 without input."""
        return next((int(m.shape[1]) for m in self.W_x.values()), 0)

    def _depth(self) -> tuple[int, int, int]:
        return max(self.W_s, default=1), max(1, *self.W_r, 1), max(self.W_x, default=0)

    def step(self, state: Memory, x: Array | None) -> Memory:
        """One tick: the memory after the input ``x`` (..., m).

        Raises:
            SimulationError: Newton's method found no solution of an undelayed readout.
        """
        self._check(state)
        total: Any = self.theta_s
        for lag, matrix in self.W_s.items():
            total = total + state.s[lag - 1] @ matrix.T
        for lag, matrix in self.W_r.items():
            if lag > 0:
                total = total + state.r[lag - 1] @ matrix.T
        for lag, matrix in self.W_x.items():
            value = x if lag == 0 else state.x[lag - 1]
            if value is not None:
                total = total + value @ matrix.T
        total = broadcast_to(total, np.broadcast_shapes(tuple(total.shape), tuple(state.s[0].shape)))
        if 0 in self.W_r:
            total = solve_readout(total, self.W_r[0], as_activation(self.activation), guess=state.s[0])
        r = self._warp(total)
        return Memory((total, *state.s)[: len(state.s)], (r, *state.r)[: len(state.r)], (x, *state.x)[: len(state.x)])

    def scan(self, state: Memory, x: Array | None, ticks: int) -> tuple[Array, Array] | None:
        """All ticks at once by a compiled kernel, s[-1 .. N-1] and r[0 .. N-1]; None where there is none."""
        if type(self) is not TappedRNN or 0 in self.W_r:
            return None
        self._check(state)
        return scan(self, self.W_s, self.W_r, self.W_x, state, x, ticks)


def _taps(name: str, taps: Any, least: int) -> dict[int, Array]:
    if not isinstance(taps, Mapping):
        raise ValueError(f"{name}: expected a dict from lags to matrices, got {type(taps).__name__}")
    checked = {}
    for key, matrix in taps.items():
        lag = check_lag(f"{name}, a lag", key, least)
        checked[lag] = check_matrix(f"{name}[{lag}]", matrix)
    return checked
