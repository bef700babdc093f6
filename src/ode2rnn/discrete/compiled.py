"""The fast path of `run` for recursions with registered activations: the whole loop over ticks in one kernel.

Uses: D5.  The plain path is the loop in core.system over the step of the cell.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ode2rnn.core.activations import as_activation
from ode2rnn.core.arrays import Array, is_torch
from ode2rnn.discrete.canonical import CanonicalRNN
from ode2rnn.discrete.memory import Memory, MemoryCell
from ode2rnn.discrete.tapped import TappedRNN
from ode2rnn.kernels import compiled
from ode2rnn.kernels.codes import activation_code

# shorter runs are over before the kernels are loaded
LEAST_TICKS = 50


def scan(cell: MemoryCell, memory: Memory, x: Array | None, ticks: int) -> tuple[np.ndarray, np.ndarray] | None:
    """s[-1 .. N-1] (N + 1, ..., d) and r[0 .. N-1] (N, ..., d), finite or not; None where there is no kernel.

    There is one for CanonicalRNN and explicit TappedRNN in NumPy with a registered activation.
    """
    code = activation_code(as_activation(cell.activation))
    if code is None or ticks < LEAST_TICKS or not compiled() or is_torch(cell.like):
        return None
    if type(cell) is CanonicalRNN:
        taps = [{1: cell.W_s}, {cell.lag: cell.W_r}]
        W_x: Mapping[int, Array] = {} if cell.W_x is None else {0: cell.W_x}
    elif type(cell) is TappedRNN and 0 not in cell.W_r:
        taps, W_x = [dict(cell.W_s), dict(cell.W_r)], cell.W_x
    else:
        return None
    return _run(code, taps, W_x, cell.theta_s, memory, x, ticks)


def _run(
    code: int,
    taps: list[dict[int, Array]],
    W_x: Mapping[int, Array],
    theta: np.ndarray,
    memory: Memory,
    x: np.ndarray | None,
    ticks: int,
) -> tuple[np.ndarray, np.ndarray]:
    from ode2rnn.kernels.product import LANES
    from ode2rnn.kernels.ticks import run_blocks, run_vectors

    shapes = [value.shape[:-1] for values in memory for value in values if value is not None]
    batch = np.broadcast_shapes(*shapes, () if x is None else x.shape[1:-1])
    d, depth = len(theta), max(len(memory.s), len(memory.r))
    S, R = (np.empty((depth + ticks, *batch, d)) for _ in range(2))
    for buffer, past in ((S, memory.s), (R, memory.r)):
        for k in range(depth):
            buffer[depth - 1 - k] = past[min(k, len(past) - 1)]
    S[depth:] = theta
    for lag, matrix in W_x.items():
        _add_input(S[depth:], lag, matrix, memory, x)
    flat = tuple(buffer.reshape((depth + ticks, -1, d)) for buffer in (S, R))
    kinds = np.repeat([0, 1], [len(by_lag) for by_lag in taps])
    lags = np.array([lag for by_lag in taps for lag in by_lag], dtype=np.int64)
    W = np.array([matrix for by_lag in taps for matrix in by_lag.values()]).reshape((-1, d, d))
    # a block costs the same with few trajectories in it as with all
    count = flat[0].shape[1]
    rest = count % LANES
    blocked = count if rest * (8 + d) > 16 * d + 64 else count - rest
    if blocked:
        run_blocks(code, kinds, lags, W, *flat, depth, blocked)
    if blocked < count:
        WT = np.ascontiguousarray(W.transpose(0, 2, 1))
        run_vectors(code, kinds, lags, WT, *flat, depth, blocked)
    return S[depth - 1 :], R[depth:]


def _add_input(U: np.ndarray, lag: int, matrix: np.ndarray, memory: Memory, x: np.ndarray | None) -> None:
    """U[n] += W_x[lag] x[n - lag]; inputs of before the first tick come from the memory, where it has any."""
    for n in range(min(lag, len(U))):
        past = memory.x[lag - 1 - n]
        if past is not None:
            U[n] += past @ matrix.T
    if x is not None and lag < len(U):
        values = x[: len(U) - lag] @ matrix.T
        missing = (1,) * (U.ndim - values.ndim)
        U[lag:] += values.reshape((len(values), *missing, *values.shape[1:]))
