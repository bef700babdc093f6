"""The past of a delay equation as the state of its samples: the segment that determines the future.

Uses: C2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ode2rnn.core.arrays import Array, as_like, broadcast_to, stack
from ode2rnn.core.dense import Piecewise
from ode2rnn.core.signals.signal import Signal


class Grid:
    """The nodes of a tick: ends of its steps on [0, dt] and the relative nodes in each."""

    def __init__(self, breaks: np.ndarray, theta: np.ndarray) -> None:
        self.breaks, self.theta = breaks, theta

    def same(self, other: Grid) -> bool:
        """Whether the nodes of the other are these."""
        return np.array_equal(self.breaks, other.breaks) and np.array_equal(self.theta, other.theta)


class Tick(NamedTuple):
    """The solution over one tick: its values (steps, nodes, ..., d) at the nodes of a grid."""

    values: Array
    grid: Grid

    @staticmethod
    def of(dense: Piecewise) -> Tick:
        """The tick of a dense output on [0, dt]."""
        return Tick(dense.values, Grid(dense.breaks, dense.theta))

    def dense(self) -> Piecewise:
        """The solution as a function of time on [0, dt]."""
        return Piecewise(self.grid.breaks, self.grid.theta, self.values)


class Past(NamedTuple):
    """The last ticks, as many as the longest delay holds; of a model without delays the state now alone.

    A cotangent of it has the cotangents of the arrays in their place.

    Attributes:
        first: the state before all of the ticks, (..., d).
        ticks: what came after, the last one the latest.
        dt: length of a tick.
    """

    first: Array
    ticks: tuple[Tick, ...]
    dt: float

    @property
    def state(self) -> Array:
        """s now, (..., d)."""
        return self.ticks[-1].values[-1, -1] if self.ticks else self.first

    def ending(self, bar: Array) -> Past:
        """The cotangent of this past where that of s now is ``bar``, and of all else zero."""
        if not self.ticks:
            return Past(bar, (), self.dt)
        *older, last = self.ticks
        at_end = np.zeros((*last.values.shape[:2], *(1,) * (last.values.ndim - 2)))
        at_end[-1, -1] = 1.0
        ended = Tick(as_like(at_end, last.values) * bar, last.grid)
        return Past(0 * self.first, (*(Tick(0 * tick.values, tick.grid) for tick in older), ended), self.dt)

    def at_nodes_of(self, other: Past) -> Past:
        """The same past by its values at the nodes of another, which has as many ticks."""
        return Past(self.first, tuple(_on(a, b.grid) for a, b in zip(self.ticks, other.ticks, strict=True)), self.dt)


class History(Signal):
    """A past as a function of local time on [-n dt, 0], for the solver."""

    order: int = 1  # the input may jump from tick to tick: the slope of s does
    end: float = 0.0

    def __init__(self, past: Past) -> None:
        self._first, self._dt = past.first, past.dt
        self._ticks, self._state = [tick.dense() for tick in past.ticks], past.state

    @property
    def knots(self) -> np.ndarray:  # type: ignore[override]
        """Local times at which a tick began."""
        return -self._dt * np.arange(len(self._ticks), 0, -1)

    def piece(self, a: float, b: float) -> Callable[[np.ndarray], Array]:
        """The past between two knots."""
        back = int(np.floor(-0.5 * (a + b) / self._dt)) + 1  # 1: the latest tick
        if back > len(self._ticks):
            return lambda t: broadcast_to(self._first, (len(t), *self._first.shape))
        tick = self._ticks[-back]
        return lambda t: tick(t + back * self._dt)

    def _values(self, t: np.ndarray) -> Array:
        return stack([self.piece(s, s)(np.array([s]))[0] if s < 0 else self._state for s in t])


def _on(tick: Tick, grid: Grid) -> Tick:
    if tick.grid.same(grid):
        return tick
    left, length = grid.breaks[:-1, None], np.diff(grid.breaks)[:, None]
    times = left + grid.theta * length
    values = tick.dense()(times.ravel())
    return Tick(values.reshape((*times.shape, *values.shape[1:])), grid)
