"""What the canonical RNN becomes when the sampling step is long.

Home of: D7.  Source: "The Roots of RNN" (the assumption behind the standard RNN).

D7  A diagonal with a_ii < 0: w_ii = 1 / (1 + |a_ii| dT). For |a_ii| dT >> 1: W_s -> 0 and W_r -> -A^-1 B,
    W_x -> -A^-1 C, theta_s -> -A^-1 phi. The same holds for every invertible A.
"""

from __future__ import annotations

import numpy as np

from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.core.arrays import Array, as_like, is_torch, to_numpy
from ode2rnn.discrete.canonical import CanonicalRNN


def quasi_static(model: ContinuousRNN) -> CanonicalRNN:
    """The limit dT -> infinity of the canonical RNN of ``model`` (D7): a standard RNN (D8), W_s = 0.

    With the input held it is the fixed-point iteration s <- -A^-1 (B G(s) + C x + phi) for the equilibrium of C9.

    Raises:
        ValueError: a model that is not a ContinuousRNN, or a singular A, which has no such limit.

    Example:
        >>> quasi_static(ContinuousRNN(A=-2.0, B=1.0, C=4.0, phi=6.0)).W_x
        array([[2.]])
    """
    if not isinstance(model, ContinuousRNN):
        raise ValueError(f"model: expected a ContinuousRNN, got {type(model).__name__}")
    A = model.state[0].dense()
    if np.linalg.cond(to_numpy(A)) > 1e12:
        raise ValueError("A: expected an invertible matrix, got a singular one: some state has no leak to rest on")

    def settled(value: Array) -> Array:
        if is_torch(A):
            import torch

            return -torch.linalg.solve(A, value)
        return -np.linalg.solve(A, value)

    W_x = settled(model.input[0].dense()) if model.input else None
    zero = as_like(np.zeros(tuple(A.shape)), A)
    theta = settled(model.phi)
    return CanonicalRNN(zero, settled(model.readout[0].dense()), W_x, theta, activation=model.activation)
