"""The weights of a cell, and how many parameters it has.  Uses: S3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ode2rnn.core.arrays import brief_cell, check_choice, to_numpy
from ode2rnn.discrete.canonical import CanonicalRNN, TappedRNN
from ode2rnn.gated.augmented import AugmentedLSTM
from ode2rnn.gated.gru import GRU
from ode2rnn.gated.vanilla import VanillaLSTM


def weights(cell: Any) -> dict[str, Any]:
    """The arrays of a cell by letter, of a tapped cell by letter and lag, without those that are None.

    Raises:
        ValueError: no CanonicalRNN, TappedRNN, VanillaLSTM, AugmentedLSTM or GRU.
    """
    if not isinstance(cell, CanonicalRNN | TappedRNN | VanillaLSTM | AugmentedLSTM | GRU):
        raise ValueError(
            f"cell: expected a CanonicalRNN or TappedRNN, VanillaLSTM, AugmentedLSTM or GRU, got {brief_cell(cell)}"
        )
    values = {field.name: getattr(cell, field.name) for field in fields(cell)}
    return {name: value for name, value in values.items() if isinstance(value, Mapping) or hasattr(value, "shape")}


def parameter_count(cell: Any, convention: str = "own") -> int:
    """How many numbers are learned in ``cell``; of no sequence length does it depend (S3, S7).

    With d states and m inputs: the standard RNN d (d + m + 1); the Vanilla LSTM without peepholes 4 d (d + m + 1),
    with full ones 3 d^2 more; the GRU 3 d (d + m + 1), three quarters of that, and d more with reset_after.

    Args:
        cell: CanonicalRNN (a standard RNN, W_s = 0, has no W_s), TappedRNN, VanillaLSTM, AugmentedLSTM or GRU.
        convention: "own", each number once; "keras", which keeps two biases for each gate of a GRU with reset_after,
            3 d (d + m + 2) in all; "torch", which keeps two biases everywhere.

    Raises:
        ValueError: another cell, or another convention.

    Example:
        >>> zero = dict.fromkeys(["W_xz", "W_vz", "b_z", "W_xr", "W_vr", "b_r", "W_xh", "W_vh", "b_h"], 0.0)
        >>> parameter_count(GRU(**zero, reset_after=False)), parameter_count(CanonicalRNN(0.0, 1.0, 1.0, 0.0))
        (9, 3)
    """
    check_choice("convention", convention, ("own", "keras", "torch"))
    arrays: list[Any] = []
    for value in weights(cell).values():
        arrays += value.values() if isinstance(value, Mapping) else [value]
    count = sum(to_numpy(array).size for array in arrays)
    if isinstance(cell, CanonicalRNN) and not to_numpy(cell.W_s).any():
        count -= to_numpy(cell.W_s).size
    d = cell.width
    if isinstance(cell, GRU) and cell.reset_after and convention != "own":
        return count + 2 * d
    doubled = {GRU: 3, CanonicalRNN: 1, TappedRNN: 1}.get(type(cell), 4)
    return count + (doubled * d if convention == "torch" else 0)
