"""The fast path of `run` for recursions with registered activations: the whole loop over ticks in one kernel.

Uses: D5.  The plain path is the loop in core.run over the step of the cell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ode2rnn import kernels
from ode2rnn.core.activations import as_activation
from ode2rnn.core.arrays import Array, is_torch
from ode2rnn.discrete.memory import Memory, MemoryCell
from ode2rnn.kernels.elementwise.codes import activation_code
from ode2rnn.kernels.products.packing import packed
from ode2rnn.kernels.recursions.records import PackedTaps

# shorter runs are over before the kernels are loaded
LEAST_TICKS = 50
TICK = 2e-5  # seconds, about, of a tick in plain NumPy


def scan(
    cell: MemoryCell,
    W_s: Mapping[int, Array],
    W_r: Mapping[int, Array],
    W_x: Mapping[int, Array],
    memory: Memory,
    x: Array | None,
    ticks: int,
) -> tuple[np.ndarray, np.ndarray] | None:
    """s[-1 .. N-1] (N + 1, ..., d) and r[0 .. N-1] (N, ..., d), finite or not, of an explicit cell with its taps.

    None where there is no kernel: in torch, and for an activation of the user's own. Fewer ticks after an interrupt.
    """
    code = activation_code(as_activation(cell.activation))
    if code is None or ticks < LEAST_TICKS or is_torch(cell.like) or not kernels.pays("run_ticks", TICK * ticks):
        return None

    shapes = [value.shape[:-1] for values in memory for value in values if value is not None]
    batch = np.broadcast_shapes(*shapes, () if x is None else x.shape[1:-1])
    d, depth, count = cell.width, max(len(memory.s), len(memory.r)), math.prod(batch)
    flat = [np.empty((depth + ticks, count, d)) for _ in range(2)]
    S, R = (a.reshape((-1, *batch, d)) for a in flat)
    for buffer, past in ((S, memory.s), (R, memory.r)):
        for k in range(depth):
            buffer[depth - 1 - k] = past[min(k, len(past) - 1)]
    inputs, forcing = _inputs(memory, x, ticks, batch), cell.theta_s
    for lag, W in W_x.items():
        begin = len(inputs) - ticks - lag
        forcing = forcing + inputs[begin : begin + ticks] @ np.transpose(W)
    forcing = np.broadcast_to(forcing, (ticks, *(np.shape(forcing)[1:-1] or (1,)), d))
    terms, forcing = taps([*W_s.items()], [*W_r.items()]), np.ascontiguousarray(forcing)
    begin = 0
    try:
        for begin, end in kernels.stretches(ticks, 2.0 * count * d * d * len(terms.lags)):
            kernels.run_ticks(code, terms, forcing[begin:end], depth, *(a[begin : depth + end] for a in flat))
    except KeyboardInterrupt:  # what is missing says so
        S, R = S[: depth + begin], R[: depth + begin]
    return S[depth - 1 :], R[depth:]


def taps(state: Sequence[tuple[int, Array]], readout: Sequence[tuple[int, Array]]) -> PackedTaps:
    """Matrices by lag, of s and of r, as the kernel takes them."""

    kinds, terms = np.repeat([0, 1], [len(state), len(readout)]), [*state, *readout]
    matrices = np.array([packed(np.asarray(W, dtype=float), kernels.panel_width(np.dtype(float))) for _, W in terms])
    return PackedTaps(kinds, np.array([lag for lag, _ in terms], dtype=np.int64), matrices)


def _inputs(memory: Memory, x: np.ndarray | None, ticks: int, batch: tuple[int, ...]) -> np.ndarray:
    """The inputs with those of before the first tick, (depth_x + N, batch, m), or (depth_x + N, 1, m) where shared."""
    if x is None:
        return np.zeros((ticks, 1, 0))
    m = x.shape[-1]
    past = [np.zeros(m) if value is None else value for value in reversed(memory.x)]
    shared = all(value.ndim == 1 for value in (x[0], *past))
    full = (1,) if shared else batch
    if not past and x.shape[1:-1] == full:
        return np.ascontiguousarray(x).reshape((ticks, -1, m))
    joined = np.empty((len(past) + ticks, *full, m))
    for k, value in enumerate(past):
        joined[k] = value
    joined[len(past) :] = x.reshape((ticks, *(1,) * (len(full) + 2 - x.ndim), *x.shape[1:]))
    return joined.reshape((len(joined), -1, m))
