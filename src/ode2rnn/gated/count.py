"""The weights of a cell, and how many parameters it has.  Uses: S3."""

from __future__ import annotations

import numpy as np

from ode2rnn.core.arrays import Array, brief_cell, check_choice, to_numpy
from ode2rnn.core.systems.system import System
from ode2rnn.discrete.canonical import CanonicalRNN
from ode2rnn.gated.gru import GRU


def weights(cell: System) -> dict[str, Array]:
    """The arrays of a cell by letter, of a tapped cell by letter and lag as in "W_r[2]", without those that are None.

    Raises:
        ValueError: no System.
    """
    if not isinstance(cell, System):
        raise ValueError(f"cell: expected a System such as a CanonicalRNN, VanillaLSTM or GRU, got {brief_cell(cell)}")
    return cell.weights()


def parameter_count(cell: System, convention: str = "own") -> int:
    """How many numbers are learned in ``cell``; of no sequence length does it depend (S3, S7).

    With d states and m inputs: the standard RNN d (d + m + 1); the Vanilla LSTM without peepholes 4 d (d + m + 1),
    with full ones 3 d^2 more; the GRU 3 d (d + m + 1), three quarters of that, and d more with reset_after.

    Args:
        cell: any System by its weights: a CanonicalRNN (a standard RNN, W_s = 0, has no W_s), VanillaLSTM, GRU, ...
        convention: "own", each number once; "keras", which keeps two biases for each gate of a GRU with reset_after,
            3 d (d + m + 2) in all; "torch", which keeps two biases everywhere.

    Raises:
        ValueError: no System, or another convention.

    Example:
        >>> zero = dict.fromkeys(["W_xz", "W_vz", "b_z", "W_xr", "W_vr", "b_r", "W_xh", "W_vh", "b_h"], 0.0)
        >>> parameter_count(GRU(**zero, reset_after=False)), parameter_count(CanonicalRNN(0.0, 1.0, 1.0, 0.0))
        (9, 3)
    """
    check_choice("convention", convention, ("own", "keras", "torch"))
    held = weights(cell)
    count = sum(int(np.prod(W.shape)) for W in held.values())
    if isinstance(cell, CanonicalRNN) and not to_numpy(cell.W_s).any():
        count -= to_numpy(cell.W_s).size
    d = cell.width
    if isinstance(cell, GRU) and cell.reset_after and convention != "own":
        return count + 2 * d
    biases = [name for name in held if name.rpartition(".")[2].startswith(("b", "theta"))]
    return count + (len(biases) * d if convention == "torch" else 0)
