"""The weights of an LSTM, given letter by letter, checked and stacked as the kernels and the products take them.

A row of activations holds du, cu, cs, cr, each d numbers, or with an external gate du, cu, cs, cx, cr and, apart from
du, its input term xi.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ode2rnn.gated.augmented import LETTERS
from ode2rnn.kernels import door
from ode2rnn.kernels.products.packing import packed
from ode2rnn.nn.passes.gated_weights import Weights, order


class Rows(NamedTuple):
    """What a row of activations is made of: the gates in their order, and the number of states."""

    gates: tuple[str, ...]
    d: int

    @property
    def length(self) -> int:
        """How many numbers a row has."""
        return (6 if len(self.gates) == 5 else 4) * self.d

    def place(self, gate: str, inputs: bool = False) -> slice:
        """Where a gate stands in a row, or its input term.

        Example:
            >>> Rows(("du", "cu", "cs", "cr"), 2).place("cs")
            slice(4, 6, None)
        """
        i = 5 if inputs and len(self.gates) == 5 and gate == "du" else self.gates.index(gate)
        return slice(i * self.d, (i + 1) * self.d)


class ActedOn(NamedTuple):
    """What the weights act on, in as many rows as there are ticks and sequences: the inputs, one tensor for each place
    in a window, the readouts before each tick, and the states before and after it; and whether peepholes are diagonal.
    """

    x: list[Tensor]
    v: Tensor
    s: Tensor
    s_next: Tensor
    diagonal: bool


class Stacked(NamedTuple):
    """Weights of all gates, where kernels.layers.gated.Packed takes them but not yet packed, and those of the inputs.

    Attributes:
        W_x, bias: in the rows of activations, (L, row, m) and (row,), zero where there are none.
        v, s, cr, diagonal, q: (gates d, d_v), ((gates - 2) d, d), (d, d), (gates - 1, d), (d_v, d); without rows where
            there are none.
    """

    W_x: np.ndarray
    bias: np.ndarray
    v: np.ndarray
    s: np.ndarray
    cr: np.ndarray
    diagonal: np.ndarray
    q: np.ndarray

    def packed(self, panel: int, transposed: bool) -> tuple[np.ndarray, ...]:
        """v, s, cr, diagonal and q, packed as they are, or transposed for the backward pass."""
        v, s, cr, q = (packed(W.T if transposed and len(W) else W, panel) for W in (self.v, self.s, self.cr, self.q))
        return v, s, cr, self.diagonal, q


def stacked(x: Tensor, weights: Weights, sizes: tuple[int, int], dtype: np.dtype) -> Stacked:
    """The weights for inputs x, of d states and d_v readouts.

    Raises:
        ValueError: a weight whose shape, precision or memory is not what these ask for.
    """
    (d, d_v), rows = sizes, Rows(order(weights), sizes[0])
    W_s, window = weights["W_scu"], weights["W_xcu"].shape[:-2]
    diagonal = W_s is not None and W_s.ndim == 1
    shapes = {"W_x": (*window, d, x.shape[2]), "W_v": (d, d_v), "W_s": (d,) if diagonal else (d, d), "W_q": (d_v, d)}
    given = {
        letter: door.array(letter, weights[letter], shapes.get(letter[:3], (d,)), dtype)
        for letter in LETTERS
        if weights[letter] is not None
    }
    W_x = np.zeros((*(window or (1,)), rows.length, x.shape[2]), dtype)
    bias = np.zeros(rows.length, dtype)
    for gate in rows.gates:
        W_x[:, rows.place(gate, True)] = given[f"W_x{gate}"]
        if f"b_{gate}" in given:
            bias[rows.place(gate)] = given[f"b_{gate}"]
    peepholes = [given[f"W_s{gate}"] for gate in rows.gates[1:] if f"W_s{gate}" in given]
    full, none = [] if diagonal else peepholes, np.zeros((0, d), dtype)
    return Stacked(
        W_x,
        bias,
        np.concatenate([given[f"W_v{gate}"] for gate in rows.gates]),
        np.concatenate(full[:-1]) if full else none,
        full[-1] if full else none,
        np.stack(peepholes) if diagonal else none,
        given.get("W_qdr", none),
    )


def weight_gradients(Z: Tensor, rows: Rows, kinds: set[str], acted_on: ActedOn) -> dict[str, Tensor]:
    """The gradients by letter, L11 and X7: sums over all ticks of Z (N batch, row) with what each weight acts on.

    ``kinds`` are those that are wanted, of "W_x", "W_v", "b" and "W_s".
    """
    found: dict[str, Tensor] = {}
    d, gates, z = rows.d, rows.gates, Z.T
    end = len(gates) * d

    def take(what: str, order: Sequence[str], whole: Tensor) -> None:
        found.update(zip((f"{what}{gate}" for gate in order), whole.split(d), strict=True))

    def peepholes(order: Sequence[str], begin: int, state: Tensor) -> None:
        part = z[begin : begin + len(order) * d]
        if acted_on.diagonal:
            take("W_s", order, (part.view(len(order), d, -1) * state.T).sum(-1).flatten())
        else:
            take("W_s", order, part @ state)

    if "W_x" in kinds:
        first, order = (d, (*gates[1:], "du")) if rows.length > end else (0, gates)
        parts = [z[first:] @ x for x in acted_on.x]
        take("W_x", order, parts[0] if len(parts) == 1 else torch.stack(parts, 1))
    if "W_v" in kinds:
        take("W_v", gates, z[:end] @ acted_on.v)
    if "b" in kinds:
        take("b_", gates, Z.sum(0)[:end])
    if "W_s" in kinds:
        peepholes(gates[1:-1], d, acted_on.s)
        peepholes(gates[-1:], end - d, acted_on.s_next)
    return found
