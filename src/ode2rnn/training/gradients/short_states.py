"""The way back through all ticks at once, where the state is short: their matrices first, then one product a tick.

Uses: B1, B2, B3.  The plain way is the loop over the ticks in `bptt`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ode2rnn.core.arrays import Array, is_torch
from ode2rnn.core.run import Remembered
from ode2rnn.core.systems import states
from ode2rnn.core.systems.system import System
from ode2rnn.discrete.unroll import spread

LARGEST = 64  # numbers of all states of a tick: of longer ones the matrix costs more than the cotangent


class Back(NamedTuple):
    """What came back through the ticks.

    Attributes:
        psi: dE/ds[n], (N, ..., d).
        chi: dE/dr[n], (N, ..., d_r).
        x_bars: dE by what each tick saw of the input; None of a cell without input.
        sums: dE by the weights, by name.
        bar: dE by the state before the first tick.
    """

    psi: Array
    chi: Array
    x_bars: Any
    sums: dict[str, Array]
    bar: Any


def back_at_once(cell: System, forward: Remembered, of_s: Array | None, of_r: Array, length: int | None) -> Back | None:
    """The way back through a run, or None where its states are long, tensors, or no arrays alone.

    Args:
        cell: what ran.
        forward: its run.
        of_s, of_r: dE by s[n] and r[n] as E reads them itself.
        length: ticks of a segment, through whose end nothing comes back; None for one segment.
    """
    batch, x = tuple(forward.trajectory.s.shape[1:-1]), forward.trajectory.x
    # differences are no substitute for a tangent of the cell's own
    if is_torch(forward.trajectory.s) or type(cell).step_jvp is System.step_jvp:
        return None
    before, after = states.stacked(forward.states[:-1], batch), states.stacked(forward.states[1:], batch)
    if before is None or after is None:
        return None
    widths = [array.shape[-1] for array in states.arrays_of(before)]
    size = sum(widths)
    if size * int(np.prod(batch)) > LARGEST:
        return None

    def split(whole: Array) -> Any:
        parts: Iterator[Array] = iter(np.split(whole, np.cumsum(widths)[:-1], axis=-1))
        return states.rebuilt(before, parts)

    seen = None if x is None else cell.prepare(spread(x, batch))
    # row i of a tick's matrix is its tangent along number i of the state before it
    along = None if seen is None else np.expand_dims(seen, 1 + len(batch))
    wide = states.mapped(lambda array: array[..., None, :], before)
    matrices = states.joined(cell.step_jvp(wide, along, split(np.eye(size))))
    if matrices.shape[-1] != size:
        return None  # a memory of inputs, whose deviations are no part of the tangent of the state
    zero = states.mapped(lambda array: 0 * array, after)
    bars = states.joined(states.added(zero, cell.readout_vjp(after, of_s, of_r)))
    for n in range(len(bars) - 2, -1, -1):
        if length is None or (n + 1) % length:
            bars[n] += (matrices[n + 1] @ bars[n + 1][..., None])[..., 0]
    # with dE by the state after every tick at hand, all else is a batch of ticks
    ends = split(bars)
    psi, chi = cell.errors(before, seen, ends)
    _, x_bars, record = cell.step_vjp(before, seen, ends)
    first = split((matrices[0] @ bars[0][..., None])[..., 0])
    return Back(psi, of_r if chi is None else chi, x_bars, record.weights(), first)
