"""Inputs given by a sampled series: held, linear and cubic Hermite, their samples being knots.  Uses: C6."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ode2rnn.core.arrays import (
    Array,
    all_finite,
    as_like,
    check_array,
    check_choice,
    check_increasing,
    is_torch,
    stack,
)
from ode2rnn.core.signals.signal import Side, Signal


class SampledSeries(Signal):
    """A sampled series, a polynomial between each two knots: the base of Held, Linear and Cubic."""

    _at_knots: Side = "left"  # the piece that a knot itself belongs to

    def __init__(self, t: ArrayLike, x: ArrayLike, least: int) -> None:
        self.knots = check_increasing("t", t, least)
        self.x = check_array("x", x)
        if self.x.ndim == 0 or self.x.shape[0] != len(self.knots):
            raise ValueError(
                f"x: expected one value for each of the {len(self.knots)} times in t, got shape {tuple(self.x.shape)}"
            )
        if self.x.ndim == 1:
            self.x = self.x[:, None]
        self.start, self.end = float(self.knots[0]), float(self.knots[-1])

    def _polynomial(self, t: np.ndarray, j: np.ndarray) -> Array:
        """The piece between knots j - 1 and j at the times ``t``."""
        raise NotImplementedError

    def taylor(self, inside: np.ndarray, at: np.ndarray) -> Array:
        """The polynomials that hold at the times ``inside`` (T,), as Taylor coefficients about the times ``at``,
        (T, K, ..., m): the piece is sum_k c[k] (t - at)^k.
        """
        j = self._piece_of(inside, self._at_knots)
        coefficients = self._coefficients(j)
        shift = self._column(at - self._origin(j))
        for last in range(1, len(coefficients)):  # Horner's scheme with a shift, coefficient by coefficient
            for k in range(len(coefficients) - 2, last - 2, -1):
                coefficients[k] = coefficients[k] + shift * coefficients[k + 1]
        return stack(coefficients, axis=1)

    def _coefficients(self, j: np.ndarray) -> list[Array]:
        """Taylor coefficients of the pieces j about the knots j - 1, each (T, ..., m)."""
        raise NotImplementedError

    def _origin(self, j: np.ndarray) -> np.ndarray:
        return self.knots[j - 1]

    def _piece_of(self, t: np.ndarray, side: Side) -> np.ndarray:
        """The number j of the piece at ``t``; at a knot, of the one on that side."""
        return np.clip(np.searchsorted(self.knots, t, side=side), 1, len(self.knots) - 1)

    def _values(self, t: np.ndarray) -> Array:
        return self._one_sided(t, self._at_knots)

    def _one_sided(self, t: np.ndarray, side: Side) -> Array:
        return self._polynomial(t, self._piece_of(t, side))

    def piece(self, a: float, b: float) -> Callable[[np.ndarray], Array]:
        j = self._piece_of(np.array([0.5 * (a + b)]), self._at_knots)
        return lambda t: self._polynomial(t, np.repeat(j, len(t)))

    def piece_at_one_time(self, a: float, b: float) -> Callable[[float], Array]:
        j = self._piece_of(np.array([0.5 * (a + b)]), self._at_knots)
        *lower, highest = (c[0] for c in self._coefficients(j))
        if not lower:
            return lambda t: highest
        origin = float(self._origin(j)[0])

        def polynomial(t: float) -> Array:
            value = highest
            for c in reversed(lower):
                value = value * (t - origin) + c
            return value

        return polynomial

    def on_pieces(self, inside: np.ndarray, t: np.ndarray) -> Array:
        j = np.repeat(self._piece_of(inside, self._at_knots), t.shape[1])
        values = self._polynomial(t.ravel(), j)
        return values.reshape((*t.shape, *values.shape[1:]))

    def parameters(self) -> tuple[Array, ...]:
        return (self.x,) if is_torch(self.x) else ()

    def _column(self, values: np.ndarray) -> Array:
        return as_like(values, self.x).reshape((len(values),) + (1,) * (self.x.ndim - 1))


class Held(SampledSeries):
    """A series held between its samples.

    Args:
        t: sample times (N,), increasing.
        x: samples (N, ..., m), or (N,) for m = 1.
        kind: "next" (default): x[n] holds on (t[n-1], t[n]], the convention of D1, and x[0] on all earlier
            times; "previous": x[n] holds on [t[n], t[n+1]) (scipy's zero-order hold), x[-1] on all later times.

    Raises:
        ValueError: times that do not increase, a length that differs from t, NaN, an unknown kind.

    Example:
        >>> pulse = Held([0.0, 50.0, 50.5, 60.0], [0.0, 0.0, 1.0, 0.0])
        >>> pulse([50.0, 50.2, 50.5, 50.6]).ravel()
        array([0., 1., 1., 0.])
        >>> pulse.left(50.0), pulse.right(50.0)
        (array([0.]), array([1.]))
    """

    def __init__(self, t: ArrayLike, x: ArrayLike, kind: str = "next") -> None:
        super().__init__(t, x, least=1)
        self.kind = check_choice("kind", kind, ("next", "previous"))
        if kind == "next":
            self.start = -np.inf
        else:
            self.end, self._at_knots = np.inf, "right"

    def _piece_of(self, t: np.ndarray, side: Side) -> np.ndarray:
        following = np.searchsorted(self.knots, t, side=side)
        return np.clip(following - (self.kind == "previous"), 0, len(self.knots) - 1)

    def _polynomial(self, t: np.ndarray, j: np.ndarray) -> Array:
        return self.x[j]

    def _coefficients(self, j: np.ndarray) -> list[Array]:
        return [self.x[j]]


class Linear(SampledSeries):
    """A series joined by straight lines; defined between its first and last sample.

    Args:
        t: sample times (N >= 2,), increasing.
        x: samples (N, ..., m), or (N,) for m = 1.

    Example:
        >>> Linear([0.0, 2.0], [[0.0], [1.0]])(0.5)
        array([0.25])
    """

    order = 1

    def __init__(self, t: ArrayLike, x: ArrayLike) -> None:
        super().__init__(t, x, least=2)

    def _polynomial(self, t: np.ndarray, j: np.ndarray) -> Array:
        theta = self._column((t - self.knots[j - 1]) / (self.knots[j] - self.knots[j - 1]))
        return (1.0 - theta) * self.x[j - 1] + theta * self.x[j]

    def _coefficients(self, j: np.ndarray) -> list[Array]:
        step = self._column(self.knots[j] - self.knots[j - 1])
        return [self.x[j - 1], (self.x[j] - self.x[j - 1]) / step]


class Cubic(SampledSeries):
    """A series joined by cubic Hermite polynomials (continuous slope); defined between its end samples.

    Args:
        t: sample times (N >= 2,), increasing.
        x: samples (N, ..., m), or (N,) for m = 1.
        slopes: dx/dt at the samples, shaped as x; by default second-order differences of the series.

    Example:
        >>> t = np.linspace(0.0, 1.0, 5)
        >>> float(Cubic(t, t**2)(0.3)[0])  # a parabola comes back
        0.09
    """

    order = 2

    def __init__(self, t: ArrayLike, x: ArrayLike, slopes: ArrayLike | None = None) -> None:
        super().__init__(t, x, least=2)
        shape = tuple(self.x.shape)
        if slopes is None:
            with np.errstate(all="ignore"):  # an overflow is told below
                self.slopes = (self._difference_matrix() @ self.x.reshape((len(self.knots), -1))).reshape(shape)
            if not all_finite(self.slopes):
                raise ValueError("t, x: expected a series with finite slopes, got steps of t that are too small")
            return
        self.slopes = check_array("slopes", slopes, like=self.x)
        self.x = as_like(self.x, self.slopes)
        if self.slopes.ndim == 1:
            self.slopes = self.slopes[:, None]
        if tuple(self.slopes.shape) != shape:
            raise ValueError(f"slopes: expected the shape of x, {shape}, got {tuple(self.slopes.shape)}")

    def _difference_matrix(self) -> Array:
        unit = np.eye(len(self.knots))
        slopes = np.gradient(unit, self.knots, axis=0, edge_order=2 if len(self.knots) > 2 else 1)
        return as_like(slopes, self.x)

    def _polynomial(self, t: np.ndarray, j: np.ndarray) -> Array:
        step = self.knots[j] - self.knots[j - 1]
        u = (t - self.knots[j - 1]) / step
        rise = self._column(u * u * (3.0 - 2.0 * u))
        ahead = self._column(step * u * (1.0 - u) ** 2)
        behind = self._column(step * u * u * (u - 1.0))
        return self.x[j - 1] + rise * (self.x[j] - self.x[j - 1]) + ahead * self.slopes[j - 1] + behind * self.slopes[j]

    def _coefficients(self, j: np.ndarray) -> list[Array]:
        step = self._column(self.knots[j] - self.knots[j - 1])
        ahead, behind = self.slopes[j - 1], self.slopes[j]
        chord = (self.x[j] - self.x[j - 1]) / step
        return [
            self.x[j - 1],
            ahead,
            (3.0 * chord - 2.0 * ahead - behind) / step,
            (ahead + behind - 2.0 * chord) / step**2,
        ]

    def parameters(self) -> tuple[Array, ...]:
        return tuple(p for p in (self.x, self.slopes) if is_torch(p))
