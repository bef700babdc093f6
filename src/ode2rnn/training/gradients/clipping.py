"""Clipping of gradients by their norm.

Uses: B5.  Source: "RNN Training Difficulties"; Pascanu, Mikolov and Bengio (2013).

A step along a clipped gradient keeps its direction and has a bounded length: that cures exploding gradients, whose
fault is their length. Vanishing gradients are short already, so clipping leaves them alone; and no factor could help,
because what has vanished is the share of early samples in the sum B3, which a common factor does not change.
"""

from __future__ import annotations

import re
from typing import TypeVar

import numpy as np

from ode2rnn.core.arrays import check_positive, to_numpy
from ode2rnn.core.run import check_system
from ode2rnn.core.systems.system import System

Record = TypeVar("Record", bound=System)
LAG = re.compile(r"\[(\d+)\]")


def parameters(record: System) -> np.ndarray:
    """All weights of a cell or of a record of gradients in one vector, float64, by name and rising lag."""
    weights = check_system(record).weights()
    letters = list(dict.fromkeys(LAG.sub("[]", name) for name in weights))

    def place(name: str) -> tuple[int, list[int]]:
        return letters.index(LAG.sub("[]", name)), [int(lag) for lag in LAG.findall(name)]

    return np.concatenate([to_numpy(weights[name]).ravel() for name in sorted(weights, key=place)])


def norm(record: System) -> float:
    """The Euclidean norm of all parameters together; it overflows only where a number does."""
    values = parameters(record)
    largest = float(np.abs(values).max(initial=0.0))
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
    shorter = {name: most / before * value for name, value in gradients.weights().items()}
    return gradients.with_weights(shorter), before
