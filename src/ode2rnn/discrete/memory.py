"""What a recursion remembers from tick to tick, and what its cells share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ode2rnn.core.activations import Activation, as_activation
from ode2rnn.core.arrays import (
    MOST_STEPS,
    Array,
    broadcast_to,
    check_array,
    check_count,
    check_positive,
    check_shape,
    is_torch,
)
from ode2rnn.core.system import System


class Memory(NamedTuple):
    """The state of a recursion: the last states, readouts and inputs, the latest first."""

    s: tuple[Array, ...]
    r: tuple[Array, ...]
    x: tuple[Array | None, ...]


class MemoryCell(System):
    """A System whose state is a Memory."""

    theta_s: Array
    dt: float
    activation: str | Activation

    def _settle(self, **fields: Any) -> None:
        """Set the checked ``fields``, theta_s among them; check dt and the activation."""
        fields["dt"] = check_positive("dt", self.dt)
        fields["activation"] = as_activation(self.activation)
        if is_torch(fields["theta_s"]):
            fields["activation"].check_for(fields["theta_s"])
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    @property
    def width(self) -> int:
        """Number of states d."""
        return int(self.theta_s.shape[0])

    @property
    def like(self) -> Array:
        """An array of the cell's kind."""
        return self.theta_s

    @property
    def State(self) -> type:
        """The type of the states that init and step return."""
        return Memory

    def _depth(self) -> tuple[int, int, int]:
        """How many past states, readouts and inputs the cell remembers; at least one state and one readout."""
        raise NotImplementedError

    def init(self, s0: Array) -> Memory:
        """The memory of a cell that has been at s0 (..., d) for ever, without input."""
        states, readouts, inputs = self._depth()
        return Memory((s0,) * states, (self._warp(s0),) * readouts, (None,) * inputs)

    def remember(self, s: Callable[[int], Array], x: Callable[[int], Array] | None) -> Memory:
        """The memory of a cell whose past is known: s(n) and x(n) for n = -1, -2, ... as far back as it reaches."""
        states, readouts, inputs = self._depth()
        past = tuple(s(-k) for k in range(1, max(states, readouts) + 1))
        return Memory(
            past[:states],
            tuple(self._warp(state) for state in past[:readouts]),
            tuple(None if x is None else x(-k) for k in range(1, inputs + 1)),
        )

    def readout(self, state: Memory) -> tuple[Array, Array]:
        """s[n] and r[n]."""
        return state.s[0], state.r[0]

    def _warp(self, s: Array) -> Array:
        return as_activation(self.activation).value(s)

    def _check(self, memory: Memory) -> None:
        got, want = tuple(map(len, memory)), self._depth()
        if got != want:
            raise ValueError(
                f"s0: expected a memory of {want} states, readouts and inputs, got one of {got}, another cell's"
            )


def check_matrix(name: str, value: Any) -> Array:
    """``value`` as a matrix; a number stands for a matrix (1, 1)."""
    array = check_array(name, value)
    return array.reshape((1, 1)) if array.ndim == 0 else check_shape(name, array, ("d", "m"))


def check_bias(value: Any) -> Array:
    """theta_s as a vector; a number stands for (1,)."""
    array = check_array("theta_s", value)
    return array.reshape((1,)) if array.ndim == 0 else check_shape("theta_s", array, ("d",))


def check_lag(name: str, value: Any, least: int) -> int:
    """``value`` as a number of ticks >= least."""
    lag = check_count(name, value, least)
    if lag > MOST_STEPS:
        raise ValueError(f"{name}: expected at most {MOST_STEPS:g} ticks, got {lag}")
    return lag


def outer(psi: Array, past: Array) -> Array:
    """The sum over the batch of psi past^T (B3), (d, n) from (..., d) and (..., n), whose batch may be smaller."""
    if psi.ndim == 1:
        return psi[:, None] * past
    past = broadcast_to(past, (*psi.shape[:-1], past.shape[-1]))
    return psi.reshape((-1, psi.shape[-1])).T @ past.reshape((-1, past.shape[-1]))
