"""A flow with a deviation of its state beside it: the variational equation.  Uses: B6."""

from __future__ import annotations

from collections.abc import Sequence

from ode2rnn.core.arrays import Array, concatenate
from ode2rnn.core.systems.flow import Flow


class Variation(Flow):
    """A flow without delays with its deviation v beside s: ds/dt = f(s), dv/dt = f'(s) v; the states are (s, v)."""

    def __init__(self, flow: Flow) -> None:
        self.flow, self.width, self.input_width = flow, 2 * flow.width, flow.input_width
        self.delays, self.parameters, self._on_time = (), {}, False

    def rate(self, t: float, s: Array, past: Sequence[Array] = (), x: Array | None = None) -> Array:
        """The rates of both."""
        d = self.flow.width
        own, along = s[..., :d], s[..., d:]
        return concatenate([self.flow.rate(t, own, (), x), self.flow.rate_jvp(t, own, (), x, along)], axis=-1)

    def like(self, array: Array) -> Variation:
        """The same for arrays of another kind."""
        return Variation(self.flow.like(array))

    def tensors(self) -> tuple[Array, ...]:
        """Those of the flow."""
        return self.flow.tensors()
