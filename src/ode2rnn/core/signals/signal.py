"""What a solver must know of an input x(t): its values, its knots, and the smooth piece beside a knot.

Uses: C6 (c(t) is driven by x).  A knot is a time where the signal, or a derivative of it, jumps.  Solvers
never step across a knot, and ask a signal for the smooth piece that holds on one side of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ode2rnn.core.arrays import (
    Array,
    as_like,
    brief,
    broadcast_to,
    check_array,
    concatenate,
    is_torch,
    stack,
    to_numpy,
)

NO_KNOTS = np.zeros(0)
Side: TypeAlias = Literal["left", "right"]


class Signal:
    """A function of time with values of shape (..., m), and what a solver must know about it.

    Attributes:
        knots: times where the signal or a derivative jumps, (N,).
        order: the lowest derivative that jumps at a knot (0: the value itself).
        start, end: the times between which the signal is defined.
    """

    knots: np.ndarray = NO_KNOTS
    order: int = 0
    start: float = -np.inf
    end: float = np.inf

    # an array on the left leaves the sum to __radd__
    __array_ufunc__ = None

    def __add__(self, other: Signal | ArrayLike) -> Signal:
        """The sum with another signal, or with a constant (..., m)."""
        return Sum(self, other if isinstance(other, Signal) else Constant(other))

    __radd__ = __add__

    def __call__(self, t: ArrayLike) -> Array:
        """Value at ``t``: a scalar gives (..., m), times (T,) give (T, ..., m).

        Raises:
            ValueError: times that are no finite numbers, or at which the signal is not defined.
        """
        return self._at(t, self._values)

    def left(self, t: ArrayLike) -> Array:
        """The limit from before ``t``; it differs from :meth:`right` only at a knot that jumps."""
        return self._at(t, lambda times: self._one_sided(times, "left"))

    def right(self, t: ArrayLike) -> Array:
        """The limit from after ``t``."""
        return self._at(t, lambda times: self._one_sided(times, "right"))

    def piece(self, a: float, b: float) -> Callable[[np.ndarray], Array]:
        """The smooth function (T,) -> (T, ..., m) that the signal is between ``a`` and ``b``.

        No knot may lie inside (a, b). At the ends, and an ulp past them, the function goes on smoothly.
        """
        raise NotImplementedError

    def piece_at_one_time(self, a: float, b: float) -> Callable[[float], Array]:
        """The same piece as a function of one time, t -> (..., m), for a method that asks for them one by one."""
        piece = self.piece(a, b)
        return lambda t: piece(np.array([t]))[0]

    def on_pieces(self, inside: np.ndarray, t: np.ndarray) -> Array:
        """The smooth pieces that hold at the times ``inside`` (P,), increasing, at the times ``t`` (P, K) of each:
        (P, K, ..., m).
        """
        if not len(self.knots):
            values = self.piece(inside[0], inside[0])(t.ravel())
            return values.reshape((*t.shape, *values.shape[1:]))
        number = np.searchsorted(self.knots, inside)
        starts = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(inside)]
        parts = [self.piece(inside[a], inside[a])(t[a:b].ravel()) for a, b in zip(starts[:-1], starts[1:], strict=True)]
        values = parts[0] if len(parts) == 1 else concatenate(parts)
        return values.reshape((*t.shape, *values.shape[1:]))

    def parameters(self) -> tuple[Array, ...]:
        """The torch tensors that the signal's values depend on."""
        return ()

    def _values(self, t: np.ndarray) -> Array:
        raise NotImplementedError

    def ends(self, span: tuple[float, float]) -> Array:
        """The values at two times at which the signal is defined, (2, ..., m)."""
        return self._values(np.array(span))

    def _one_sided(self, t: np.ndarray, side: Side) -> Array:
        return stack([self._beside(float(s), side)(np.array([s]))[0] for s in t])

    def _beside(self, t: float, side: Side) -> Callable[[np.ndarray], Array]:
        # half-way to the next knot is inside the neighbouring piece
        distances = np.abs(self.knots - t)
        reach = float(distances[distances > 0].min(initial=2.0)) / 2
        return self.piece(t, t + reach) if side == "right" else self.piece(t - reach, t)

    def _at(self, t: ArrayLike, function: Callable[[np.ndarray], Array]) -> Array:
        times = to_numpy(check_array("t", t))
        if not times.size:
            raise ValueError(f"t: expected at least one time, got shape {times.shape}")
        flat = times.reshape(-1)
        if self.start > -np.inf or self.end < np.inf:
            check_range("t", self, float(flat.min()), float(flat.max()))
        values = function(flat)
        return values.reshape((*times.shape, *values.shape[1:]))


