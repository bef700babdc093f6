"""Inputs x(t): analytic, and sampled series with their knots.

Uses: C6 (c(t) is driven by x).  A knot is a time where the signal, or a derivative of it, jumps.  Solvers
never step across a knot, and ask a signal for the smooth piece that holds on one side of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ode2rnn.core.arrays import (
    Array,
    all_finite,
    any_torch,
    as_like,
    broadcast_to,
    check_array,
    check_choice,
    check_increasing,
    is_torch,
    stack,
)

NO_KNOTS = np.zeros(0)


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

    def __call__(self, t: Any) -> Array:
        """Value at ``t``: a scalar gives (..., m), times (T,) give (T, ..., m)."""
        return self._at(t, self._values)

    def left(self, t: Any) -> Array:
        """The limit from before ``t``; it differs from :meth:`right` only at a knot that jumps."""
        return self._at(t, lambda times: self._one_sided(times, -1.0))

    def right(self, t: Any) -> Array:
        """The limit from after ``t``."""
        return self._at(t, lambda times: self._one_sided(times, 1.0))

    def piece(self, a: float, b: float) -> Callable[[np.ndarray], Array]:
        """The smooth function (T,) -> (T, ..., m) that the signal is between ``a`` and ``b``.

        No knot may lie inside (a, b). At the ends, and an ulp past them, the function goes on smoothly.
        """
        raise NotImplementedError

    def parameters(self) -> tuple[Array, ...]:
        """The torch tensors that the signal's values depend on."""
        return ()

    def _values(self, t: np.ndarray) -> Array:
        raise NotImplementedError

    def _one_sided(self, t: np.ndarray, side: float) -> Array:
        # just beside a knot is inside the neighbouring piece; evaluate that piece at the knot itself
        reach = np.diff(self.knots).min() / 4 if len(self.knots) > 1 else 1.0
        return stack([self.piece(*sorted((s, s + side * reach)))(np.array([s]))[0] for s in t])

    def _at(self, t: Any, function: Callable[[np.ndarray], Array]) -> Array:
        times = np.asarray(t, dtype=np.float64)
        flat = times.reshape(-1)
        check_range("t", self, flat.min(initial=np.inf), flat.max(initial=-np.inf))
        values = function(flat)
        return values.reshape((*times.shape, *values.shape[1:]))


def check_range(name: str, signal: Signal, first: float, last: float) -> None:
    """Refuse times at which ``signal`` is not defined; rounding at its ends is allowed."""
    slack = 1e-12 * max(1.0, abs(first), abs(last)) if np.isfinite([first, last]).all() else 0.0
    if np.isnan(first) or np.isnan(last):
        raise ValueError(f"{name}: expected finite times, got NaN")
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

    def __init__(self, value: Any) -> None:
        self.value = _at_least_vector(check_array("value", value))

    def _values(self, t: np.ndarray) -> Array:
        return broadcast_to(self.value, (len(t), *self.value.shape))

    def piece(self, a: float, b: float) -> Callable[[np.ndarray], Array]:
        return self._values

    def parameters(self) -> tuple[Array, ...]:
        return (self.value,) if is_torch(self.value) else ()


class Sine(Signal):
    """x(t) = amplitude sin(omega t + phase), elementwise over the m inputs.

    Args:
        amplitude, omega, phase: numbers or (..., m); omega in radians per unit of time.

    Example:
        >>> Sine(amplitude=2.0, omega=np.pi)(0.5)
        array([2.])
    """

    def __init__(self, amplitude: Any = 1.0, omega: Any = 1.0, phase: Any = 0.0) -> None:
        given = [check_array(n, v) for n, v in (("amplitude", amplitude), ("omega", omega), ("phase", phase))]
        if any_torch(given):
            like = next(v for v in given if is_torch(v))
            given = [as_like(v, like) for v in given]
        try:
            np.broadcast_shapes(*(tuple(v.shape) for v in given))
        except ValueError:
            raise ValueError(
                "amplitude, omega, phase: expected shapes that broadcast, got "
                + ", ".join(str(tuple(v.shape)) for v in given)
            ) from None
        self.amplitude, self.omega, self.phase = (_at_least_vector(v) for v in given)

    def _values(self, t: np.ndarray) -> Array:
        times = as_like(t, self.omega).reshape((len(t),) + (1,) * max(p.ndim for p in self._all()))
        return (
            self.amplitude * np.sin(self.omega * times + self.phase)
            if not is_torch(self.omega)
            else (self.amplitude * (self.omega * times + self.phase).sin())
        )

    def piece(self, a: float, b: float) -> Callable[[np.ndarray], Array]:
        return self._values

    def parameters(self) -> tuple[Array, ...]:
        return tuple(p for p in self._all() if is_torch(p))

    def _all(self) -> tuple[Array, ...]:
        return (self.amplitude, self.omega, self.phase)


