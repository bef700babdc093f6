"""The Runge-Kutta method "rk4" (the 3/8 rule) for many trajectories of one network equation.  Uses: C9.

The plain twin is torchdiffeq's method of that name.
"""

from __future__ import annotations

import numpy as np

from ode2rnn.kernels.compiling import kernel
from ode2rnn.kernels.elementwise.float64 import warp
from ode2rnn.kernels.products.batch import LANES, load_weights, multiply, weights_for

THIRD = 1 / 3


@kernel
def rk4_blocks(
    code: int,
    AB: np.ndarray,
    C: np.ndarray,
    phi: np.ndarray,
    each: int,
    h: np.ndarray,
    known: np.ndarray,
    inputs: np.ndarray,
    slots: np.ndarray,
    begin: int,
    end: int,
    states: np.ndarray,
    out: np.ndarray,
) -> None:
    """Take steps of the lengths h (P,), LANES trajectories at a time, from trajectory ``begin`` to before ``end``.

    Args:
        AB: [A, B] (d, 2 d); or (Q, d, 2 d), for each Q-th of the trajectories its own, ``each`` of them.
        C: (d, M), for inputs that differ between the trajectories; or (Q, d, M), for all inputs.
        phi: (Q, d), with C; else it is in ``known``, and this is (0, d).
        known: bias and the input that all share, at the four stages of each step, (P, 4, d).
        inputs: the inputs for C, (P, 4, M, N) or (P, 4, M, 1); M is 0 where there are none.
        slots: the row of ``out`` that takes the state after each step, or -1, (P,).
        states: s before the first step, (d, N), and after the last.
        out: (rows, d, N).
    """
    d = states.shape[0]
    M, size, shared = inputs.shape[2], d * LANES, inputs.shape[3] == 1
    s, z, k = np.zeros(size), np.zeros(2 * size), np.zeros((4, size))
    x, base = np.zeros(M * LANES), np.zeros(size)
    W, V = weights_for(AB), weights_for(C)
    for start in range(begin, end, LANES):
        width = min(LANES, end - start)
        for lane in range(LANES):
            n = start + min(lane, width - 1)
            for i in range(d):
                s[i * LANES + lane] = states[i, n]
                if len(phi) > 0:
                    base[i * LANES + lane] = phi[n // each, i]
            load_weights(AB, n // each, lane, W)
            load_weights(C, n // each, lane, V)
        for n in range(len(h)):
            for stage in range(4):
                _point(stage, h[n], s, k, z)
                rate = k[stage]
                for i in range(d):
                    row, value = rate[i * LANES : (i + 1) * LANES], known[n, stage, i]
                    own = base[i * LANES : (i + 1) * LANES]
                    for lane in range(LANES):
                        row[lane] = own[lane] + value
                for m in range(M):
                    for lane in range(width):
                        x[m * LANES + lane] = inputs[n, stage, m, 0 if shared else start + lane]
                if M > 0:
                    multiply(V, x, rate)
                warp(code, z[:size], z[size:])
                multiply(W, z, rate)
            _advance(h[n], s, k)
            if slots[n] >= 0:
                _store(s, start, width, out[slots[n]])
        _store(s, start, width, states)


@kernel
def _point(stage: int, h: float, s: np.ndarray, k: np.ndarray, z: np.ndarray) -> None:
    k0, k1, k2 = k[0], k[1], k[2]
    if stage == 0:
        for j in range(len(s)):
            z[j] = s[j]
    elif stage == 1:
        for j in range(len(s)):
            z[j] = s[j] + h * THIRD * k0[j]
    elif stage == 2:
        for j in range(len(s)):
            z[j] = s[j] + h * (k1[j] - THIRD * k0[j])
    else:
        for j in range(len(s)):
            z[j] = s[j] + h * (k0[j] - k1[j] + k2[j])


@kernel
def _advance(h: float, s: np.ndarray, k: np.ndarray) -> None:
    k0, k1, k2, k3 = k[0], k[1], k[2], k[3]
    for j in range(len(s)):
        s[j] += 0.125 * h * (k0[j] + 3.0 * (k1[j] + k2[j]) + k3[j])


@kernel
def _store(block: np.ndarray, start: int, width: int, rows: np.ndarray) -> None:
    for i in range(rows.shape[0]):
        for lane in range(width):
            rows[i, start + lane] = block[i * LANES + lane]