def check_range(name: str, signal: Signal, first: float, last: float) -> None:
    """Refuse times at which ``signal`` is not defined; rounding at its ends is allowed."""
    slack = 1e-12 * max(1.0, abs(first), abs(last))
    if first < signal.start - slack or last > signal.end + slack:
        raise ValueError(
            f"{name}: {type(signal).__name__} is defined on [{signal.start:g}, {signal.end:g}], but is needed"
            f" on [{first:g}, {last:g}]; give a longer series, or a shorter range of times"
        )


class Constant(Signal):
    """x(t) = value for all t.

    Args:
        value: (..., m); a number stands for m = 1.

    Example:
        >>> Constant([1.0, 2.0])(0.5)
        array([1., 2.])
    """

    def __init__(self, value: ArrayLike) -> None:
        self.value = at_least_vector(check_array("value", value))

    @classmethod
    def of(cls, value: Array) -> Constant:
        """The signal of an array (..., m) that is already checked, without a copy."""
        constant = cls.__new__(cls)
        constant.value = value
        return constant

    def _values(self, t: np.ndarray) -> Array:
        return broadcast_to(self.value, (len(t), *self.value.shape))

    def piece(self, a: float, b: float) -> Callable[[np.ndarray], Array]:
        return self._values

    def piece_at_one_time(self, a: float, b: float) -> Callable[[float], Array]:
        value = self._values(np.zeros(1))[0]
        return lambda t: value

    def parameters(self) -> tuple[Array, ...]:
        return (self.value,) if is_torch(self.value) else ()


class Sum(Signal):
    """The sum of two signals, as ``first + second`` gives it; its knots are those of both.

    Args:
        first, second: signals whose values (..., m) broadcast.

    Raises:
        ValueError: something other than a signal, or two signals that are never defined at the same time.

    Example:
        >>> (Constant([1.0, 2.0]) + 0.5)(0.0)
        array([1.5, 2.5])
    """

    def __init__(self, first: Signal, second: Signal) -> None:
        for name, part in (("first", first), ("second", second)):
            if not isinstance(part, Signal):
                raise ValueError(f"{name}: expected one of ode2rnn.signals, got {brief(part)}")
        self.first, self.second = first, second
        self.start, self.end = max(first.start, second.start), min(first.end, second.end)
        if self.start > self.end:
            raise ValueError(
                f"second: expected a signal that is defined on part of [{first.start:g}, {first.end:g}],"
                f" got one on [{second.start:g}, {second.end:g}]"
            )
        if len(first.knots) or len(second.knots):
            knots = np.union1d(first.knots, second.knots)
            self.knots = knots[(knots >= self.start) & (knots <= self.end)]
            self.order = min(part.order for part in (first, second) if len(part.knots))

    def _values(self, t: np.ndarray) -> Array:
        return _plus(self.first._values(t), self.second._values(t))

    def _one_sided(self, t: np.ndarray, side: Side) -> Array:
        return _plus(self.first._one_sided(t, side), self.second._one_sided(t, side))

    def piece(self, a: float, b: float) -> Callable[[np.ndarray], Array]:
        first, second = self.first.piece(a, b), self.second.piece(a, b)
        return lambda t: _plus(first(t), second(t))

    def piece_at_one_time(self, a: float, b: float) -> Callable[[float], Array]:
        first, second = self.first.piece_at_one_time(a, b), self.second.piece_at_one_time(a, b)
        if is_torch(first(a)) != is_torch(second(a)):
            return super().piece_at_one_time(a, b)
        return lambda t: first(t) + second(t)

    def parameters(self) -> tuple[Array, ...]:
        return (*self.first.parameters(), *self.second.parameters())


def _plus(first: Array, second: Array) -> Array:
    """The sum of values (T, ..., m), batch axes aligned from the right."""
    if is_torch(first) or is_torch(second):
        like = first if is_torch(first) else second
        first, second = as_like(first, like), as_like(second, like)
    axes = max(first.ndim, second.ndim)
    first, second = (v.reshape((v.shape[0],) + (1,) * (axes - v.ndim) + tuple(v.shape[1:])) for v in (first, second))
    return first + second


def at_least_vector(array: Array) -> Array:
    """``array``, a number as a vector of one."""
    return array.reshape((1,)) if array.ndim == 0 else array