class Analytic(Signal):
    """A function of time of the user's own, with the times where it is not smooth.

    Args:
        function: t -> (..., m) (a number stands for m = 1). It is called with an array of times (T,) where
            that gives (T, ..., m), else once per time.
        knots: times where the function or a derivative jumps; an integration steps onto them, never over.

    A function without declared knots is taken to be smooth: a pulse that it hides can be stepped over.

    Raises:
        ValueError: a function that cannot be called; knots that do not increase.

    Example:
        >>> pulse = Analytic(lambda t: 1.0 * ((t >= 50) & (t < 50.5)), knots=[50, 50.5])
        >>> pulse.left(50.0), pulse.right(50.0)
        (array([0.]), array([1.]))
    """

    def __init__(self, function: Callable[[Any], Any], knots: Any = ()) -> None:
        if not callable(function):
            raise ValueError(f"function: expected a function of time, got {function!r}")
        self.function = function
        knots = np.asarray(knots)
        self.knots = check_increasing("knots", knots) if knots.size else NO_KNOTS
        self._vectorized: bool | None = None

    def _values(self, t: np.ndarray) -> Array:
        if len(t) >= 2 and self._vectorized is None:
            self._vectorized = self._try_vectorized(t)
        if self._vectorized:
            return self._all_at_once(t)
        return stack([self._one(s) for s in t])

    def _one(self, t: float) -> Array:
        value = self.function(float(t))
        array = value if is_torch(value) else _numbers(value, t)
        return _at_least_vector(array)

    def _all_at_once(self, t: np.ndarray) -> Array:
        value = self.function(t)
        array = value if is_torch(value) else _numbers(value, t)
        return array[:, None] if array.ndim == 1 else array

    def _try_vectorized(self, t: np.ndarray) -> bool:
        # five distinct times tell a time axis from a feature axis that happens to be as long
        times = np.linspace(t.min(), t.max(), 5)
        one_by_one = stack([self._one(s) for s in times])
        try:
            together = self._all_at_once(times)
        except Exception:
            return False
        if tuple(together.shape) != tuple(one_by_one.shape):
            return False
        difference = abs(together - one_by_one)
        return bool((difference <= 1e-12 * (1.0 + abs(one_by_one))).all())

    def piece(self, a: float, b: float) -> Callable[[np.ndarray], Array]:
        if not len(self.knots):
            return self._values
        j = int(np.searchsorted(self.knots, 0.5 * (a + b)))
        # the function itself decides what it is at a knot; an ulp inside, it is the piece asked for
        first = np.nextafter(self.knots[j - 1], np.inf) if j > 0 else -np.inf
        last = np.nextafter(self.knots[j], -np.inf) if j < len(self.knots) else np.inf
        return lambda t: self._values(np.clip(t, first, last))

    def parameters(self) -> tuple[Array, ...]:
        named = getattr(self.function, "parameters", None)
        return tuple(named()) if callable(named) else ()


