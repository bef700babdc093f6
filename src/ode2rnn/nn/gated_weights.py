"""The weights of an LSTM stacked gate by gate for its products, and the gradients of the stack by letter again.

Uses: L1 to L5, X1 to X3.  The gates stand in the order du, cu, cs, (cx,) cr, so that what acts on each kind of value
is one matrix: all gates see v[n-1]; cu, cs and cx see s[n-1], and cr alone s[n].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

LETTERS = (
    *("W_xcu", "W_scu", "W_vcu", "b_cu", "W_xcs", "W_scs", "W_vcs", "b_cs", "W_xdu", "W_vdu", "b_du"),
    *("W_xcr", "W_scr", "W_vcr", "b_cr", "W_xcx", "W_scx", "W_vcx", "b_cx", "W_qdr"),
)
PLAIN, EXTERNAL = ("du", "cu", "cs", "cr"), ("du", "cu", "cs", "cx", "cr")
# with the external gate the input term of du is kept apart, behind the gates
INPUTS = {PLAIN: PLAIN, EXTERNAL: ("cu", "cs", "cx", "cr", "du")}


class Stacked(NamedTuple):
    """The weights of k gates; None for what there is not.

    W_x (L, k d, m) in the order of INPUTS, W_v (k d, d_v) and b (k d,) in the order of the gates; W_s of cu, cs and cx
    and W_scr are (2 d or 3 d, d) and (d, d), or as diagonals (2 or 3, 1, d) and (1, 1, d); W_qdr (d_v, d).
    """

    W_x: Tensor
    W_v: Tensor
    b: Tensor | None
    W_s: Tensor | None
    W_scr: Tensor | None
    W_qdr: Tensor | None


class Gradients(NamedTuple):
    """The gradients of stacked weights; None for what was not asked for."""

    W_x: Tensor | None
    W_v: Tensor | None
    b: Tensor | None
    W_s: Tensor | None
    W_scr: Tensor | None
    W_qdr: Tensor | None


def order(weights: Mapping[str, Tensor | None]) -> tuple[str, ...]:
    """The gates of these weights."""
    return PLAIN if weights["W_vcx"] is None else EXTERNAL


def stack(weights: Mapping[str, Tensor | None]) -> Stacked:
    """The stack of these weights. Peepholes of mixed kinds become matrices, missing biases zeros."""
    gates = order(weights)
    blocks = [_window(weights[f"W_x{gate}"]) for gate in INPUTS[gates]]
    W_x = torch.cat(blocks, 1)
    W_v = torch.cat([_given(weights[f"W_v{gate}"]) for gate in gates])
    d = len(W_v) // len(gates)
    biases = [weights[f"b_{gate}"] for gate in gates]
    b = None
    if any(bias is not None for bias in biases):
        b = torch.cat([W_v.new_zeros(d) if bias is None else bias for bias in biases])
    peepholes = [weights[f"W_s{gate}"] for gate in gates[1:]]
    W_s = W_scr = None
    rank = max(0 if W is None else W.ndim for W in peepholes)
    if rank:
        *some, last = (_peephole(W, rank, W_v, d) for W in peepholes)
        W_s, W_scr = torch.cat(some), last
    return Stacked(W_x, W_v, b, W_s, W_scr, weights["W_qdr"])


def by_letter(weights: Mapping[str, Tensor | None], stacked: Gradients) -> Iterator[Tensor | None]:
    """What ``stacked``, gradients of a stack of ``weights``, says of each letter, in the order of LETTERS."""
    gates = order(weights)
    W_x, W_v, b, W_s, W_scr, W_qdr = stacked
    found: dict[str, Tensor | None] = {"W_qdr": W_qdr}
    if W_x is not None:
        found |= zip([f"W_x{gate}" for gate in INPUTS[gates]], W_x.chunk(len(gates), 1), strict=True)
    if W_v is not None:
        found |= zip([f"W_v{gate}" for gate in gates], W_v.chunk(len(gates)), strict=True)
    if b is not None:
        found |= zip([f"b_{gate}" for gate in gates], b.chunk(len(gates)), strict=True)
    if W_s is not None:
        found |= zip([f"W_s{gate}" for gate in gates[1:-1]], W_s.chunk(len(gates) - 2), strict=True)
    if W_scr is not None:
        found["W_scr"] = W_scr
    for letter in LETTERS:
        weight, gradient = weights[letter], found.get(letter)
        if weight is None or gradient is None:
            yield None
        elif gradient.numel() > weight.numel():  # a diagonal among matrices
            yield gradient.diagonal()
        else:
            yield gradient.reshape(weight.shape)


def as_mapping(weights: Sequence[Tensor | None]) -> dict[str, Tensor | None]:
    """Weights in the order of LETTERS, by letter."""
    return dict(zip(LETTERS, weights, strict=True))


def _given(W: Tensor | None) -> Tensor:
    assert W is not None
    return W


def _window(W: Tensor | None) -> Tensor:
    """W_x as (L, d, m)."""
    W = _given(W)
    return W if W.ndim == 3 else W[None]


def _peephole(W: Tensor | None, rank: int, like: Tensor, d: int) -> Tensor:
    """A peephole as a matrix (rank 2), or as a diagonal (1, 1, d) (rank 1)."""
    if W is None:
        W = like.new_zeros(d)
    return W if W.ndim == 2 else torch.diag(W) if rank == 2 else W[None, None]
