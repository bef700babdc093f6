"""A system, or a flow, as a map or a rate on vectors of numbers: the one adaptor that every analysis uses.

Uses: C2, D5, B4.
"""

from __future__ import annotations

import sys

import numpy as np

from ode2rnn.core.arrays import Array, check_array, check_shape, is_torch, to_numpy
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.systems.system import Parts, System
from ode2rnn.core.trajectory import SimulationError


class Flat:
    """A System or Flow on vectors (..., n) in NumPy.

    Attributes:
        system: it, in double precision.
        size: n.
        discrete: whether :meth:`advance` gives the next state; else the rate.
        dt: length of a step; of a flow 1.
        input_width: m.
        depth: of a map, how many ticks the vector remembers, the latest first, each of size / depth numbers.
        names: what the parts of the vector are, with their lengths.

    Raises:
        ValueError: a system that is no map on vectors, or a flow with delays, whose state is its past.

    Example:
        >>> from ode2rnn import CanonicalRNN
        >>> flat = Flat(CanonicalRNN(W_s=0.5, W_r=0.25, W_x=1.0, theta_s=0.0))
        >>> u = flat.constant([1.0])
        >>> flat.advance(np.zeros(1), u), flat.jacobian(np.zeros(1), u)
        (array([1.]), array([[0.75]]))
    """

    def __init__(self, system: System | Flow) -> None:
        self.discrete, self.input_width = system.discrete, system.input_width
        self.system = system
        if isinstance(system, Flow):
            if system.delays:
                raise ValueError(
                    f"system: expected a flow without delays, whose state is a vector, got {system.delays}"
                )
            self.system = system.like(np.zeros(1))
            self.names: Parts = (("s", system.width),)
            self.dt, self.depth = 1.0, 1
        else:
            self.system = own = system.plain()
            self.names, self.depth, self.dt = own.parts(), own.depth, float(own.dt)
        self._tensors = isinstance(self.system, System) and is_torch(self.system.like)
        self.size = sum(length for _, length in self.names)

    def drive(self, x: np.ndarray | None) -> np.ndarray:
        """What the inputs x (N, m) say at every step, (N, ...); zeros (1, ...) without input."""
        if x is None:
            return self.constant(None)[None]
        if isinstance(self.system, Flow):
            return x
        return to_numpy(self.system.driven(self._kind(x)))

    def constant(self, x: object) -> np.ndarray:
        """What the constant input ``x`` (m,), by default zero, says at every step.

        Raises:
            ValueError: an x of the wrong shape.
        """
        m = self.input_width
        held = np.zeros(m) if x is None else check_shape("x", to_numpy(check_array("x", x)), (m,))
        if isinstance(self.system, Flow) or not m:
            return held
        behind, ahead = self.system.window
        # x has been there for ever: no window sees the ends
        return to_numpy(self.system.driven(self._kind(np.tile(held, (behind + ahead + 1, 1)))))[behind]

    def advance(self, S: np.ndarray, u: np.ndarray) -> np.ndarray:
        """The next states, or the rates, for states (..., n) and a row u of :meth:`drive`."""
        x = u if self.input_width else None
        if isinstance(self.system, Flow):
            with np.errstate(all="ignore"):  # a state outside the domain of a rate has none, and is no event
                return to_numpy(self.system.rate(0.0, S, (), x))
        if self._tensors:
            with sys.modules["torch"].no_grad():
                return to_numpy(self._stepped(self.system, self._kind(S), None if x is None else self._kind(x)))
        return self._stepped(self.system, S, x)

    @staticmethod
    def _stepped(system: System, S: Array, x: Array | None) -> Array:
        state, _, seen = system.unflatten(S, None, x)
        return system.flatten(system.step(state, seen))

    def push(self, S: np.ndarray, V: np.ndarray, u: np.ndarray) -> np.ndarray:
        """What the derivative at the states (..., n) makes of directions (..., k, n)."""
        x = u if self.input_width else None
        if isinstance(self.system, Flow):
            with np.errstate(all="ignore"):
                return to_numpy(self.system.rate_jvp(0.0, S[..., None, :], (), x, V))
        if self._tensors:
            with sys.modules["torch"].no_grad():
                own = self._kind(S[..., None, :]), self._kind(V), None if x is None else self._kind(x)
                return to_numpy(self._pushed(self.system, *own))
        return self._pushed(self.system, S[..., None, :], V, x)

    @staticmethod
    def _pushed(system: System, S: Array, V: Array, x: Array | None) -> Array:
        state, along, seen = system.unflatten(S, V, x)
        return system.flatten(system.step_jvp(state, seen, along))

    def carry(self, S: np.ndarray, V: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """:meth:`advance` of one state (n,) and :meth:`push` of directions (k, n) there."""
        if isinstance(self.system, Flow) or self._tensors:
            return self.advance(S, u), self.push(S, V, u)
        state, along, seen = self.system.unflatten(S[None], V, u if self.input_width else None)
        after, moved = self.system.step_with_jvp(state, seen, along)
        return self.system.flatten(after)[0], self.system.flatten(moved)

    def jacobian(self, S: np.ndarray, u: np.ndarray) -> np.ndarray:
        """The derivative at the states (..., n), (..., n, n)."""
        eye = np.broadcast_to(np.eye(self.size), (*S.shape, self.size))
        moved = self.push(S, eye, u)
        return np.broadcast_to(moved, eye.shape).swapaxes(-1, -2)

    def residual(self, S: np.ndarray, u: np.ndarray) -> np.ndarray:
        """What is 0 where the system rests: the rate, or how far a step takes the state; NaN where no step is found."""
        try:
            after = self.advance(S, u)
        except SimulationError:  # an implicit equation without solution, of one state of them
            if S.ndim == 1:
                return np.full(S.shape, np.nan)
            return np.array([self.residual(row, u) for row in S])
        return after - S if self.discrete else after

    def slope(self, S: np.ndarray, u: np.ndarray) -> np.ndarray:
        """The derivative of :meth:`residual`, (..., n, n); NaN where no step is found."""
        try:
            J = self.jacobian(S, u)
        except SimulationError:
            if S.ndim == 1:
                return np.full((self.size, self.size), np.nan)
            return np.array([self.slope(row, u) for row in S])
        return J - np.eye(self.size) if self.discrete else J

    def start(self, s: np.ndarray) -> np.ndarray:
        """The vector of a past that has been at ``s`` (size / depth,) for ever; a whole vector as it is."""
        return np.tile(s, self.depth) if s.shape[-1] * self.depth == self.size else s

    def _kind(self, array: np.ndarray) -> Array:
        """``array`` of the kind that the system steps."""
        if not self._tensors:
            return array
        assert isinstance(self.system, System)
        return sys.modules["torch"].tensor(np.asarray(array), dtype=self.system.like.dtype)  # a copy: it may be a view
