"""The two passes of a recursion over a whole sequence, each with its loop over time in one function.

Uses: D5, D8, B1, B2.  Rows are the sequences of a batch. The twin is nn/passes/plain/simple.py. Weights are packed by
kernels.products.packing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.kernels.compiling import inlined, kernel
from ode2rnn.kernels.elementwise.activations import slope, warp_at
from ode2rnn.kernels.elementwise.vectors import address, length, load_like, single, store, widest
from ode2rnn.kernels.products.tile import add_product

Vector = Any


@inlined
def _times_slope(code: int, like: Vector, begin: int, end: int, r: int, chi: int) -> int:
    while begin + length(like) <= end:
        store(chi, begin, load_like(like, chi, begin) * slope(code, load_like(like, r, begin)))
        begin += length(like)
    return begin


@kernel
def times_slope(code: int, r: np.ndarray, chi: np.ndarray) -> None:
    """chi *= G'(s), which for the registered activations is a function of r = G(s)."""
    zero = r.dtype.type(0.0)
    whole = _times_slope(code, widest(zero), 0, r.size, address(r), address(chi))
    _times_slope(code, single(zero), whole, r.size, address(r), address(chi))


@kernel
def standard_forward(code: int, W_r: np.ndarray, first: np.ndarray, R: np.ndarray) -> None:
    """r[0 .. N-1] (N, batch, d) in place of the input terms, from r[-1] = first."""
    ticks, batch, d = R.shape
    zero, scratch, past = R.dtype.type(0.0), np.empty((batch, W_r.shape[2]), R.dtype), address(first)
    for n in range(ticks):
        now = address(R[n])
        add_product((past, d), W_r, (now, d), batch, d, scratch)
        warp_at(code, zero, batch * d, now, now)
        past = now


@kernel
def standard_backward(code: int, W: np.ndarray, R: np.ndarray, psi: np.ndarray) -> None:
    """psi[0 .. N-1] in place of the partial gradients in r[0 .. N-1] (B1, B2); W is W_r^T."""
    ticks, batch, d = R.shape
    scratch = np.empty((batch, W.shape[2]), R.dtype)
    for i in range(ticks):
        n = ticks - 1 - i
        if i:
            add_product((address(psi[n + 1]), d), W, (address(psi[n]), d), batch, d, scratch)
        times_slope(code, R[n], psi[n])


@kernel
def canonical_forward(code: int, W: np.ndarray, memory: np.ndarray, S: np.ndarray, R: np.ndarray) -> None:
    """s[0 .. N-1] (N, batch, d) in place of the input terms, and r[0 .. N-1]; W is [W_s W_r].

    ``memory`` (batch, 2 d) holds s[-1] and r[-1] side by side, so that one product does both.
    """
    ticks, batch, d = S.shape
    zero, scratch = R.dtype.type(0.0), np.empty((batch, W.shape[2]), R.dtype)
    for n in range(ticks):
        add_product((address(memory), 2 * d), W, (address(S[n]), d), batch, d, scratch)
        warp_at(code, zero, batch * d, address(S[n]), address(R[n]))
        memory[:, :d] = S[n]
        memory[:, d:] = R[n]


@kernel
def canonical_backward(code: int, W: np.ndarray, R: np.ndarray, S_bar: np.ndarray, psi: np.ndarray) -> None:
    """psi[0 .. N-1] in place of the partial gradients in r[0 .. N-1] (B1, B2); W is [W_s W_r]^T.

    S_bar (N, batch, d) are the partial gradients in s, of length 0 where they are all zero.
    """
    ticks, batch, d = R.shape
    scratch = np.empty((batch, W.shape[2]), R.dtype)
    both = np.empty((batch, 2 * d), R.dtype)  # psi[n+1] W_s and psi[n+1] W_r side by side
    for i in range(ticks):
        n = ticks - 1 - i
        if i:
            both[:] = 0
            add_product((address(psi[n + 1]), d), W, (address(both), 2 * d), batch, 2 * d, scratch)
            psi[n] += both[:, d:]
        times_slope(code, R[n], psi[n])
        if i:
            psi[n] += both[:, :d]
        if len(S_bar):
            psi[n] += S_bar[n]
