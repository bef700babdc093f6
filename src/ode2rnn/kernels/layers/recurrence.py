"""The two passes of a recursion over a whole sequence, each with its loop over time in one function.

Uses: D5, D8, B1, B2.  Rows are the sequences of a batch. The twin is nn/passes/plain/simple.py.
"""

from __future__ import annotations

import numpy as np

from ode2rnn.kernels.compiling import kernel
from ode2rnn.kernels.elementwise.codes import RELU, SIGMOID, SOFTPLUS, TANH
from ode2rnn.kernels.elementwise.float32 import sigmoid, softplus, softplus_slope, tanh
from ode2rnn.kernels.products.tile import add_product, start_of


@kernel
def _fill(theta: np.ndarray, rows: np.ndarray, n: int) -> None:
    """Every row of rows[n] is theta."""
    for b in range(rows.shape[1]):
        for j in range(rows.shape[2]):
            rows[n, b, j] = theta[j]


@kernel
def _warp_in_place(code: int, s: np.ndarray, n: int) -> None:
    """s[n] = G(s[n]); an array apart would keep the compiler from vector instructions."""
    _, batch, d = s.shape
    if code == TANH:
        for b in range(batch):
            for j in range(d):
                s[n, b, j] = tanh(s[n, b, j])
    elif code == SIGMOID:
        for b in range(batch):
            for j in range(d):
                s[n, b, j] = sigmoid(s[n, b, j])
    elif code == RELU:
        zero = s.dtype.type(0.0)
        for b in range(batch):
            for j in range(d):
                s[n, b, j] = zero if s[n, b, j] < zero else s[n, b, j]  # NaN stays
    elif code == SOFTPLUS:
        for b in range(batch):
            for j in range(d):
                s[n, b, j] = softplus(s[n, b, j])


@kernel
def _times_slope(code: int, r: np.ndarray, chi: np.ndarray, n: int) -> None:
    """chi[n] *= G'(s[n]), which for the registered activations is a function of r = G(s)."""
    _, batch, d = r.shape
    zero, one = r.dtype.type(0.0), r.dtype.type(1.0)
    if code == TANH:
        for b in range(batch):
            for j in range(d):
                chi[n, b, j] *= one - r[n, b, j] * r[n, b, j]
    elif code == SIGMOID:
        for b in range(batch):
            for j in range(d):
                chi[n, b, j] *= r[n, b, j] * (one - r[n, b, j])
    elif code == RELU:
        for b in range(batch):
            for j in range(d):
                chi[n, b, j] *= one if r[n, b, j] > zero else zero
    elif code == SOFTPLUS:
        for b in range(batch):
            for j in range(d):
                chi[n, b, j] *= softplus_slope(r[n, b, j])


@kernel
def standard_forward(
    code: int,
    W_r: np.ndarray,
    W_x: np.ndarray,
    theta: np.ndarray,
    x: np.ndarray,
    first: np.ndarray,
    scratch: np.ndarray,
    R: np.ndarray,
) -> None:
    """r[0 .. N-1] (N, batch, d) from r[-1] = first; W_r and W_x are packed."""
    ticks, batch, d = R.shape
    z, c, past = start_of(x), start_of(R), start_of(first)
    step, x_step = batch * d * R.itemsize, batch * x.shape[2] * x.itemsize
    for n in range(ticks):
        _fill(theta, R, n)
        add_product(z + n * x_step, batch, W_x, scratch, c + n * step, d)
        add_product(past, batch, W_r, scratch, c + n * step, d)
        _warp_in_place(code, R, n)
        past = c + n * step


@kernel
def standard_backward(code: int, W: np.ndarray, R: np.ndarray, scratch: np.ndarray, psi: np.ndarray) -> None:
    """psi[0 .. N-1] in place of the partial gradients in r[0 .. N-1] (B1, B2); W is W_r^T, packed."""
    ticks, batch, d = R.shape
    c, step = start_of(psi), batch * d * R.itemsize
    for i in range(ticks):
        n = ticks - 1 - i
        if i:
            add_product(c + (n + 1) * step, batch, W, scratch, c + n * step, d)
        _times_slope(code, R, psi, n)


@kernel
def canonical_forward(
    code: int,
    W: np.ndarray,
    W_x: np.ndarray,
    theta: np.ndarray,
    x: np.ndarray,
    memory: np.ndarray,
    scratch: np.ndarray,
    S: np.ndarray,
    R: np.ndarray,
) -> None:
    """s[0 .. N-1] and r[0 .. N-1] (N, batch, d); W is [W_s W_r], packed as W_x is.

    ``memory`` (batch, 2 d) holds s[-1] and r[-1] side by side, so that one product does both.
    """
    ticks, batch, d = S.shape
    z, c, past = start_of(x), start_of(S), start_of(memory)
    step, x_step = batch * d * S.itemsize, batch * x.shape[2] * x.itemsize
    for n in range(ticks):
        _fill(theta, S, n)
        add_product(z + n * x_step, batch, W_x, scratch, c + n * step, d)
        add_product(past, batch, W, scratch, c + n * step, d)
        for b in range(batch):
            for j in range(d):
                R[n, b, j] = S[n, b, j]
            for j in range(d):
                memory[b, j] = S[n, b, j]
        _warp_in_place(code, R, n)
        for b in range(batch):
            for j in range(d):
                memory[b, d + j] = R[n, b, j]


@kernel
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
    ticks, batch, d = R.shape
    c, step, sums = start_of(psi), batch * d * R.itemsize, start_of(both)
    zero = R.dtype.type(0.0)
    for i in range(ticks):
        n = ticks - 1 - i
        if i:
            for b in range(batch):
                for j in range(2 * d):
                    both[b, j] = zero
            add_product(c + (n + 1) * step, batch, W, scratch, sums, 2 * d)
            for b in range(batch):
                for j in range(d):
                    psi[n, b, j] += both[b, d + j]
        _times_slope(code, R, psi, n)
        if i:
            for b in range(batch):
                for j in range(d):
                    psi[n, b, j] += both[b, j]
        if len(S_bar):
            for b in range(batch):
                for j in range(d):
                    psi[n, b, j] += S_bar[n, b, j]
