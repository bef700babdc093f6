"""What back-propagation through time returns, and how it reads its arguments.  Uses: B1, B2, L7, L9."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ode2rnn.core.arrays import Array, all_finite, check_array
from ode2rnn.core.trajectory import SimulationError, Trajectory


@dataclass(frozen=True, eq=False)
class Backward:
    """What :func:`bptt` returns; it unpacks as ``gradients, x_bar, psi = bptt(...)``.

    Attributes:
        gradients: dE / d parameter, as a record of the cell's own type: gradients.W_r is dE/dW_r, and so on.
        x_bar: dE/dx[n], of the shape of x; None for a cell without input.
        psi: dE/ds[n], (N, ..., d).
        chi: dE/dr[n], (N, ..., d); for a gated cell dE/dv[n], (N, ..., d_v). The r_bar that was given, of a cell that
            makes r[n] of its state again wherever it is needed, such as a Sampled model.
        s0_bar: dE/ds[-1], of the shape of s0; a state of the cell's own (Memory, LSTMState) where s0 was one.
        trajectory: the forward run.
    """

    gradients: Any
    x_bar: Array | None
    psi: Array
    chi: Array
    s0_bar: Any
    trajectory: Trajectory

    def __iter__(self) -> Iterator[Any]:
        return iter((self.gradients, self.x_bar, self.psi))


def cotangent(name: str, value: Any, like: Array) -> Array:
    """``value`` as an array of the shape and kind of ``like``, which a run gave."""
    array = check_array(name, value, like=like)
    if array.ndim == 1 and tuple(like.shape[1:]) == (1,):
        array = array[:, None]
    if tuple(array.shape) != tuple(like.shape):
        raise ValueError(f"{name}: expected shape {tuple(like.shape)}, that of the run, got {tuple(array.shape)}")
    return array


def summed(value: Array, shape: tuple[int, ...], first: int = 0) -> Array:
    """``value`` summed over the axes along which an array of ``shape`` was repeated, from axis ``first`` on."""
    missing = (1,) * (value.ndim - len(shape))
    for axis, length in enumerate((*shape[:first], *missing, *shape[first:])):
        if length == 1 and value.shape[axis] != 1:
            value = value.sum(axis, keepdims=True)
    return value.reshape(shape)


def check_growth(psi: Sequence[Array], others: Iterable[Array | None] = ()) -> None:
    """Refuse gradients that overflowed; ``psi``: by samples."""
    lost = [n for n, value in enumerate(psi) if not all_finite(value)]
    if lost or not all(value is None or all_finite(value) for value in others):
        where = f", at sample {lost[-1]} of {len(psi)}" if lost else ""
        raise SimulationError(
            f"the gradients overflowed on the way back{where}: the error grows from tick to tick; take shorter"
            " segments, or smaller weights"
        )
