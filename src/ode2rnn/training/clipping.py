"""Clipping of gradients by their norm.

Uses: B5.  Source: "RNN Training Difficulties"; Pascanu, Mikolov and Bengio (2013).

A step along a clipped gradient keeps its direction and has a bounded length: that cures exploding gradients, whose
fault is their length. Vanishing gradients are short already, so clipping leaves them alone; and no factor could help,
because what has vanished is the share of early samples in the sum B3, which a common factor does not change.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from ode2rnn.core.arrays import check_positive, to_numpy
from ode2rnn.discrete.canonical import CanonicalRNN, TappedRNN, as_tapped

Record = TypeVar("Record", bound=CanonicalRNN | TappedRNN)
NAMES = ("W_s", "W_r", "W_x", "theta_s")


def parameters(record: CanonicalRNN | TappedRNN) -> np.ndarray:
    """All of W_s, W_r, W_x, theta_s in one vector, float64, by name and rising lag."""
    tapped = as_tapped(record)
    matrices = [taps[lag] for taps in (tapped.W_s, tapped.W_r, tapped.W_x) for lag in sorted(taps)]
    return np.concatenate([to_numpy(array).ravel() for array in (*matrices, tapped.theta_s)])


def norm(record: CanonicalRNN | TappedRNN) -> float:
    """The Euclidean norm of all parameters together; it overflows only where a number does."""
    values = parameters(record)
    largest = float(np.abs(values).max())
    return largest * float(np.linalg.norm(values / largest)) if largest else 0.0


def clip(gradients: Record, most: float) -> tuple[Record, float]:
    """The gradients, shortened to the norm ``most`` where they are longer, and their norm before.

    Args:
        gradients: a record of gradients, as `bptt` returns it.
        most: the largest norm of all parameters together, > 0.

    Raises:
        ValueError: no record, or most <= 0.

    Example:
        >>> record = CanonicalRNN(W_s=0.0, W_r=30.0, W_x=40.0, theta_s=0.0)
        >>> shorter, before = clip(record, 1.0)
        >>> shorter.W_r, shorter.W_x, before
        (array([[0.6]]), array([[0.8]]), 50.0)
    """
    most, before = check_positive("most", most), norm(gradients)
    if before <= most:
        return gradients, before
    factor = most / before
    if isinstance(gradients, CanonicalRNN):
        changed: dict[str, Any] = {n: getattr(gradients, n) for n in NAMES if getattr(gradients, n) is not None}
        return replace(gradients, **{n: factor * array for n, array in changed.items()}), before
    taps: dict[str, Any] = {n: {k: factor * W for k, W in getattr(gradients, n).items()} for n in NAMES[:3]}
    return replace(gradients, theta_s=factor * gradients.theta_s, **taps), before
