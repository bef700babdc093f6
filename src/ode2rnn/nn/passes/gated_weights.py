"""The weights of an LSTM stacked gate by gate for its products, and the gradients of the stack by letter again.

Uses: L1 to L5, X1 to X3.  The gates stand in the order du, cu, cs, (cx,) cr, so that what acts on each kind of value
is one matrix: all gates see v[n-1]; cu, cs and cx see s[n-1], and cr alone s[n].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

LETTERS = (
    *("W_xcu", "W_scu", "W_vcu", "b_cu", "W_xcs", "W_scs", "W_vcs", "b_cs", "W_xdu", "W_vdu", "b_du"),
    *("W_xcr", "W_scr", "W_vcr", "b_cr", "W_xcx", "W_scx", "W_vcx", "b_cx", "W_qdr"),
)
PLAIN, EXTERNAL = ("du", "cu", "cs", "cr"), ("du", "cu", "cs", "cx", "cr")
# with the external gate the input term of du is kept apart, behind the gates
INPUTS = {PLAIN: PLAIN, EXTERNAL: ("cu", "cs", "cx", "cr", "du")}


Weights = Mapping[str, Any]  # letter -> Tensor, or None for what there is not


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


def order(weights: Weights) -> tuple[str, ...]:
    """The gates of these weights."""
    return PLAIN if weights["W_vcx"] is None else EXTERNAL


def uniform(weights: Weights) -> Weights:
    """The same weights with peepholes of one kind: matrices where some are and others are not."""
    kinds = {gate: 0 if (W := weights[f"W_s{gate}"]) is None else W.ndim for gate in order(weights)[1:]}
    most = max(kinds.values())
    if min(kinds.values()) == most:
        return weights
    whole = dict(weights)
    for gate, rank in kinds.items():
        if rank < most:
            W = weights[f"W_v{gate}"].new_zeros(len(weights[f"W_v{gate}"])) if rank == 0 else weights[f"W_s{gate}"]
            whole[f"W_s{gate}"] = W if most == 1 else torch.diag(W)
    return whole


def stack(weights: Weights) -> Stacked:
    """The stack of these weights, with peepholes of one kind and zeros for missing biases."""
    gates = order(weights)
    W_x = torch.cat([W if W.ndim == 3 else W[None] for W in (weights[f"W_x{gate}"] for gate in INPUTS[gates])], 1)
    W_v = torch.cat([weights[f"W_v{gate}"] for gate in gates])
    biases = [weights[f"b_{gate}"] for gate in gates]
    b = W_s = W_scr = None
    if any(bias is not None for bias in biases):
        zeros = W_v.new_zeros(len(W_v) // len(gates))
        b = torch.cat([zeros if bias is None else bias for bias in biases])
    if weights["W_scr"] is not None:
        some = [weights[f"W_s{gate}"] for gate in gates[1:]]
        *some, W_scr = (W if W.ndim == 2 else W[None, None] for W in some)
        W_s = torch.cat(some)
    return Stacked(W_x, W_v, b, W_s, W_scr, weights["W_qdr"])


def by_letter(weights: Weights, stacked: Gradients) -> Iterator[Tensor | None]:
    """What ``stacked``, the gradients of a stack of ``weights``, says of each letter, in the order of LETTERS."""
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
        yield None if weight is None or gradient is None else gradient.reshape(weight.shape)


def as_mapping(weights: Sequence[Tensor | None]) -> dict[str, Tensor | None]:
    """Weights in the order of LETTERS, by letter."""
    return dict(zip(LETTERS, weights, strict=True))
