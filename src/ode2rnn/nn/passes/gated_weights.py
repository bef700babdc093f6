"""The weights of an LSTM by letter, and the order of its gates where they are stacked.

Uses: L1 to L5, X1 to X3.  The gates stand in the order du, cu, cs, (cx,) cr, so that what acts on each kind of value
is one matrix: all gates see v[n-1]; cu, cs and cx see s[n-1], and cr alone s[n].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

PLAIN, EXTERNAL = ("du", "cu", "cs", "cr"), ("du", "cu", "cs", "cx", "cr")

Weights = Mapping[str, Any]  # letter -> Tensor, or None for what there is not


def order(weights: Weights) -> tuple[str, ...]:
    """The gates of these weights."""
    return PLAIN if weights["W_vcx"] is None else EXTERNAL


def uniform(weights: Weights) -> Weights:
    """The same weights with peepholes of one kind: matrices where some are and others are not."""
    kinds = {gate: 0 if weights[f"W_s{gate}"] is None else weights[f"W_s{gate}"].ndim for gate in order(weights)[1:]}
    most = max(kinds.values())
    if min(kinds.values()) == most:
        return weights
    whole = dict(weights)
    for gate, rank in kinds.items():
        if rank < most:
            W = weights[f"W_v{gate}"].new_zeros(len(weights[f"W_v{gate}"])) if rank == 0 else weights[f"W_s{gate}"]
            whole[f"W_s{gate}"] = W if most == 1 else torch.diag(W)
    return whole
