"""The two passes of a recursion over a whole sequence, each with its loop over time in one function.

Uses: D5, D8, B1, B2.  Rows are the sequences of a batch. The twin is nn/passes/plain/simple.py. Weights are packed by
kernels.products.packing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.kernels.compiling import inlined, kernel
from ode2rnn.kernels.elementwise.activations import slope, warp_at
from ode2rnn.kernels.elementwise.vectors import address, clear_at, length, load_like, single, store, widest
from ode2rnn.kernels.products.tile import add_product, panels

Vector = Any


@inlined
def _times_slope(code: int, like: Vector, begin: int, end: int, r: int, chi: int) -> int:
    while begin + length(like) <= end:
        store(chi, begin, load_like(like, chi, begin) * slope(code, load_like(like, r, begin)))
        begin += length(like)
    return begin


@inlined
def times_slope_at(code: int, zero: float, count: int, r: int, chi: int) -> None:
    """chi *= G'(s), which for the registered activations is a function of r = G(s), for ``count`` numbers from r on."""
    whole = _times_slope(code, widest(zero), 0, count, r, chi)
    _times_slope(code, single(zero), whole, count, r, chi)


@kernel
def times_slope(code: int, r: np.ndarray, chi: np.ndarray) -> None:
    """The same for arrays."""
    times_slope_at(code, r.dtype.type(0.0), r.size, address(r), address(chi))


@kernel
def standard_forward(code: int, W_r: np.ndarray, first: np.ndarray, R: np.ndarray) -> None:
    """r[0 .. N-1] (N, batch, d) in place of the input terms, from r[-1] = first."""
    ticks, batch, d = R.shape
    zero, W, room = R.dtype.type(0.0), panels(W_r), np.empty((batch, W_r.shape[2]), R.dtype)
    past = address(first)
    for n in range(ticks):
        now = address(R) + n * batch * d * R.itemsize
        add_product(zero, (past, d), W, (now, d), batch, d, address(room))
        warp_at(code, zero, batch * d, now, now)
        past = now


@kernel
def standard_backward(code: int, W_T: np.ndarray, R: np.ndarray, psi: np.ndarray) -> None:
    """psi[0 .. N-1] in place of the partial gradients in r[0 .. N-1] (B1, B2); W_T is W_r^T."""
    ticks, batch, d = R.shape
    zero, W, room = R.dtype.type(0.0), panels(W_T), np.empty((batch, W_T.shape[2]), R.dtype)
    for i in range(ticks):
        n = ticks - 1 - i
        now, step = address(psi) + n * batch * d * R.itemsize, batch * d * R.itemsize
        if i:
            add_product(zero, (now + step, d), W, (now, d), batch, d, address(room))
        times_slope_at(code, zero, batch * d, address(R) + n * step, now)


@kernel
def canonical_forward(code: int, W_sr: np.ndarray, memory: np.ndarray, S: np.ndarray, R: np.ndarray) -> None:
    """s[0 .. N-1] (N, batch, d) in place of the input terms, and r[0 .. N-1]; W_sr is [W_s W_r].

    ``memory`` (batch, 2 d) holds s[-1] and r[-1] side by side, so that one product does both.
    """
    ticks, batch, d = S.shape
    zero, W, room = R.dtype.type(0.0), panels(W_sr), np.empty((batch, W_sr.shape[2]), R.dtype)
    size = R.itemsize
    for n in range(ticks):
        s, r = address(S) + n * batch * d * size, address(R) + n * batch * d * size
        add_product(zero, (address(memory), 2 * d), W, (s, d), batch, d, address(room))
        warp_at(code, zero, batch * d, s, r)
        for b in range(batch):
            for j in range(d):
                memory[b, j], memory[b, d + j] = S[n, b, j], R[n, b, j]


@kernel
def canonical_backward(code: int, W_T: np.ndarray, R: np.ndarray, S_bar: np.ndarray, psi: np.ndarray) -> None:
    """psi[0 .. N-1] in place of the partial gradients in r[0 .. N-1] (B1, B2); W_T is [W_s W_r]^T.

    S_bar (N, batch, d) are the partial gradients in s, of length 0 where they are all zero.
    """
    ticks, batch, d = R.shape
    zero, W, room = R.dtype.type(0.0), panels(W_T), np.empty((batch, W_T.shape[2]), R.dtype)
    both = np.empty((batch, 2 * d), R.dtype)  # psi[n+1] W_s and psi[n+1] W_r side by side
    for i in range(ticks):
        n = ticks - 1 - i
        if i:
            clear_at(zero, both.size, address(both))
            now = address(psi) + (n + 1) * batch * d * R.itemsize
            add_product(zero, (now, d), W, (address(both), 2 * d), batch, 2 * d, address(room))
            _add(psi[n], both[:, d:])
        times_slope(code, R[n], psi[n])
        if i:
            _add(psi[n], both[:, :d])
        if len(S_bar):
            _add(psi[n], S_bar[n])


@inlined
def _add(rows: np.ndarray, more: np.ndarray) -> None:
    for b in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            rows[b, j] += more[b, j]
