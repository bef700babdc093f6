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
    (d, d_v), gates, W_s = sizes, order(weights), weights["W_scu"]
    window, diagonal = weights["W_xcu"].shape[:-2], W_s is not None and W_s.ndim == 1
    shapes = {"W_x": (*window, d, x.shape[2]), "W_v": (d, d_v), "W_s": (d,) if diagonal else (d, d), "W_q": (d_v, d)}
    given = {
        letter: door.array(letter, W, shapes.get(letter[:3], (d,)), dtype)
        for letter in LETTERS
        if (W := weights[letter]) is not None
    }
    W_x, none = [given[f"W_x{gate}"] for gate in gates], np.zeros(d, dtype)
    biases = [given.get(f"b_{gate}", none) for gate in gates]
    if len(gates) == 5:  # the input term of du stands apart, behind all else
        W_x, biases = [np.zeros_like(W_x[0]), *W_x[1:], W_x[0]], [*biases, none]
    peepholes = [given[f"W_s{gate}"] for gate in gates[1:] if f"W_s{gate}" in given]
    full, empty = [] if diagonal else peepholes, np.zeros((0, d), dtype)
    return Stacked(
        np.concatenate(W_x, axis=-2).reshape((-1, len(biases) * d, x.shape[2])),
        np.concatenate(biases),
        np.concatenate([given[f"W_v{gate}"] for gate in gates]),
        np.concatenate(full[:-1]) if full else empty,
        full[-1] if full else empty,
        np.stack(peepholes) if diagonal else empty,
        given.get("W_qdr", empty),
    )


def weight_gradients(Z: Tensor, gates: Sequence[str], kinds: set[str], acted_on: ActedOn) -> dict[str, Tensor]:
    """The gradients by letter, L11 and X7: sums over all ticks of Z (N batch, row) with what each weight acts on.

    ``kinds`` are those that are wanted, of "W_x", "W_v", "b" and "W_s".
    """
    found: dict[str, Tensor] = {}
    d, z = acted_on.s.shape[1], Z.T
    end = len(gates) * d

    def take(what: str, order: Sequence[str], whole: Tensor) -> None:
        parts = whole.unflatten(0, (len(order), d)).unbind()
        found.update(zip((what + gate for gate in order), parts, strict=True))

    def peepholes(order: Sequence[str], begin: int, state: Tensor) -> None:
        part = z[begin : begin + len(order) * d]
        if acted_on.diagonal:
            take("W_s", order, (part.view(len(order), d, -1) * state.T).sum(-1).flatten())
        else:
            take("W_s", order, part @ state)

    if "W_x" in kinds:
        first, order = (d, (*gates[1:], "du")) if Z.shape[1] > end else (0, gates)
        # few inputs: this side of the product is the faster one
        parts = [(x.T @ Z[:, first:]).T.contiguous() for x in acted_on.x]
        take("W_x", order, parts[0] if len(parts) == 1 else torch.stack(parts, 1))
    if "W_v" in kinds:
        take("W_v", gates, z[:end] @ acted_on.v)
    if "b" in kinds:
        take("b_", gates, Z.sum(0)[:end])
    if "W_s" in kinds:
        peepholes(gates[1:-1], d, acted_on.s)
        peepholes(gates[-1:], end - d, acted_on.s_next)
    return found
