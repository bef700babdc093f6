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


def check_gradients(
    owner: object, name: str, shown: Sequence[str], function: Callable[..., Array], values: Sequence[Array]
) -> None:
    """Refuse a function of tensors that loses a gradient on the way to its value, as one that makes a float of them.

    Found out once for every ``owner`` and its copies.

    Raises:
        ValueError: a value changes the result, and no gradient arrives.
    """
    torch = sys.modules["torch"]
    sound: set[tuple[str, ...]] = vars(owner).setdefault("_sound", set())
    if tuple(shown) in sound:
        return
    leaves = [v.detach().clone().requires_grad_() for v in values]
    with warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore")  # of torch, which warns of some ways to lose a gradient
        result = function(*leaves)
        weight = 1 + torch.arange(result.numel(), dtype=result.dtype, device=result.device).reshape(result.shape) / 7
        total, found = (weight * result).sum(), [None] * len(leaves)
        if total.requires_grad:
            found = list(torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True))
        with torch.no_grad():
            size, own = float((weight * result).abs().sum()), float(total)
            for k, (label, leaf) in enumerate(zip(shown, leaves, strict=True)):
                # along what got no gradient; where there is one it is believed, it may be a surrogate
                along = 1 + torch.arange(leaf.numel(), dtype=leaf.dtype, device=leaf.device).reshape(leaf.shape) / 3
                along = along if found[k] is None else torch.where(found[k] == 0, along, 0.0)

                def moved(h: float, k: int = k, along: Array = along) -> float:
                    given = [leaf + h * along if i == k else leaf for i, leaf in enumerate(leaves)]
                    return float((weight * function(*given)).sum())

                # a difference of two lengths: what is rounded in float32 on the way is no gradient that is lost
                if along.any() and all(_changes(own, moved(h), moved(-h), h, size) for h in (1e-4, 1e-2)):
                    raise ValueError(
                        f"{name}: expected a value through which gradients flow; {label} changes it, and its gradient"
                        " is lost on the way, as by float(), .item(), .detach() or NumPy"
                    )
    sound.add(tuple(shown))


def _changes(own: float, ahead: float, behind: float, h: float, size: float) -> bool:
    """Whether differences to both sides say that there is a slope; at a kink one of them may be zero."""
    one, other = ahead - own, own - behind
    return bool(np.isfinite([one, other]).all()) and min(abs(one), abs(other)) > 1e-2 * h**2 * size and one * other > 0


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
