"""The two passes of a recursion over a whole sequence, each with its loop over time in one function.

Uses: D5, D8, B1, B2.  Rows are the sequences of a batch; the products with the weights come from a BLAS, or for a few
rows, where the call would cost more than the product, from a loop of our own. The twin is nn/plain.py.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ode2rnn.kernels.blas import gemm, start_of
from ode2rnn.kernels.codes import RELU, SIGMOID, SOFTPLUS, TANH
from ode2rnn.kernels.elementwise import LOOP
from ode2rnn.kernels.elementwise32 import sigmoid, softplus, softplus_slope, tanh

FEW = 3  # rows
FREE = LOOP | {"nogil": True}


@njit(**FREE)
def _add_rows(W: np.ndarray, Z: np.ndarray, out: np.ndarray) -> None:
    """out += Z W for a few rows Z (batch, k), W (k, m)."""
    k, m = W.shape
    whole = k - k % 8
    for b in range(Z.shape[0]):
        for p in range(0, whole, 8):
            z0, z1, z2, z3 = Z[b, p], Z[b, p + 1], Z[b, p + 2], Z[b, p + 3]
            z4, z5, z6, z7 = Z[b, p + 4], Z[b, p + 5], Z[b, p + 6], Z[b, p + 7]
            for j in range(m):
                left = (z0 * W[p, j] + z1 * W[p + 1, j]) + (z2 * W[p + 2, j] + z3 * W[p + 3, j])
                right = (z4 * W[p + 4, j] + z5 * W[p + 5, j]) + (z6 * W[p + 6, j] + z7 * W[p + 7, j])
                out[b, j] += left + right
        for p in range(whole, k):
            z = Z[b, p]
            for j in range(m):
                out[b, j] += z * W[p, j]


@njit(**FREE)
def _add_product(address: int, W: np.ndarray, turned: int, Z: np.ndarray, out: np.ndarray) -> None:
    """out += Z W^T where W is stored as it is and ``turned`` is 1; out += Z W where it is 0."""
    if Z.shape[0] <= FEW:
        _add_rows(W, Z, out)
        return
    batch, k = Z.shape
    m = out.shape[1]
    gemm(address, turned, m, batch, k, start_of(W), W.shape[1], start_of(Z), k, out.dtype.type(1.0), start_of(out), m)


@njit(**FREE)
def _shift(rows: np.ndarray, theta: np.ndarray) -> None:
    """rows += theta."""
    for b in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            rows[b, j] += theta[j]


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
    code: int, address: int, W: np.ndarray, theta: np.ndarray, first: np.ndarray, R: np.ndarray
) -> None:
    """r[0 .. N-1] in place of W_x x[0 .. N-1], (N, batch, d), from r[-1] = first; W is W_r, for few rows W_r^T."""
    for n in range(R.shape[0]):
        if n == 0:
            _add_product(address, W, 1, first, R[0])
        else:
            _add_product(address, W, 1, R[n - 1], R[n])
        _shift(R[n], theta)
        _warp_in_place(code, R[n])


@njit(**FREE)
def standard_backward(code: int, address: int, W: np.ndarray, R: np.ndarray, psi: np.ndarray) -> None:
    """psi[0 .. N-1] in place of the partial gradients in r[0 .. N-1] (B1, B2); W is W_r."""
    last = R.shape[0] - 1
    for i in range(last + 1):
        n = last - i
        if i:
            _add_product(address, W, 0, psi[n + 1], psi[n])
        _times_slope(code, R[n], psi[n])


@njit(**FREE)
def canonical_forward(
    code: int, address: int, W: np.ndarray, theta: np.ndarray, memory: np.ndarray, S: np.ndarray, R: np.ndarray
) -> None:
    """s[0 .. N-1] in place of W_x x[0 .. N-1], and r[0 .. N-1].

    ``memory`` (batch, 2 d) holds s[-1] and r[-1] side by side, and so does W (d, 2 d) W_s and W_r: one product does
    both. For few rows W is the transpose.
    """
    batch, d = S.shape[1:]
    for n in range(S.shape[0]):
        s, r = S[n], R[n]
        _add_product(address, W, 1, memory, s)
        _shift(s, theta)
        r[:] = s
        _warp_in_place(code, r)
        for b in range(batch):
            for j in range(d):
                memory[b, j] = s[b, j]
            for j in range(d):
                memory[b, d + j] = r[b, j]


@njit(**FREE)
def canonical_backward(
    code: int, address: int, W: np.ndarray, R: np.ndarray, S_bar: np.ndarray, scratch: np.ndarray, psi: np.ndarray
) -> None:
    """psi[0 .. N-1] in place of the partial gradients in r[0 .. N-1] (B1, B2); W is W_s and W_r side by side.

    S_bar (N, batch, d) are the partial gradients in s, of length 0 where they are all zero; scratch is (batch, 2 d).
    """
    last = R.shape[0] - 1
    batch, d = R.shape[1:]
    for i in range(last + 1):
        n = last - i
        p = psi[n]
        if i:
            scratch[:] = 0
            _add_product(address, W, 0, psi[n + 1], scratch)
            for b in range(batch):
                for j in range(d):
                    p[b, j] += scratch[b, d + j]
        _times_slope(code, R[n], p)
        if i:
            for b in range(batch):
                for j in range(d):
                    p[b, j] += scratch[b, j]
        if len(S_bar):
            p += S_bar[n]
