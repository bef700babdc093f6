"""Clipping of gradients by their norm.

Uses: B5.  Source: "RNN Training Difficulties"; Pascanu, Mikolov and Bengio (2013).

A step along a clipped gradient keeps its direction and has a bounded length: that cures exploding gradients, whose
fault is their length. Vanishing gradients are short already, so clipping leaves them alone; and no factor could help,
because what has vanished is the share of early samples in the sum B3, which a common factor does not change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from ode2rnn.core.arrays import check_positive, to_numpy
from ode2rnn.gated.count import weights

Record = TypeVar("Record", bound=Any)


def parameters(record: Any) -> np.ndarray:
    """All weights of a cell or of a record of gradients in one vector, float64, by name and rising lag."""
    arrays: list[Any] = []
    for value in weights(record).values():
        arrays += [value[lag] for lag in sorted(value)] if isinstance(value, Mapping) else [value]
    return np.concatenate([to_numpy(array).ravel() for array in arrays])


def norm(record: Any) -> float:
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
        >>> from ode2rnn import CanonicalRNN
        >>> record = CanonicalRNN(W_s=0.0, W_r=30.0, W_x=40.0, theta_s=0.0)
        >>> shorter, before = clip(record, 1.0)
        >>> shorter.W_r, shorter.W_x, before
        (array([[0.6]]), array([[0.8]]), 50.0)
    """
    most, before = check_positive("most", most), norm(gradients)
    if before <= most:
        return gradients, before
    factor = most / before

    def shorter(value: Any) -> Any:
        return {lag: factor * W for lag, W in value.items()} if isinstance(value, Mapping) else factor * value

    return replace(gradients, **{name: shorter(value) for name, value in weights(gradients).items()}), before