class SampledSeries(Signal):
    """A sampled series, a polynomial between each two knots: the base of Held, Linear and Cubic."""

    def __init__(self, t: Any, x: Any, least: int) -> None:
        self.knots = check_increasing("t", t, least)
        self.x = check_array("x", x)
        if self.x.ndim == 0 or self.x.shape[0] != len(self.knots):
            raise ValueError(
                f"x: expected one value for each of the {len(self.knots)} times in t,"
                f" got shape {tuple(self.x.shape)}"
            )
        if self.x.ndim == 1:
            self.x = self.x[:, None]
        self.start, self.end = float(self.knots[0]), float(self.knots[-1])

    def _polynomial(self, t: np.ndarray, j: np.ndarray) -> Array:
        """The piece between knots j - 1 and j at the times ``t``."""
        raise NotImplementedError

    def _piece_of(self, t: np.ndarray) -> np.ndarray:
        return np.clip(np.searchsorted(self.knots, t, side="left"), 1, len(self.knots) - 1)

    def _values(self, t: np.ndarray) -> Array:
        return self._polynomial(t, self._piece_of(t))

    def piece(self, a: float, b: float) -> Callable[[np.ndarray], Array]:
        j = self._piece_of(np.array([0.5 * (a + b)]))
        return lambda t: self._polynomial(t, np.broadcast_to(j, t.shape))

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

    def __init__(self, t: Any, x: Any, kind: str = "next") -> None:
        super().__init__(t, x, least=1)
        self.kind = check_choice("kind", kind, ("next", "previous"))
        if kind == "next":
            self.start = -np.inf
        else:
            self.end = np.inf

    def _piece_of(self, t: np.ndarray) -> np.ndarray:
        if self.kind == "next":
            return np.clip(np.searchsorted(self.knots, t, side="left"), 0, len(self.knots) - 1)
        return np.clip(np.searchsorted(self.knots, t, side="right") - 1, 0, len(self.knots) - 1)

    def _polynomial(self, t: np.ndarray, j: np.ndarray) -> Array:
        return self.x[j]


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

    def __init__(self, t: Any, x: Any) -> None:
        super().__init__(t, x, least=2)

    def _polynomial(self, t: np.ndarray, j: np.ndarray) -> Array:
        theta = self._column((t - self.knots[j - 1]) / (self.knots[j] - self.knots[j - 1]))
        return (1.0 - theta) * self.x[j - 1] + theta * self.x[j]


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

    def __init__(self, t: Any, x: Any, slopes: Any = None) -> None:
        super().__init__(t, x, least=2)
        if slopes is None:
            self.slopes = self._difference_matrix() @ self.x.reshape((len(self.knots), -1))
        else:
            self.slopes = check_array("slopes", slopes, like=self.x)
            if self.slopes.ndim == 1:
                self.slopes = self.slopes[:, None]
            if tuple(self.slopes.shape) != tuple(self.x.shape):
                raise ValueError(
                    f"slopes: expected the shape of x, {tuple(self.x.shape)}, got {tuple(self.slopes.shape)}"
                )
        self.slopes = self.slopes.reshape(self.x.shape)

    def _difference_matrix(self) -> Array:
        edge_order = 2 if len(self.knots) > 2 else 1
        unit = np.eye(len(self.knots))
        return as_like(np.gradient(unit, self.knots, axis=0, edge_order=edge_order), self.x)

    def _polynomial(self, t: np.ndarray, j: np.ndarray) -> Array:
        step = self.knots[j] - self.knots[j - 1]
        u = (t - self.knots[j - 1]) / step
        rise = self._column(u * u * (3.0 - 2.0 * u))
        ahead = self._column(step * u * (1.0 - u) ** 2)
        behind = self._column(step * u * u * (u - 1.0))
        return (
            self.x[j - 1]
            + rise * (self.x[j] - self.x[j - 1])
            + ahead * self.slopes[j - 1]
            + behind * self.slopes[j]
        )

    def parameters(self) -> tuple[Array, ...]:
        return tuple(p for p in (self.x, self.slopes) if is_torch(p))


def as_signal(name: str, value: Any, width: int, span: tuple[float, float]) -> Signal:
    """``value`` as a Signal of the given width, tried at both ends of ``span`` before any work is done.

    Raises:
        ValueError: no function of time, a wrong width, NaN, or a range that does not cover ``span``.
    """
    if isinstance(value, Signal):
        signal = value
    elif callable(value):
        signal = Analytic(value, knots=getattr(value, "knots", ()))
    else:
        raise ValueError(
            f"{name}: expected a function of time or one of ode2rnn.signals, got {type(value).__name__};"
            f" wrap an array as signals.Held(t, array) or signals.Constant(array)"
        )
    check_range(name, signal, *span)
    try:
        probe = signal(np.array(span))
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(f"{name}: expected a function of time, but calling it raised {error!r}") from error
    if probe.ndim < 2 or probe.shape[-1] != width:
        raise ValueError(
            f"{name}: expected values of shape (..., {width}), got {tuple(probe.shape[1:])} at one time"
        )
    if not all_finite(probe):
        raise ValueError(
            f"{name}: expected finite values, got NaN or infinity at t = {span[0]:g} or {span[1]:g}"
        )
    return signal


def _numbers(value: Any, t: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"dtype {array.dtype}")
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"x: expected the function to return numbers at t = {t}, got {error}") from None


def _at_least_vector(array: Array) -> Array:
    return array.reshape((1,)) if array.ndim == 0 else array
