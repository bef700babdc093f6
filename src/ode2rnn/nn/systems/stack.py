"""Cells one above the other as a System: a tick is one of each of them, from the lowest to the top.

Uses: D5, L6, X3, S3.  The vector of a state is what torch calls hx: h of every cell, and then c of every LSTM.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np

from ode2rnn.core.arrays import Array, concatenate
from ode2rnn.core.systems import states
from ode2rnn.core.systems.system import Parts, System

# the order in which torch has the parts of a state
ORDER = ("h", "s", "c")


class StackState(NamedTuple):
    """The state of each cell, the lowest first."""

    cells: tuple[object, ...]


class Part(NamedTuple):
    """A part of the vector of a stack: its name, the cell, and where it lies in that cell's own vector."""

    letter: str
    cell: int
    place: slice


@dataclass(frozen=True, eq=False)
class Stack(System[StackState]):
    """Cells one above the other, each over the new readout of the one below.

    Its s[n] are the states s of all cells side by side, its r[n] the readout of the top cell.

    Args:
        cells: the lowest first; the input of each but the lowest is as wide as the readout below it.

    Raises:
        ValueError: widths that do not fit, a cell above the lowest that sees other inputs than its own (X1).

    Example:
        >>> from ode2rnn import CanonicalRNN
        >>> stack = Stack((CanonicalRNN(0.5, 0.2, 1.0, 0.0), CanonicalRNN(0.1, 0.3, 2.0, 0.0)))
        >>> stack.input_width, stack.parts()
        (1, (('s of layer 0', 1), ('s of layer 1', 1)))
    """

    cells: tuple[System, ...]

    def __post_init__(self) -> None:
        for below, cell in zip(self.cells[:-1], self.cells[1:], strict=True):
            if cell.input_width != below.readout_width:
                raise ValueError(f"cells: expected inputs as wide as the readout below, got {cell.input_width}")
            if any(cell.window):
                raise ValueError(
                    f"system: expected layers above the lowest that see their own input alone, got a window"
                    f" {cell.window}, (behind, ahead): the readouts that it sees are not there at one tick"
                )
        object.__setattr__(self, "dt", float(self.cells[0].dt))
        self.__dict__.update(width=sum(cell.width for cell in self.cells), input_width=self.cells[0].input_width)

    @property
    def like(self) -> Array:
        """An array of the cells' kind."""
        return self.cells[0].like

    @property
    def layers(self) -> tuple[System, ...]:
        """The cells, the lowest first."""
        return self.cells

    @property
    def State(self) -> type:
        """The type of the states that init and step return."""
        return StackState

    @property
    def readout_width(self) -> int:
        """The width of the top cell's readout."""
        return self.cells[-1].readout_width

    @property
    def window(self) -> tuple[int, int]:
        """That of the lowest cell."""
        return self.cells[0].window

    def prepare(self, x: Array) -> Array:
        """What the lowest cell sees of the inputs at each tick."""
        return self.cells[0].prepare(x)

    def prepared_vjp(self, bar: Array) -> Array:
        """The cotangent of the inputs."""
        return self.cells[0].prepared_vjp(bar)

    def init(self, s0: Array) -> StackState:
        """The state with s0 (..., width), the states s of all cells side by side."""
        return StackState(tuple(cell.init(part) for cell, part in zip(self.cells, self._split(s0), strict=True)))

    def init_vjp(self, s0: Array, bar: StackState) -> Array:
        """The cotangent of s0."""
        own = zip(self.cells, self._split(s0), bar.cells, strict=True)
        return concatenate([cell.init_vjp(part, of) for cell, part, of in own], axis=-1)

    def resume(self, state: StackState, batch: tuple[int, ...]) -> StackState:
        """Each cell's state, checked by it."""
        return StackState(tuple(cell.resume(own, batch) for cell, own in zip(self.cells, state.cells, strict=True)))

    def _split(self, s: Array) -> list[Array]:
        ends = np.cumsum([0, *(cell.width for cell in self.cells)]).tolist()
        return [s[..., a:b] for a, b in zip(ends[:-1], ends[1:], strict=True)]

    # -- a tick, its tangent and its cotangent

    def _ticks(self, state: StackState, x: Array | None) -> Iterator[tuple[System, object, Array | None, object]]:
        """Cell by cell: it, its state before, its input, and its state after."""
        for cell, own in zip(self.cells, state.cells, strict=True):
            after = cell.step(own, x)
            yield cell, own, x, after
            x = cell.readout(after)[1]

    def step(self, state: StackState, x: Array | None) -> StackState:
        """A tick of every cell."""
        return StackState(tuple(after for *_, after in self._ticks(state, x)))

    def step_jvp(self, state: StackState, x: Array | None, d_state: StackState, d_x: Array | None = None) -> StackState:
        """The tangent of every tick, along that of the readout below."""
        moved = []
        for (cell, own, seen, after), along in zip(self._ticks(state, x), d_state.cells, strict=True):
            moved.append(cell.step_jvp(own, seen, along, d_x))
            d_x = cell.readout_jvp(after, moved[-1])[1]
        return StackState(tuple(moved))

    def _backward(
        self, state: StackState, x: Array | None, bar: StackState
    ) -> Iterator[tuple[System, object, Array | None, object, tuple[object, Array | None, System]]]:
        """From the top down: a cell, its state before, its input, the cotangent after it, and its step_vjp."""
        x_bar: Array | None = None
        for k, (cell, own, seen, after) in reversed(list(enumerate(self._ticks(state, x)))):
            total = bar.cells[k]
            if x_bar is not None:  # the readout is the input of the cell above
                total = states.added(total, cell.readout_vjp(after, None, x_bar))
            pulled = cell.step_vjp(own, seen, total)
            x_bar = pulled[1]
            yield cell, own, seen, total, pulled

    def step_vjp(self, state: StackState, x: Array | None, bar: StackState) -> tuple[StackState, Array | None, Self]:
        """The cotangent of every tick, from the top down."""
        found = [pulled for *_, pulled in self._backward(state, x, bar)][::-1]
        record = replace(self, cells=tuple(cell for *_, cell in found))
        return StackState(tuple(before for before, *_ in found)), found[0][1], record

    def errors(self, state: StackState, x: Array | None, bar: StackState) -> tuple[Array, Array | None]:
        """psi[n] of all cells side by side, and chi[n] of the top one."""
        found = [cell.errors(own, seen, total) for cell, own, seen, total, _ in self._backward(state, x, bar)]
        return concatenate([psi for psi, _ in found[::-1]], axis=-1), found[0][1]

    # -- the readout

    def readout(self, state: StackState) -> tuple[Array, Array]:
        """s[n] of all cells side by side, and the readout of the top cell."""
        shown = [cell.readout(own) for cell, own in zip(self.cells, state.cells, strict=True)]
        return concatenate([s for s, _ in shown], axis=-1), shown[-1][1]

    def readout_jvp(self, state: StackState, d_state: StackState) -> tuple[Array, Array]:
        """The tangents of both."""
        every = zip(self.cells, state.cells, d_state.cells, strict=True)
        shown = [cell.readout_jvp(own, along) for cell, own, along in every]
        return concatenate([s for s, _ in shown], axis=-1), shown[-1][1]

    def readout_vjp(self, state: StackState, s_bar: Array | None, r_bar: Array) -> StackState:
        """The cotangent of the state."""
        parts = [None] * len(self.cells) if s_bar is None else self._split(s_bar)
        bars = []
        for k, (cell, own, part) in enumerate(zip(self.cells, state.cells, parts, strict=True)):
            top = k == len(self.cells) - 1
            bars.append(cell.readout_vjp(own, part, r_bar if top else 0 * cell.readout(own)[1]))
        return StackState(tuple(bars))

    def by_states(self) -> Self:
        """The stack of cells that go by their states."""
        return replace(self, cells=tuple(cell.by_states() for cell in self.cells))

    def carousel(self, state: StackState, x: Array | None) -> Array | None:
        """The gate that carries the state of the only cell (T7); None of several."""
        return self.cells[0].carousel(state.cells[0], x) if len(self.cells) == 1 else None

    def contraction(self, s: Array) -> float:
        """That of the only cell (B5); of several none is known."""
        return self.cells[0].contraction(s) if len(self.cells) == 1 else float("inf")

    # -- the weights

    def weights(self) -> dict[str, Array]:
        """Those of every cell, by its own names and the layer, as "W_r_l0"."""
        return {f"{name}_l{k}": W for k, cell in enumerate(self.cells) for name, W in cell.weights().items()}

    def with_weights(self, values: Mapping[str, Array]) -> Self:
        """The stack with these arrays."""
        cells = []
        for k, cell in enumerate(self.cells):
            end = f"_l{k}"
            cells.append(cell.with_weights({n.removesuffix(end): W for n, W in values.items() if n.endswith(end)}))
        return replace(self, cells=tuple(cells))

    def plain(self) -> Self:
        """The stack in NumPy."""
        return replace(self, cells=tuple(cell.plain() for cell in self.cells))

    # -- as a map on vectors: what torch calls hx

    @cached_property
    def _parts(self) -> list[Part]:
        parts = []
        for k, cell in enumerate(self.cells):
            own, at = dict(cell.parts()), 0
            for letter, length in own.items():
                # of an LSTM torch calls v h, and s c; the canonical RNN has its s in the place of h
                name = {"s": "c" if "v" in own else "s", "v": "h"}.get(letter, letter)
                parts.append(Part(name, k, slice(at, at + length)))
                at += length
        return sorted(parts, key=lambda part: (ORDER.index(part.letter), part.cell))

    def parts(self) -> Parts:
        """h, or s, of every cell, and then c of every cell of an LSTM."""
        many = len(self.cells) > 1
        return tuple(
            (f"{p.letter} of layer {p.cell}" if many else p.letter, p.place.stop - p.place.start) for p in self._parts
        )

    def flatten(self, state: StackState) -> Array:
        """The state as a vector."""
        own = [cell.flatten(part) for cell, part in zip(self.cells, state.cells, strict=True)]
        return concatenate([own[part.cell][..., part.place] for part in self._parts], axis=-1)

    def unflatten(
        self, vector: Array, direction: Array | None, x: Array | None
    ) -> tuple[StackState, StackState | None, Array | None]:
        """The state of a vector, and the deviation of it that a direction is."""
        values, along = self._of_cells(vector), None if direction is None else self._of_cells(direction)
        seen, found, moved = x, [], []
        for k, cell in enumerate(self.cells):
            own = cell.unflatten(values[k], None if along is None else along[k], x if k == 0 else None)
            found.append(own[0])
            moved.append(own[1])
            seen = own[2] if k == 0 else seen
        return StackState(tuple(found)), None if along is None else StackState(tuple(moved)), seen

    def _of_cells(self, vector: Array) -> list[Array]:
        """The own vector of every cell."""
        found: list[list[tuple[int, Array]]] = [[] for _ in self.cells]
        at = 0
        for part in self._parts:
            length = part.place.stop - part.place.start
            found[part.cell].append((part.place.start, vector[..., at : at + length]))
            at += length
        return [concatenate([v for _, v in sorted(own, key=lambda pair: pair[0])], axis=-1) for own in found]

    def driven(self, x: Array) -> Array:
        """What of the inputs the lowest cell sees at every tick."""
        return self.cells[0].driven(x)
