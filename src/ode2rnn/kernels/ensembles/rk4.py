"""The Runge-Kutta method "rk4" (the 3/8 rule) for many trajectories of one network equation.  Uses: C9.

The plain twin is torchdiffeq's method of that name.
"""

from __future__ import annotations

import numpy as np

from ode2rnn.kernels.compiling import kernel
from ode2rnn.kernels.elementwise.activations import warp
from ode2rnn.kernels.ensembles.records import EnsembleNetwork, StepGrid
from ode2rnn.kernels.products.batch import COLUMNS, load_weights, multiply, weighted_sum, weights_for

POINTS = np.array([[0.0, 0.0, 0.0], [1 / 3, 0.0, 0.0], [-1 / 3, 1.0, 0.0], [1.0, -1.0, 1.0]])
WEIGHTS = np.array([1.0, 3.0, 3.0, 1.0]) / 8


@kernel
def rk4_blocks(
    network: EnsembleNetwork, steps: StepGrid, share: tuple[int, int], states: np.ndarray, out: np.ndarray
) -> None:
    """Take the steps, COLUMNS trajectories at a time, from trajectory ``share[0]`` to before ``share[1]``.

    Args:
        network: its C is that of the inputs which differ between trajectories, and phi (0, d) where it is in what is
            known; with a set of matrices for each model C is that of all inputs.
        states: s before the first step, (d, N), and after the last.
        out: (rows, d, N).
    """
    code, AB, C, phi, each = network
    h, known, inputs, slots = steps
    begin, end = share
    d = states.shape[0]
    M, size, shared = inputs.shape[2], d * COLUMNS, inputs.shape[3] == 1
    s, z, k = np.zeros(size), np.zeros(2 * size), np.zeros((4, size))
    x, base = np.zeros(M * COLUMNS), np.zeros(size)
    W, V = weights_for(AB), weights_for(C)
    for start in range(begin, end, COLUMNS):
        width = min(COLUMNS, end - start)
        for column in range(COLUMNS):
            n = start + min(column, width - 1)
            for i in range(d):
                s[i * COLUMNS + column] = states[i, n]
                if len(phi) > 0:
                    base[i * COLUMNS + column] = phi[n // each, i]
            load_weights(AB, n // each, column, W)
            load_weights(C, n // each, column, V)
        for n in range(len(h)):
            for stage in range(4):
                _combine(POINTS[stage], stage, h[n], s, k, z[:size])
                rate = k[stage]
                for i in range(d):
                    row, value = rate[i * COLUMNS : (i + 1) * COLUMNS], known[n, stage, i]
                    own = base[i * COLUMNS : (i + 1) * COLUMNS]
                    for column in range(COLUMNS):
                        row[column] = own[column] + value
                for m in range(M):
                    for column in range(width):
                        x[m * COLUMNS + column] = inputs[n, stage, m, 0 if shared else start + column]
                if M > 0:
                    multiply(V, x, rate)
                warp(code, z[:size], z[size:])
                multiply(W, z, rate)
            _combine(WEIGHTS, 4, h[n], s, k, z[:size])
            s[:] = z[:size]
            if slots[n] >= 0:
                _store(s, start, width, out[slots[n]])
        _store(s, start, width, states)


@kernel
def _combine(weights: np.ndarray, n: int, h: float, s: np.ndarray, k: np.ndarray, out: np.ndarray) -> None:
    """out = s + h times the sum over the first n stages; out may not be s."""
    weighted_sum(weights, n, k, out)
    for j in range(len(s)):
        out[j] = s[j] + h * out[j]


@kernel
def _store(block: np.ndarray, start: int, width: int, rows: np.ndarray) -> None:
    for i in range(rows.shape[0]):
        for column in range(width):
            rows[i, start + column] = block[i * COLUMNS + column]
