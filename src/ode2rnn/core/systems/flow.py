"""A flow, which carries its own tangent and cotangent: anything with a rate.

Uses: C1, B6.  The equation with its own id, C2, is at home in the additive model; a Flow is any other function h.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np

from ode2rnn.core.arrays import (
    Array,
    as_like,
    brief,
    check_count,
    check_positive,
    concatenate,
    is_module,
    is_torch,
    to_numpy,
)
from ode2rnn.core.systems.functions import (
    ROWS,
    UserFunction,
    check_derivative,
    check_parameters,
    checked_call,
    flat_matrix,
)
from ode2rnn.core.systems.relaxation import Relaxation
from ode2rnn.core.systems.tangents import pushed

TIMES = (0.0, 0.37, 1.9, 11.3)  # at which a rate is compared, to find out whether it depends on time


class Flow:
    """ds/dt = f(t, s(t), s(t - tau_1), .., x(t))   (C2), a right-hand side of the user's own, and what all flows share.

    It goes wherever a model goes: `integrate`, `Sampled`, `analysis`.

    Args:
        f: f(t, s); with an input f(t, s, x); with delays f(t, s, x, past), where x is None without input and past[k] is
            s(t - delays[k]). Arrays (..., width), NumPy or torch; a function of one state alone is called once a state.
            Parameters come by keyword: f(t, s, *, mu).
        width: number of states d.
        input_width: number of inputs m.
        delays: positive and distinct, in the unit of time of the rate.
        parameters: numbers by name, which an analysis can vary.
        jacobian: df/ds (..., d, d), of the arguments of f; with delays a list of it and of df/ds(t - tau_k). By default
            torch's derivative of tensors, central differences of order 4 of arrays.

    Attributes:
        input_delays: the delays with which the input is seen; none where it is seen at once.
        feedback_width: how many numbers v(t) beside s(t) are seen by later times, then past[k] is (s, v) side by side;
            0 but for the LSTM.

    Raises:
        ValueError: no such function, or one that does not return (..., width); delays that are not positive.

    Example:
        >>> def rate(t, s, *, rho):
        ...     return [10 * (s[1] - s[0]), s[0] * (rho - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]]
        >>> lorenz = Flow(rate, width=3, parameters={"rho": 28.0})
        >>> lorenz.rate(0.0, np.ones(3)).round(3)
        array([ 0.   , 26.   , -1.667])
    """

    width: int
    input_width: int
    delays: tuple[float, ...]
    parameters: Mapping[str, float]
    discrete: ClassVar[bool] = False
    input_delays: tuple[float, ...] = ()
    feedback_width: int = 0
    _f: Any = None  # the UserFunction of a flow of one's own
    _jacobian: Callable[..., Any] | None = None
    _on_time: bool | None = None

    def __init__(
        self,
        f: Callable[..., Any],
        width: int,
        *,
        input_width: int = 0,
        delays: Sequence[float] | np.ndarray = (),
        parameters: Mapping[str, float] | None = None,
        jacobian: Callable[..., Any] | None = None,
    ) -> None:
        self.width, self.input_width = check_count("width", width), check_count("input_width", input_width, 0)
        if not isinstance(delays, list | tuple | np.ndarray):
            raise ValueError(f"delays: expected a list of numbers, got {brief(delays)}")
        self.delays = tuple(check_positive(f"delays[{k}]", delay) for k, delay in enumerate(delays))
        if len(set(self.delays)) < len(self.delays):
            raise ValueError(f"delays: expected distinct delays, got {self.delays}")
        self.parameters = check_parameters(parameters)
        self._sound: set[tuple[str, ...]] = set()
        self._f = UserFunction("f", f, self.width, self.parameters)
        self._f.probe(lambda own, rows: self._called(own, 0.0, rows, (rows,) * len(self.delays), None), self.width)
        self._jacobian = jacobian
        if jacobian is not None:
            if not callable(jacobian):
                raise ValueError(f"jacobian: expected a function, got {brief(jacobian)}")
            self._check_jacobian()

    def __repr__(self) -> str:
        extra = "".join(f", {n}={v!r}" for n, v in (("delays", self.delays), ("parameters", self.parameters)) if v)
        return f"{type(self).__name__}(width={self.width}, input_width={self.input_width}{extra})"

    # -- the rate, its tangent and its cotangent

    def rate(self, t: float, s: Array, past: Sequence[Array] = (), x: Array | None = None) -> Array:
        """ds/dt (..., d) at s (..., d), past[k] (..., d + feedback_width) and x (..., m), None for zero input."""
        return self._called(self._f, t, s, past, x)

    def rate_jvp(
        self, t: float, s: Array, past: Sequence[Array], x: Array | None, ds: Array, d_past: Sequence[Array] = ()
    ) -> Array:
        """The tangent of the rate: what it makes of deviations of s and of the past (none for zero).

        The shapes of the deviations broadcast with those of what deviates: s (1, d) takes directions (k, d).
        """
        if self._jacobian is not None:
            J, *J_past = self._jacobians(t, s, past, x)
            total = _applied(J, ds)
            for matrix, direction in zip(J_past if d_past else (), d_past, strict=False):
                total = total + _applied(matrix, direction)
            return total
        count = len(d_past)

        def moved(*arrays: Array) -> list[Array]:
            return [self.rate(t, arrays[0], arrays[1 : count + 1] if count else past, x)]

        return pushed(moved, [s, *list(past)[:count]], [ds, *d_past])[0]

    def rate_vjp(
        self, t: float, s: Array, past: Sequence[Array], x: Array | None, bar: Array
    ) -> tuple[Array, list[Array]]:
        """The cotangents of s and of the past from that of the rate."""

        def matrix(k: int, width: int) -> Array:
            eye = as_like(np.eye(width), s)
            zero = 0 * s[..., None, :]
            several = [p[..., None, :] for p in past]
            along = [eye if i == k else 0 * p for i, p in enumerate(several)]
            seen = None if x is None else x[..., None, :]
            return self.rate_jvp(t, s[..., None, :], several, seen, eye if k < 0 else zero, along)

        bars = [
            (bar[..., None, :] * matrix(k, s.shape[-1] if k < 0 else past[k].shape[-1])).sum(-1)
            for k in range(-1, len(past))
        ]
        return bars[0], bars[1:]

    def feedback(self, t: float, s: Array, past: Sequence[Array], x: Array | None) -> Array:
        """v(t) (..., feedback_width), what later times see beside s."""
        raise NotImplementedError(f"{type(self).__name__} has no feedback beside s")

    def feedback_jvp(
        self, t: float, s: Array, past: Sequence[Array], x: Array | None, ds: Array, d_past: Sequence[Array] = ()
    ) -> Array:
        """The tangent of the feedback."""
        raise NotImplementedError(f"{type(self).__name__} has no feedback beside s")

    def relaxation(self, s: Array, past: Sequence[Array], x: Array | None) -> Relaxation | None:
        """The rate as a relaxation, where it is one; with delays its numbers do not depend on s. None of others."""
        return None

    # -- what a fast path, an analysis or a picture wants to know

    def readout(self, s: Array) -> Array:
        """What is shown of the state; the state itself, of a network G(s)."""
        return s

    @property
    def linear(self) -> np.ndarray | None:
        """d rate / d s where it is one matrix (d, d) for all states and times; else None."""
        return None

    @property
    def depends_on_time(self) -> bool:
        """Whether the rate changes with t, s and x being as they are; seen at some times and states."""
        if self._on_time is None:
            rows = np.resize(ROWS, (5, self.width))
            past = tuple(np.resize(rows, (5, self.width + self.feedback_width)) for _ in self.delays)
            with np.errstate(all="ignore"):
                values = [to_numpy(self.rate(t, rows, past, None)) for t in TIMES]
            self._on_time = not all(np.array_equal(v, values[0], equal_nan=True) for v in values)
        return self._on_time

    def like(self, array: Array) -> Flow:
        """The same flow for arrays of the kind of ``array``; a function of the user's own takes either."""
        return self

    def plain(self) -> Flow:
        """The same flow in NumPy."""
        return self.like(np.zeros(1))

    @property
    def taps(self) -> None:
        """None: a flow is no recursion."""
        return None

    def tensors(self) -> tuple[Array, ...]:
        """The torch tensors that the rate depends on, as far as they are known."""
        found = [value for value in self.parameters.values() if is_torch(value)]
        function: Any = None if self._f is None else self._f.function
        return (*found, *(function.parameters() if is_module(function) else ()))

    def weights(self) -> dict[str, Array]:
        """What is learned, by name: the parameters of a flow of one's own."""
        return {name: value if is_torch(value) else np.array(value) for name, value in self.parameters.items()}

    def with_weights(self, values: Mapping[str, Any]) -> Flow:
        """The flow with these in place of its own."""
        known: dict[str, Any] = {name: values.get(name, value) for name, value in self.parameters.items()}
        if not known or any(is_torch(known[name]) != is_torch(old) for name, old in self.parameters.items()):
            return self._changed(parameters=known) if known else self
        twin = copy.copy(self)
        twin._f = self._f.of({name: value if is_torch(value) else float(value) for name, value in known.items()})
        twin.parameters = twin._f.parameters
        return twin

    def parameter(self, name: str) -> Callable[[float], Flow]:
        """The function that takes a value to the flow in which the number ``name`` has it.

        One of ``parameters`` by its name; "tau", the only delay, or "tau[k]".

        Raises:
            ValueError: no such number.
        """
        place = re.fullmatch(r"tau(?:\[(\d+)\])?", name)
        if name in self.parameters:
            return lambda p: self._changed(parameters={**self.parameters, name: p})
        k = int(place[1] or 0) if place else -1
        if place is None or k >= len(self.delays) or (place[1] is None and len(self.delays) > 1):
            known = [*self.parameters, *(f"tau[{i}]" for i in range(len(self.delays)))]
            raise ValueError(f"name: expected one of {', '.join(known) or 'no parameter'} or 'x[k]', got {name!r}")
        return lambda p: self._changed(delays=[*self.delays[:k], p, *self.delays[k + 1 :]])

    def value_of(self, name: str) -> float:
        """The number ``name`` as it is, named as for :meth:`parameter`."""
        if name in self.parameters:
            return float(self.parameters[name])
        return self.delays[int(name[4:-1]) if name != "tau" else 0]

    def direct(self) -> Callable[..., Any]:
        """f(t, s), or f(t, s, x) with an input, of a flow without delays for one state (d,) in NumPy, unchecked: the
        fastest call.
        """
        own = self._f
        if own is None or own.makes_tensors or own.dtype is not None or type(self).rate is not Flow.rate:
            return (lambda t, s, x: self.rate(t, s, (), x)) if self.input_width else self.rate
        return partial(own.function, **own.parameters) if own.parameters else own.function

    def settled(self) -> Flow:
        """A flow without delays that rests where this one does: every delay forgotten."""
        return Settled(self) if self.delays else self

    def tied(self, tau: float) -> Flow:
        """The flow whose readout comes tau late (D2), and that tends to this one for tau -> 0.

        Raises:
            ValueError: a flow in which nothing says what the readout is, or one with delays already.
        """
        raise ValueError(
            f"delay: 'tied' makes a readout late; expected an AdditiveModel or a ContinuousLSTM, got {brief(self)}; use"
            " delay='fixed'"
        )

    def inner(self) -> tuple[Flow, float]:
        """Itself; of samples the flow that they are samples of (see System)."""
        return self, 1.0

    # -- the user's own function

    def _called(self, function: UserFunction, t: float, s: Array, past: Sequence[Array], x: Array | None) -> Array:
        if self.input_width and x is None:
            x = as_like(np.zeros(self.input_width), s)
        arrays: list[Any] = [s]
        if self.input_width or self.delays:
            arrays.append(x if self.input_width else None)
        if self.delays:
            arrays.append(tuple(past))
        shapes = [tuple(a.shape[:-1]) for a in (s, *past, *(() if x is None else (x,)))]
        return function((t,), tuple(arrays), np.broadcast_shapes(*shapes))

    def _jacobians(self, t: float, s: Array, past: Sequence[Array], x: Array | None) -> list[Array]:
        d, delays = self.width, len(self.delays)

        def flat(*arguments: Any, **parameters: float) -> Any:
            found = self._jacobian(*arguments, **parameters)  # type: ignore[misc]
            several = delays and isinstance(found, list | tuple) and len(found) == delays + 1
            wide = [flat_matrix("jacobian", m, d) for m in (found if several else [found])]
            return concatenate(wide, axis=-1)

        own = UserFunction("jacobian", flat, d * d * (delays + 1), self.parameters)
        own.batched, own.dtype = self._f.batched, self._f.dtype
        values = self._called(own, t, s, past, x)
        return [values[..., k * d * d : (k + 1) * d * d].reshape((*values.shape[:-1], d, d)) for k in range(delays + 1)]

    def _check_jacobian(self) -> None:
        """Refuse a Jacobian that is not the derivative of f, by s and by every s(t - tau_k)."""
        d, zero = self.width, np.zeros((self.width, self.width))
        for s in np.resize(ROWS, (3, d)):
            past = [s[None]] * len(self.delays)
            given = checked_call("jacobian", partial(self._jacobians, 0.0, s, (s,) * len(self.delays), None))
            for k, own in enumerate(given):
                along = [np.eye(d) if i == k else zero for i in range(len(given))]
                rates = pushed(lambda v, *late: [self.rate(0.0, v, late, None)], [s[None], *past], along)[0]
                by = "df/ds" if k == 0 else f"df/ds(t - {self.delays[k - 1]:g})"
                check_derivative("jacobian", by, to_numpy(own), rates.T)

    def _changed(self, **new: Any) -> Flow:
        given = {"input_width": self.input_width, "delays": self.delays, "parameters": self.parameters}
        return Flow(self._f.function, self.width, **{**given, "jacobian": self._jacobian, **new})


class Settled(Flow):
    """A flow whose past is its present, for where it rests."""

    def __init__(self, flow: Flow) -> None:
        self.flow, self.width, self.input_width = flow, flow.width, flow.input_width
        self.delays, self.parameters, self._on_time = (), flow.parameters, flow.depends_on_time

    def rate(self, t: float, s: Array, past: Sequence[Array] = (), x: Array | None = None) -> Array:
        """ds/dt with s(t - tau_k) = s."""
        return self.flow.rate(t, s, (s,) * len(self.flow.delays), x)

    def rate_jvp(
        self, t: float, s: Array, past: Sequence[Array], x: Array | None, ds: Array, d_past: Sequence[Array] = ()
    ) -> Array:
        """Its tangent: the sum of those along s and along every s(t - tau_k)."""
        count = len(self.flow.delays)
        return self.flow.rate_jvp(t, s, (s,) * count, x, ds, (ds,) * count)

    def readout(self, s: Array) -> Array:
        """As the flow's."""
        return self.flow.readout(s)


def _applied(J: Array, direction: Array) -> Array:
    """J v for J (..., d, d) and v (..., d), where J may have an axis of length 1 for many directions."""
    return (J @ direction[..., None])[..., 0]
