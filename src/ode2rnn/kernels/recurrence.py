"""The two passes of a recursion over a whole sequence, each with its loop over time in one function.

Uses: D5, D8, B1, B2.  Rows are the sequences of a batch. The twin is nn/plain.py.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ode2rnn.kernels.codes import RELU, SIGMOID, SOFTPLUS, TANH
from ode2rnn.kernels.elementwise32 import sigmoid, softplus, softplus_slope, tanh
from ode2rnn.kernels.tile import FREE, add_product


@njit(**FREE)
def _fill(rows: np.ndarray, theta: np.ndarray) -> None:
    """Every row is theta."""
    for b in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            rows[b, j] = theta[j]


@njit(**FREE)
def _warp_in_place(code: int, s: np.ndarray) -> None:
    """s = G(s); an array apart would keep the compiler from vector instructions."""
    batch, d = s.shape
    if code == TANH:
        for b in range(batch):
            for j in range(d):
                s[b, j] = tanh(s[b, j])
    elif code == SIGMOID:
        for b in range(batch):
            for j in range(d):
                s[b, j] = sigmoid(s[b, j])
    elif code == RELU:
        for b in range(batch):
            for j in range(d):
                s[b, j] = s[b, j] * (s[b, j] > 0) if s[b, j] == s[b, j] else s[b, j]
    elif code == SOFTPLUS:
        for b in range(batch):
            for j in range(d):
                s[b, j] = softplus(s[b, j])


@njit(**FREE)
def _times_slope(code: int, r: np.ndarray, chi: np.ndarray) -> None:
    """chi *= G'(s), which for the registered activations is a function of r = G(s)."""
    batch, d = r.shape
    one = r.dtype.type(1.0)
    if code == TANH:
        for b in range(batch):
            for j in range(d):
                chi[b, j] *= one - r[b, j] * r[b, j]
    elif code == SIGMOID:
        for b in range(batch):
            for j in range(d):
                chi[b, j] *= r[b, j] * (one - r[b, j])
    elif code == RELU:
        for b in range(batch):
            for j in range(d):
                chi[b, j] *= one if r[b, j] > 0 else one - one
    elif code == SOFTPLUS:
        for b in range(batch):
            for j in range(d):
                chi[b, j] *= softplus_slope(r[b, j])


@njit(**FREE)
def standard_forward(
    code: int,
    weights: tuple[np.ndarray, np.ndarray, np.ndarray],
    x: np.ndarray,
    first: np.ndarray,
    scratch: np.ndarray,
    R: np.ndarray,
) -> None:
    """r[0 .. N-1] (N, batch, d) from r[-1] = first; the weights are W_r and W_x, packed, and theta_s."""
    W_r, W_x, theta = weights
    for n in range(R.shape[0]):
        r = R[n]
        _fill(r, theta)
        add_product(x[n], W_x, scratch, r)
        if n == 0:
            add_product(first, W_r, scratch, r)
        else:
            add_product(R[n - 1], W_r, scratch, r)
        _warp_in_place(code, r)


@njit(**FREE)
def standard_backward(code: int, W: np.ndarray, R: np.ndarray, scratch: np.ndarray, psi: np.ndarray) -> None:
    """psi[0 .. N-1] in place of the partial gradients in r[0 .. N-1] (B1, B2); W is W_r^T, packed."""
    last = R.shape[0] - 1
    for i in range(last + 1):
        n = last - i
        if i:
            add_product(psi[n + 1], W, scratch, psi[n])
        _times_slope(code, R[n], psi[n])


@njit(**FREE)
def canonical_forward(
    code: int,
    weights: tuple[np.ndarray, np.ndarray, np.ndarray],
    x: np.ndarray,
    memory: np.ndarray,
    scratch: np.ndarray,
    S: np.ndarray,
    R: np.ndarray,
) -> None:
    """s[0 .. N-1] and r[0 .. N-1] (N, batch, d); the weights are [W_s W_r] and W_x, packed, and theta_s.

    ``memory`` (batch, 2 d) holds s[-1] and r[-1] side by side, so that one product does both.
    """
    W, W_x, theta = weights
    batch, d = S.shape[1:]
    for n in range(S.shape[0]):
        s, r = S[n], R[n]
        _fill(s, theta)
        add_product(x[n], W_x, scratch, s)
        add_product(memory, W, scratch, s)
        r[:] = s
        _warp_in_place(code, r)
        for b in range(batch):
            for j in range(d):
                memory[b, j] = s[b, j]
            for j in range(d):
                memory[b, d + j] = r[b, j]


@njit(**FREE)
def canonical_backward(
    code: int,
    W: np.ndarray,
    R: np.ndarray,
    S_bar: np.ndarray,
    both: np.ndarray,
    scratch: np.ndarray,
    psi: np.ndarray,
) -> None:
    """psi[0 .. N-1] in place of the partial gradients in r[0 .. N-1] (B1, B2); W is [W_s W_r]^T, packed.

    S_bar (N, batch, d) are the partial gradients in s, of length 0 where they are all zero; ``both`` (batch, 2 d) is
    for psi[n+1] W_s and psi[n+1] W_r side by side.
    """
    last = R.shape[0] - 1
    batch, d = R.shape[1:]
    for i in range(last + 1):
        n = last - i
        p = psi[n]
        if i:
            both[:] = 0
            add_product(psi[n + 1], W, scratch, both)
            for b in range(batch):
                for j in range(d):
                    p[b, j] += both[b, d + j]
        _times_slope(code, R[n], p)
        if i:
            for b in range(batch):
                for j in range(d):
                    p[b, j] += both[b, j]
        if len(S_bar):
            p += S_bar[n]
