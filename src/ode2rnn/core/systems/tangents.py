"""Derivatives of functions that come without one: by automatic differentiation in torch, else by differences.

Uses: B4.  A function takes arrays to arrays, the last axis of each being a vector; all others are the batch.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from functools import cache, reduce
from types import ModuleType
from typing import Any

import numpy as np

from ode2rnn.core.arrays import Array, is_torch

Function = Callable[..., Sequence[Array]]

# central differences of order 4: what is cut off and what is rounded are alike, about 1e-12
STEP = float(np.finfo(float).eps) ** 0.2
OFFSETS = ((1.0, 2 / 3), (-1.0, -2 / 3), (2.0, -1 / 12), (-2.0, 1 / 12))


def pushed(function: Function, values: Sequence[Array], directions: Sequence[Array]) -> list[Array]:
    """The derivatives of ``function`` at ``values`` along ``directions``, whose shapes broadcast with theirs.

    Raises:
        ValueError: a function whose derivative is not finite where its value is (a kink at the end of its domain).
    """
    if any(is_torch(value) for value in (*values, *directions)):
        return _by_duals(function, values, directions)
    return _by_differences(function, values, directions)


def pulled(function: Function, values: Sequence[Array], bars: Sequence[Array]) -> list[Array]:
    """The gradients of sum(bar * result) by each of the ``values``, tensors; zeros where nothing depends."""
    torch = sys.modules["torch"]
    again = torch.is_grad_enabled() and any(v.requires_grad for v in (*values, *bars))
    with torch.enable_grad():
        # names of their own: a value may have been made of another one, whose gradient it must not add to
        leaves = [v.view_as(v) if again and v.requires_grad else v.detach().requires_grad_() for v in values]
        results = function(*leaves)
        total: Any = sum((bar * result).sum() for bar, result in zip(bars, results, strict=True))
        found = torch.autograd.grad(total, leaves, create_graph=again, allow_unused=True, materialize_grads=True)
    return list(found)


def jacobian_of(function: Callable[[np.ndarray], np.ndarray], s: np.ndarray) -> np.ndarray:
    """The Jacobian (..., m, n) of a function of vectors (..., n)."""
    n = s.shape[-1]
    along = np.broadcast_to(np.eye(n), (*s.shape, n))
    return pushed(lambda v: [function(v)], [s[..., None, :]], [along])[0].swapaxes(-1, -2)


def _by_differences(function: Function, values: Sequence[np.ndarray], directions: Sequence[np.ndarray]) -> list[Array]:
    # one length for all arrays of a member: it is one direction in the space of all of them
    pairs = list(zip(values, directions, strict=True))
    scale: Any = 1 + reduce(np.maximum, [np.abs(v).max(axis=-1, keepdims=True, initial=0.0) for v in values])
    squares = [(np.asarray(d) ** 2).sum(axis=-1, keepdims=True) for _, d in pairs]
    length = np.sqrt(sum(squares[1:], squares[0]))
    h = STEP * scale / np.where(length > 0, length, 1.0)
    total: list[Any] = []
    with np.errstate(all="ignore"):  # what is not finite is told by who asked
        for offset, weight in OFFSETS:
            moved = function(*(v + offset * h * d for v, d in pairs))
            parts = [weight * np.asarray(result, dtype=float) / h for result in moved]
            total = [a + b for a, b in zip(total, parts, strict=True)] if total else parts
    return total


def _by_duals(function: Function, values: Sequence[Array], directions: Sequence[Array]) -> list[Array]:
    torch, forward_ad = sys.modules["torch"], _duals()
    with forward_ad.dual_level():
        duals = []
        for value, direction in zip(values, directions, strict=True):
            shape = np.broadcast_shapes(tuple(value.shape), tuple(direction.shape))
            # a dual needs memory of its own
            duals.append(forward_ad.make_dual(value.expand(shape).contiguous(), direction.expand(shape).contiguous()))
        moved = [forward_ad.unpack_dual(result) for result in function(*duals)]
        return [torch.zeros_like(value) if along is None else along for value, along in moved]


@cache
def _duals() -> ModuleType:
    """torch's forward differentiation; what it loads on first use warns of itself."""
    import torch
    from torch.autograd import forward_ad

    with warnings.catch_warnings(), forward_ad.dual_level():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.tanh(forward_ad.make_dual(torch.zeros(1), torch.ones(1)))
    return forward_ad
