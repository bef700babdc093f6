"""The standard RNN in the coordinates of its readout: the recursion that torch's RNN steps.

Uses: D8, B1, B2, B3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ode2rnn.core.activations import Activation, as_activation
from ode2rnn.core.arrays import Array, as_like, check_positive, check_shape, is_torch
from ode2rnn.core.systems.system import System
from ode2rnn.discrete.algebra import outer
from ode2rnn.discrete.canonical import CanonicalRNN
from ode2rnn.discrete.memory import check_bias, check_matrix


class StandardState(NamedTuple):
    """What a standard RNN remembers: its readout h[n] = G(s[n]), (..., d)."""

    h: Array


@dataclass(frozen=True, eq=False)
class StandardRNN(System[StandardState]):
    """h[n] = G(W_r h[n-1] + W_x x[n] + theta_s), the standard RNN (D8) by its readouts alone.

    ``CanonicalRNN.standard()`` is the same recursion by its states s[n], of which h[n] = G(s[n]) is seen later.

    Args:
        W_r: (d, d).
        W_x: (d, m), or None without input.
        theta_s: bias (d,).
        dt: sampling step dT, in the caller's unit of time.
        activation: G, a registered name or an Activation.

    For d = 1 numbers stand for matrices and vectors.

    Raises:
        ValueError: shapes that do not fit, NaN, dt <= 0.

    Example:
        >>> from ode2rnn import run
        >>> cell = StandardRNN(W_r=0.5, W_x=1.0, theta_s=0.0, activation="identity")
        >>> run(cell, [1.0, 0.0]).s.ravel()
        array([1. , 0.5])
    """

    W_r: Array
    W_x: Array | None
    theta_s: Array
    dt: float = 1.0
    activation: str | Activation = "tanh"

    def __post_init__(self) -> None:
        theta = check_bias(self.theta_s)
        d = int(theta.shape[0])
        arrays = {"theta_s": theta, "W_r": check_shape("W_r", check_matrix("W_r", self.W_r), (d, d))}
        if self.W_x is not None:
            arrays["W_x"] = check_shape("W_x", check_matrix("W_x", self.W_x), (d, "m"))
        like = next((a for a in arrays.values() if is_torch(a)), theta)
        for name, array in arrays.items():
            object.__setattr__(self, name, as_like(array, like))
        object.__setattr__(self, "dt", check_positive("dt", self.dt))
        object.__setattr__(self, "activation", as_activation(self.activation))
        if is_torch(like):
            as_activation(self.activation).check_for(like)

    @property
    def width(self) -> int:  # type: ignore[override]
        """Number of readouts d."""
        return int(self.theta_s.shape[0])

    @property
    def input_width(self) -> int:  # type: ignore[override]
        """Number of inputs m; 0 without input."""
        return 0 if self.W_x is None else int(self.W_x.shape[1])

    @property
    def like(self) -> Array:
        """An array of the cell's kind."""
        return self.theta_s

    @property
    def State(self) -> type:
        """The type of the states that init and step return."""
        return StandardState

    def init(self, s0: Array) -> StandardState:
        """The readout h[-1] = s0 (..., d)."""
        return StandardState(s0)

    def _sum(self, h: Array, x: Array | None) -> Array:
        """What G warps."""
        s = h @ self.W_r.T + self.theta_s
        return s if self.W_x is None or x is None else s + x @ self.W_x.T

    def step(self, state: StandardState, x: Array | None) -> StandardState:
        """One tick of D8: the readout after the input ``x`` (..., m)."""
        return StandardState(as_activation(self.activation).value(self._sum(state.h, x)))

    def step_jvp(
        self, state: StandardState, x: Array | None, d_state: StandardState, d_x: Array | None = None
    ) -> StandardState:
        """The tangent of a tick: G' * (W_r dh + W_x dx)."""
        d_s = d_state.h @ self.W_r.T
        if self.W_x is not None and d_x is not None:
            d_s = d_s + d_x @ self.W_x.T
        return StandardState(as_activation(self.activation).slope(self._sum(state.h, x)) * d_s)

    def step_vjp(
        self, state: StandardState, x: Array | None, bar: StandardState
    ) -> tuple[StandardState, Array | None, StandardRNN]:
        """The cotangent of a tick, with psi = G' * bar: W_r^T psi, W_x^T psi, and the sums of B3."""
        psi = as_activation(self.activation).slope(self._sum(state.h, x)) * bar.h
        sums = {"W_r": outer(psi, state.h), "theta_s": psi.reshape((-1, self.width)).sum(0)}
        x_bar = None
        if self.W_x is not None and x is not None:
            sums["W_x"], x_bar = outer(psi, x), psi @ self.W_x
        elif self.W_x is not None:
            sums["W_x"] = 0 * self.W_x
        return StandardState(psi @ self.W_r), x_bar, self.with_weights(sums)

    def by_states(self) -> CanonicalRNN:
        """The canonical RNN with W_s = 0, of which this one shows the readouts."""
        return CanonicalRNN(0 * self.W_r, self.W_r, self.W_x, self.theta_s, self.dt, self.activation)

    def readout(self, state: StandardState) -> tuple[Array, Array]:
        """h[n] twice: a recursion by its readouts shows these."""
        return state.h, state.h

    def readout_jvp(self, state: StandardState, d_state: StandardState) -> tuple[Array, Array]:
        """The tangents of what is shown."""
        return d_state.h, d_state.h

    def readout_vjp(self, state: StandardState, s_bar: Array | None, r_bar: Array) -> StandardState:
        """The cotangent of the state."""
        return StandardState(r_bar if s_bar is None else r_bar + s_bar)

    def unflatten(
        self, vector: Array, direction: Array | None, x: Array | None
    ) -> tuple[StandardState, StandardState | None, Array | None]:
        """The readout and the deviation of it that a vector and a direction are."""
        return StandardState(vector), None if direction is None else StandardState(direction), x
