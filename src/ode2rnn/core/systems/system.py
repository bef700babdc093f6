"""A system with a tick, which carries its own tangent and cotangent.

Uses: D5, B1, B2, B4.  Anything that steps from one sample to the next is a System: the canonical RNN, a cell with taps,
a delay equation sampled by its own solver, an LSTM, a layer of torch, a cell of the user's own.  Its state is an array,
or nested tuples of arrays, each (..., its width).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar

import numpy as np

from ode2rnn.core.arrays import Array, as_like, is_torch, stack, to_numpy
from ode2rnn.core.systems import states
from ode2rnn.core.systems.parameters import changed_weights, value_of
from ode2rnn.core.systems.tangents import check_gradients, pulled, pushed

Parts = tuple[tuple[str, int], ...]
S = TypeVar("S")  # the type of a system's states


class Taps(NamedTuple):
    """The matrices of a recursion by lag, of the states, of the readouts and of the inputs."""

    s: Mapping[int, Array]
    r: Mapping[int, Array]
    x: Mapping[int, Array]


class System(Generic[S]):
    """What :func:`run` steps, ``bptt`` goes back through and every analysis asks; a base class for cells.

    A subclass says ``dt``, ``width``, ``init``, ``step`` and ``readout``; all else has a default: tangents by torch
    where the cell holds tensors, else by central differences, cotangents by torch.

    Attributes:
        dt: length of a tick, in the unit of time of the model.
        width: number of states d.
        input_width: number of inputs m; 0 without input.
        discrete: True; of a Flow False.
        depth: how many ticks the vector of :meth:`flatten` remembers, the latest first, each alike.
        window: how many inputs before and after its own a tick sees.

    Example:
        >>> class Leaky(System):  # s[n] = s[n-1] / 2 + x[n]
        ...     dt, width, input_width = 1.0, 1, 1
        ...     def init(self, s0): return s0
        ...     def step(self, state, x): return 0.5 * state + x
        ...     def readout(self, state): return state, state
        >>> from ode2rnn import run
        >>> run(Leaky(), [1.0, 0.0, 0.0]).s.ravel()
        array([1.  , 0.5 , 0.25])
    """

    dt: float
    width: int
    input_width: int = 0
    discrete: ClassVar[bool] = True
    parameters: Mapping[str, float] = {}  # numbers by name, of a Map and of samples of a Flow

    @property
    def like(self) -> Array:
        """An array of the system's kind: NumPy, or torch."""
        return np.zeros(self.width)

    @property
    def State(self) -> type:
        """The type of the states that ``init`` and ``step`` return."""
        return type(self.init(as_like(np.zeros(self.width), self.like)))

    @property
    def readout_width(self) -> int:
        """The width of the readout."""
        return int(self.readout(self.init(as_like(np.zeros(self.width), self.like)))[1].shape[-1])

    @property
    def window(self) -> tuple[int, int]:
        """How many inputs before and after its own a tick sees."""
        return 0, 0

    def init(self, s0: Array) -> S:
        """The system's own state, where s has been s0 (..., d) for ever."""
        raise NotImplementedError(f"{type(self).__name__} does not say `init`")

    def remember(self, s: Callable[[int], Array], other: Callable[[int], Array]) -> S:
        """The state of a system whose past is known: s(n), n = -1, -2, ..; other(n): inputs, or readouts fed back."""
        return self.init(s(-1))

    def step(self, state: S, x: Array | None) -> S:
        """The state a tick later, with the input x[n] (..., m), or None without input."""
        raise NotImplementedError(f"{type(self).__name__} does not say `step`")

    def readout(self, state: S) -> tuple[Array, Array]:
        """(s[n], r[n]), each (..., d); an LSTM's readout has a width of its own."""
        raise NotImplementedError(f"{type(self).__name__} does not say `readout`")

    def prepare(self, x: Array) -> Array:
        """What each tick sees of the inputs x (N, ..., m), one row a tick; for a cell that looks ahead or behind."""
        return x

    def resume(self, state: S, batch: tuple[int, ...]) -> S:
        """A state that a caller hands in, checked and seen with the batch of the inputs."""
        return state

    def scan(self, state: S, x: Array | None, ticks: int) -> tuple[Array, Array] | None:
        """All ticks at once, s[-1 .. N-1] and r[0 .. N-1], where a fast path exists; else None."""
        return None

    def carousel(self, state: S, x: Array | None) -> Array | None:
        """The gate (..., d) by which a tick carries the state alone (T7); None where there is none."""
        return None

    def contraction(self, s: Array) -> float:
        """A factor by which deviations shrink at least, whatever the input (B5); infinite where none is known.

        ``s`` (N, d): the states of a run, for an activation of the user's own the largest slope on which stands in.
        """
        return float("inf")

    @property
    def layers(self) -> tuple[System[Any], ...]:
        """The cells that a tick goes through, the lowest first, each over the readouts of the one below."""
        return (self,)

    def by_states(self) -> System[Any]:
        """The recursion by its states s, whose deviations B4 follows, where this one goes by its readouts G(s)."""
        return self

    @property
    def taps(self) -> Taps | None:
        """The matrices by lag of a recursion with taps (D5), whose G is ``activation``; None of other systems."""
        return None

    def step_jvp(self, state: S, x: Array | None, d_state: S, d_x: Array | None = None) -> S:
        """The tangent of a tick: what it makes of deviations of the state, and of the input.

        The arrays of ``d_state`` broadcast with those of ``state``: one state (1, d) takes many directions (k, d).
        """
        values, directions = states.arrays_of(state), states.arrays_of(d_state)
        if d_x is not None:
            values, directions = [*values, x], [*directions, d_x]

        def tick(*arrays: Array) -> list[Array]:
            given = iter(arrays)
            before = states.rebuilt(state, given)
            return states.arrays_of(self.step(before, x if d_x is None else next(given)))

        return states.rebuilt(state, iter(pushed(tick, values, directions)))

    def step_with_jvp(self, state: S, x: Array | None, d_state: S) -> tuple[S, S]:
        """A tick and its tangent at once, for cells that need the same numbers for both."""
        return self.step(state, x), self.step_jvp(state, x, d_state)

    def step_vjp(self, state: S, x: Array | None, bar: S) -> tuple[S, Array | None, Self]:
        """The cotangent of a tick: of dE/d(state after it) those of the state before, of the input and of the weights.

        The last are a record of the cell's own type, summed over the batch.

        Raises:
            ValueError: a cell of NumPy whose step does not run on tensors and that writes no cotangent of its own.
        """
        names = list(self.weights())
        own = self if is_torch(self.like) else self._with_tensors()
        arrays = [states.as_tensor(a) for a in states.arrays_of(state)]
        weights = [own.weights()[name] for name in names]
        inputs = [] if x is None else [states.as_tensor(x)]
        given = [*arrays, *inputs, *weights]

        def tick(*own_values: Array) -> list[Array]:
            rest = iter(own_values)
            before = states.rebuilt(state, rest)
            seen = None if x is None else next(rest)
            return states.arrays_of(own.with_weights(dict(zip(names, rest, strict=True))).step(before, seen))

        bars = [states.as_tensor(a) for a in states.arrays_of(bar)]
        try:
            found = pulled(tick, given, bars)
            shown = ["the state"] * len(arrays) + ["the input"] * len(inputs) + [f"the weight {n!r}" for n in names]
            check_gradients(self, "cell", shown, lambda *a: states.joined(tuple(tick(*a))), given)
        except (TypeError, RuntimeError, AttributeError) as error:
            got = f"{type(self).__name__}.step raised {error!r:.200}"
            raise ValueError(f"cell: expected a step that runs on tensors, or a step_vjp of its own; {got}") from error
        found = found if is_torch(self.like) else [to_numpy(value) for value in found]
        back = iter(found)
        before = states.rebuilt(state, back)
        x_bar = None if x is None else next(back)
        return before, x_bar, self.with_weights(dict(zip(names, back, strict=True)))

    def readout_jvp(self, state: S, d_state: S) -> tuple[Array, Array]:
        """The tangents of s[n] and r[n]."""
        values, directions = states.arrays_of(state), states.arrays_of(d_state)
        moved = pushed(lambda *a: self.readout(states.rebuilt(state, iter(a))), values, directions)
        return moved[0], moved[1]

    def readout_vjp(self, state: S, s_bar: Array | None, r_bar: Array) -> S:
        """The cotangent of the state from those of s[n] (None for zero) and r[n]."""
        # the readout is a small function of one tick: its Jacobian, one direction at a time
        arrays = states.arrays_of(state)
        bars, first = [], [0 * a for a in arrays]
        for k, array in enumerate(arrays):
            columns = []
            for i in range(array.shape[-1]):
                unit = as_like(np.eye(array.shape[-1])[i], array) + 0 * array
                ds, dr = self.readout_jvp(state, states.rebuilt(state, iter([*first[:k], unit, *first[k + 1 :]])))
                column = (dr * r_bar).sum(-1)
                columns.append(column if s_bar is None else column + (ds * s_bar).sum(-1))
            bars.append(stack(columns, axis=-1))
        return states.rebuilt(state, iter(bars))

    def errors(self, state: S, x: Array | None, bar: S) -> tuple[Array, Array | None]:
        """psi[n] = dE/ds[n] and chi[n] = dE/dr[n] (B1, B2; L7, L9), from the state before tick n and the bar after it.

        chi[n] is None of a cell whose state holds no readout: then E alone reads r[n].

        Raises:
            ValueError: a cell whose readout s is no array of its state, and that does not say this itself.
        """
        after = self.step(state, x)
        arrays, bars = states.arrays_of(after), states.arrays_of(bar)
        found: list[Array | None] = []
        for shown in self.readout(after):
            places = [k for k, array in enumerate(arrays) if array is shown]
            found.append(bars[places[0]] if places else None)
        if found[0] is None:
            raise ValueError(
                f"cell: expected a readout s of an array of the state, or `errors` of its own, of {type(self).__name__}"
            )
        return found[0], found[1]

    def init_vjp(self, s0: Array, bar: S) -> Array:
        """The cotangent of s0 (..., d) from that of the state that ``init`` makes of it."""
        state = self.init(s0)
        places, bars = states.arrays_of(state), states.arrays_of(bar)
        if places and all(array is s0 for array in places):
            return sum(bars[1:], bars[0])
        eye = as_like(np.eye(s0.shape[-1]), s0)
        moved = pushed(lambda *a: states.arrays_of(self.init(a[0])), [s0[..., None, :]], [eye + 0 * s0[..., None, :]])
        # the last axis but one of what moved says along which number of s0
        return sum((along * own[..., None, :]).sum(-1) for along, own in zip(moved, bars, strict=True))

    def init_sums(self, s0: Array, bar: S) -> dict[str, Array]:
        """dE by the weights that the state of ``init`` depends on, by name, from the cotangent of that state.

        Raises:
            ValueError: a cell of NumPy whose init depends on its weights and does not run on tensors.
        """
        weights = self.weights()
        moved = self.with_weights({name: 1.01 * value + 0.01 for name, value in weights.items()})
        both = zip(states.arrays_of(self.init(s0)), states.arrays_of(moved.init(s0)), strict=True)
        if all(bool((a == b).all()) for a, b in both):
            return {}
        own, start = self if is_torch(self.like) else self._with_tensors(), states.as_tensor(s0)
        names, values = list(weights), [own.weights()[name] for name in weights]

        def begun(*given: Array) -> list[Array]:
            return states.arrays_of(own.with_weights(dict(zip(names, given, strict=True))).init(start))

        found = pulled(begun, values, [states.as_tensor(a) for a in states.arrays_of(bar)])
        found = found if is_torch(self.like) else [to_numpy(value) for value in found]
        return dict(zip(names, found, strict=True))

    def prepared_vjp(self, bar: Array) -> Array:
        """The cotangent of the inputs x (N, ..., m) from that of what ``prepare`` makes of them."""
        return bar

    # -- the weights

    def weights(self) -> dict[str, Array]:
        """The arrays that are learned, by name."""
        return states.weights_of(self)

    def with_weights(self, values: dict[str, Array]) -> Self:
        """A copy with these arrays in place of its own, unchecked: a record of gradients is one."""
        return states.with_weights(self, values)

    def plain(self) -> Self:
        """The same system in NumPy, float64, where it can be had: of a dataclass, whose fields are its arrays."""
        return states.plain(self) if is_torch(self.like) and is_dataclass(self) else self

    def _with_tensors(self) -> Self:
        return self.with_weights({name: states.as_tensor(value) for name, value in self.weights().items()})

    def parameter(self, name: str) -> Callable[[float], System]:
        """The function that takes a value to the system in which the number ``name`` has it.

        "gain", a factor on what feeds the readout back (weights W_r, W_v?), or an entry as "W_r[0, 1]".

        Raises:
            ValueError: no such number.
        """
        return changed_weights(self, name)

    def value_of(self, name: str) -> float:
        """The number ``name`` as it is, named as for :meth:`parameter`; for "gain" 1.

        Raises:
            ValueError: no such number.
        """
        return value_of(self, name)

    # -- as a map on vectors

    def parts(self) -> Parts:
        """What the parts of the vector of :meth:`flatten` are, with their lengths.

        Raises:
            ValueError: a system that is no map on vectors.
        """
        state = self.init(as_like(np.zeros(self.width), self.like))
        arrays = states.arrays_of(state)
        named = getattr(type(state), "_fields", ()) if isinstance(state, tuple) else ("s",)
        letters = named if len(named) == len(arrays) else [f"s_{k}" for k in range(len(arrays))]
        return tuple((letter, int(array.shape[-1])) for letter, array in zip(letters, arrays, strict=True))

    @property
    def depth(self) -> int:
        """How many ticks the vector remembers, the latest first, each alike."""
        return 1

    def flatten(self, state: S) -> Array:
        """The state as a vector (..., n)."""
        return states.joined(state)

    def unflatten(self, vector: Array, direction: Array | None, x: Array | None) -> tuple[S, S | None, Array | None]:
        """The state of a vector (..., n), the deviation of it along a direction or None, and what ``step`` gets of x.

        ``x`` is a row of :meth:`driven`.
        """
        form = self.init(as_like(np.zeros(self.width), self.like))
        ends = np.cumsum([length for _, length in self.parts()])[:-1].tolist()
        edges = list(zip([0, *ends], [*ends, vector.shape[-1]], strict=True))
        state = states.rebuilt(form, (vector[..., a:b] for a, b in edges))
        moved = None if direction is None else states.rebuilt(form, (direction[..., a:b] for a, b in edges))
        return state, moved, x

    def driven(self, x: Array) -> Array:
        """What of the inputs x (N, m) each tick of the map sees, one row a tick."""
        return self.prepare(x)

    def settled(self) -> Any:
        """A System or Flow that rests where this one does, and remembers one state alone."""
        return self

    def inner(self) -> tuple[Any, float]:
        """The system that its ticks are made of, and how many ticks of that, or how much time, each takes."""
        return self, 1.0
