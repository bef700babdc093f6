"""The two passes over a sequence by compiled kernels: on the processor, in float32 or float64, registered activations.

Uses: D5, D8, B1, B2.  The twin of the passes in plain torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ode2rnn.core.activations import Activation
from ode2rnn.kernels import compiled
from ode2rnn.kernels.codes import activation_code


@cache
def _installed() -> bool:
    return find_spec("numba") is not None


def fits(activation: Activation, x: Tensor, start: Tensor) -> bool:
    """Whether the kernels can run this."""
    return (
        compiled()
        and x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
        and len(start) > 0
        and type(x) is Tensor
        and activation_code(activation) is not None
        and not torch.compiler.is_compiling()
        and _installed()
    )


def forward(
    activation: Activation,
    x: Tensor,
    start: Tensor,
    W_s: Tensor | None,
    W_r: Tensor,
    W_x: Tensor,
    theta_s: Tensor | None,
) -> tuple[Tensor | None, Tensor]:
    """s[0 .. N-1], which the standard RNN does without, and r[0 .. N-1]."""
    from ode2rnn.kernels import recurrence

    ticks, batch, _ = x.shape
    d = len(W_r)
    few = batch <= recurrence.FEW
    S = (x.reshape(ticks * batch, -1) @ W_x.T).view(ticks, batch, d)
    theta = x.new_zeros(d) if theta_s is None else theta_s
    with one_thread():
        if W_s is None:
            W = (W_r.T if few else W_r).contiguous()
            recurrence.standard_forward(*_ahead(activation, x), *_numpy(W, theta, start, S))
            return None, S
        W = torch.cat([W_s, W_r], 1)
        memory = torch.cat([start, activation.value(start)], 1)
        R = torch.empty_like(S)
        recurrence.canonical_forward(
            *_ahead(activation, x), *_numpy(W.T.contiguous() if few else W, theta, memory, S, R)
        )
        return S, R


def backward(
    activation: Activation,
    S: Tensor | None,
    R: Tensor,
    R_bar: Tensor | None,
    S_bar: Tensor | None,
    W_s: Tensor | None,
    W_r: Tensor,
) -> Tensor:
    """psi[0 .. N-1], the gradients in s[n], from the partial ones in r[n] and s[n] (None for zero)."""
    from ode2rnn.kernels import recurrence

    psi = torch.zeros_like(R) if R_bar is None else torch.empty_like(R).copy_(R_bar)
    with one_thread():
        if W_s is None:
            recurrence.standard_backward(*_ahead(activation, R), *_numpy(W_r, R, psi))
            return psi
        scratch = R.new_empty(R.shape[1], 2 * R.shape[2])
        partial = R.new_empty(0, *R.shape[1:]) if S_bar is None else S_bar
        arrays = _numpy(torch.cat([W_s, W_r], 1), R, partial, scratch, psi)
        recurrence.canonical_backward(*_ahead(activation, R), *arrays)
        return psi


def _ahead(activation: Activation, like: Tensor) -> tuple[Any, int]:
    """The first two arguments of every kernel."""
    from ode2rnn.kernels.blas import product_address

    return activation_code(activation), product_address(np.dtype(str(like.dtype).removeprefix("torch.")))


def _numpy(*tensors: Tensor) -> Iterator[np.ndarray]:
    return (tensor.detach().contiguous().numpy() for tensor in tensors)


@contextmanager
def one_thread() -> Iterator[None]:
    """Holds the BLAS of torch to one thread, where this thread calls it: a step is too small to be worth more."""
    from ode2rnn.kernels.blas import library

    found = library()
    if found is None:
        yield
        return
    before = found.MKL_Set_Num_Threads_Local(1)
    try:
        yield
    finally:
        found.MKL_Set_Num_Threads_Local(before)
