"""Back-propagation through time, as the paper writes it.

Home of: B1, B2, B3.  Source: "RNN Training Difficulties".

B1  chi[n] = dE/dr[n] = (partial E / partial r[n]) + W_r^T psi[n+1]
B2  psi[n] = dE/ds[n] = chi[n] * G'(s[n]) + W_s^T psi[n+1],   psi[N] = 0       (the standard RNN has no W_s)
B3  dE/dW_r = sum_n psi[n] r[n-1]^T,   dE/dW_x = sum_n psi[n] x[n]^T,   dE/dtheta_s = sum_n psi[n],
    dE/dW_s = sum_n psi[n] s[n-1]^T

A cell with taps has one such term for every lag k: W_r[k]^T psi[n+k] in chi[n], and so on. An undelayed readout,
k = 0, has W_r[0]^T psi[n] in chi[n], so that psi[n] solves a linear equation.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ode2rnn.core.activations import as_activation
from ode2rnn.core.arrays import (
    Array,
    as_like,
    broadcast_to,
    check_count,
    check_flag,
    concatenate,
    is_torch,
    stack,
)
from ode2rnn.core.run import run
from ode2rnn.discrete.canonical import CanonicalRNN, TappedRNN, as_tapped
from ode2rnn.discrete.memory import Memory
from ode2rnn.discrete.unroll import Position, Unrolled, spread, unroll
from ode2rnn.gated.cell import GatedCell
from ode2rnn.training.backward import Backward, check_growth, cotangent, summed
from ode2rnn.training.gated_bptt import gated_bptt


def bptt(
    cell: CanonicalRNN | TappedRNN | GatedCell | Unrolled,
    x: Any,
    r_bar: Array | Callable[[Array], Array],
    s0: Any = None,
    *,
    s_bar: Any = None,
    segment: int | None = None,
    carry: bool = True,
) -> Backward:
    """Gradients of an objective E of the readouts, by back-propagation through time (B1-B3).

    Args:
        cell: the canonical RNN, the standard RNN (W_s = 0), a cell with taps, a VanillaLSTM or an AugmentedLSTM
            (L7-L11, X4-X7; their readout r is v); or one of them unrolled, which has its own segments.
        x: inputs (N, ..., m), as `run` takes them.
        r_bar: partial E / partial r[n], of the shape of the readouts (N, ..., d); or a function that takes the
            readouts of the forward run to it.
        s0: s[-1], or the cell's own state, as `run` takes it.
        s_bar: partial E / partial s[n], (N, ..., d), where E depends on the states themselves.
        segment: truncated BPTT, the errors flow back within segments of this many samples; the whole sequence by
            default.
        carry: with ``segment``: the forward state goes on from segment to segment (True), or is set to zero at the
            start of each, which is the unrolled network (False).

    Returns:
        Backward: gradients, x_bar, psi, chi, s0_bar and the forward run. NumPy arrays, or tensors where the cell
        holds tensors (differentiable again where they ask for gradients).

    Raises:
        ValueError: another kind of cell, wrong shapes, NaN.
        SimulationError: the forward run or the gradients overflowed.

    Example:
        >>> cell = CanonicalRNN(W_s=0.0, W_r=0.9, W_x=1.0, theta_s=0.0, activation="identity")
        >>> gradients, x_bar, psi = bptt(cell, np.ones(4), r_bar=[0.0, 0.0, 0.0, 1.0])
        >>> psi.ravel()
        array([0.729, 0.81 , 0.9  , 1.   ])
        >>> gradients.theta_s
        array([3.439])
    """
    if isinstance(cell, Unrolled):
        return bptt(cell.cell, x, r_bar, s0, s_bar=s_bar, segment=cell.length, carry=False)
    if not isinstance(cell, CanonicalRNN | TappedRNN):
        return gated_bptt(cell, x, r_bar, s0, s_bar, segment, carry)
    tapped = as_tapped(cell)
    length = None if segment is None else check_count("segment", segment)
    carried = check_flag("carry", carry) or length is None
    forward = run(cell if carried or length is None else unroll(cell, length), x, _start(s0, carried))
    s, r = forward.s, forward.r
    N = len(s)
    K = N if length is None else min(length, N)
    given = {
        "r_bar": cotangent("r_bar", r_bar(r) if callable(r_bar) else r_bar, s),
        "s_bar": None if s_bar is None else cotangent("s_bar", s_bar, s),
    }
    memory = s0 if isinstance(s0, Memory) else cell.init(_begin(s0, s))
    with np.errstate(all="ignore"):  # overflow is told below
        psi, chi = sweep(tapped, s, K, **given)
        pasts = {"s": s, "r": r, "x": None if forward.x is None else spread(forward.x, tuple(s.shape[1:-1]))}
        sums = {
            f"W_{name}": {
                lag: _outer(psi, _past(pasts[name], getattr(memory, name), lag, K, carried, tapped, name))
                for lag in getattr(tapped, f"W_{name}")
            }
            for name in "srx"
        }
        theta_bar = psi.reshape((-1, tapped.width)).sum(0)
    everything = [psi, theta_bar, *(matrix for by_lag in sums.values() for matrix in by_lag.values())]
    check_growth(everything)
    memory_bar = _memory_bar(tapped, memory, psi, K)
    return Backward(
        _record(cell, sums, theta_bar),
        _input_bar(tapped, forward.x, psi, K, carried),
        psi,
        chi,
        memory_bar if isinstance(s0, Memory) else _start_bar(tapped, s0, memory, memory_bar),
        forward,
    )


def sweep(cell: TappedRNN, s: Array, K: int, r_bar: Array, s_bar: Array | None = None) -> tuple[Array, Array]:
    """psi and chi (N, ..., d) by B1 and B2 over states s (N, ..., d), the errors cut at the end of every K samples."""
    slopes = as_activation(cell.activation).slope(s)
    N = len(s)
    psi: list[Any] = [None] * N
    chi: list[Any] = [None] * N
    delayed = [(lag, W) for lag, W in cell.W_r.items() if lag > 0]
    now = cell.W_r.get(0)
    for n in range(N - 1, -1, -1):
        end = min(N, (n // K + 1) * K)
        total = r_bar[n]
        for lag, W in delayed:
            if n + lag < end:
                total = total + psi[n + lag] @ W
        past: Any = 0.0 if s_bar is None else s_bar[n]
        for lag, W in cell.W_s.items():
            if n + lag < end:
                past = past + psi[n + lag] @ W
        psi[n] = total * slopes[n] + past
        if now is not None:
            psi[n] = _implicit(psi[n], now, slopes[n])
            total = total + psi[n] @ now
        chi[n] = total
    return stack(psi), stack(chi)


def _implicit(right: Array, W: Array, slope: Array) -> Array:
    """psi with psi = right + slope * (W^T psi)."""
    matrix = as_like(np.eye(W.shape[0]), W) - slope[..., :, None] * W.T
    linalg: Any = sys.modules["torch"].linalg if is_torch(W) else np.linalg
    return linalg.solve(matrix, right[..., None])[..., 0]


def _start(s0: Any, carried: bool) -> Any:
    """s0 in the form that `run` takes."""
    if carried or not isinstance(s0, Memory):
        return s0
    return Position(0, s0)


def _begin(s0: Any, s: Array) -> Array:
    """s[-1] (..., d), already checked by the run."""
    start = as_like(np.zeros(s.shape[-1]) if s0 is None else s0, s)
    return broadcast_to(start.reshape((1,)) if start.ndim == 0 else start, tuple(s.shape[1:]))


def _past(values: Array, before: tuple[Any, ...], lag: int, K: int, carried: bool, cell: TappedRNN, name: str) -> Array:
    """values[n - lag] for every n, with what was before the first tick, and with nothing before a zeroed segment."""
    if lag == 0:
        return values
    count, row = len(values), tuple(values.shape[1:])
    empty = as_like(np.zeros(row), values)
    rows = [empty if before[lag - 1 - n] is None else broadcast_to(before[lag - 1 - n], row) for n in range(lag)]
    shifted = concatenate([stack(rows), values[:-lag]] if lag < count else [stack(rows[:count])])
    if carried:
        return shifted
    at = np.arange(count)
    new = as_like(((at >= K) & (at % K < lag)).reshape((-1, *(1,) * len(row))).astype(float), values)
    rest = as_activation(cell.activation).value(empty) if name == "r" else empty
    return new * rest + (1 - new) * shifted


def _outer(psi: Array, past: Array) -> Array:
    """sum over ticks and batch of psi past^T."""
    return psi.reshape((-1, psi.shape[-1])).T @ past.reshape((-1, past.shape[-1]))


def _record(cell: CanonicalRNN | TappedRNN, sums: Mapping[str, Mapping[int, Array]], theta_bar: Array) -> Any:
    if isinstance(cell, TappedRNN):
        return replace(cell, W_s=sums["W_s"], W_r=sums["W_r"], W_x=sums["W_x"], theta_s=theta_bar)
    W_x = None if cell.W_x is None else sums["W_x"][0]
    return replace(cell, W_s=sums["W_s"][1], W_r=sums["W_r"][cell.lag], W_x=W_x, theta_s=theta_bar)


def _input_bar(cell: TappedRNN, x: Array | None, psi: Array, K: int, carried: bool) -> Array | None:
    if x is None:
        return None
    total: Any = 0.0
    at = np.arange(len(psi)) % K
    for lag, W in cell.W_x.items():
        later = psi if lag == 0 else concatenate([psi[lag:], 0 * psi[: min(lag, len(psi))]])
        if not carried:
            reached = (at + lag < K).reshape((-1, *(1,) * (psi.ndim - 1))).astype(float)
            later = later * as_like(reached, psi)
        total = total + later @ W
    return summed(total, tuple(x.shape), 1)


def _memory_bar(cell: TappedRNN, memory: Memory, psi: Array, K: int) -> Memory:
    """Cotangents of what was before the first tick; psi[lag - 1 - j] saw the entry that is j ticks older than -1."""

    def entry(taps: Mapping[int, Array], j: int) -> Array:
        total: Any = 0 * psi[0]
        if not taps:
            return total
        total = total @ next(iter(taps.values()))
        for lag, W in taps.items():
            if 0 <= lag - 1 - j < min(K, len(psi)):
                total = total + psi[lag - 1 - j] @ W
        return total

    return Memory(
        *(
            tuple(entry(taps, j) for j in range(len(entries)))
            for taps, entries in zip((cell.W_s, cell.W_r, cell.W_x), memory, strict=True)
        )
    )


def _start_bar(cell: TappedRNN, s0: Any, memory: Memory, bar: Memory) -> Array:
    """dE/ds[-1] where the cell has been at s[-1] for ever."""
    total = sum(bar.s[1:], bar.s[0]) + as_activation(cell.activation).slope(memory.s[0]) * sum(bar.r[1:], bar.r[0])
    return total if s0 is None else summed(total, tuple(np.shape(s0)))
