"""The weights of an LSTM, given letter by letter, in the panels that its products take.

``letters`` holds the addresses of W_x? (window, d, m), W_v? (d, d_v), b_? (d,) and the peepholes, five each, in the
order du, cu, cs, cx, cr of the gates, and that of W_qdr; 0 for what there is not.
"""

from __future__ import annotations

import numpy as np

from ode2rnn.kernels.compiling import kernel
from ode2rnn.kernels.layers.gates import copy
from ode2rnn.kernels.products.outer import pack_panels
from ode2rnn.kernels.products.tile import clear, number_at, put_at, width_of

X, V, B, S, Q = 0, 5, 10, 15, 20  # where each kind begins
NONE, DIAGONAL, FULL = 0, 1, 2  # kinds of peepholes


@kernel
def gate_at(i: int, gates: int) -> int:
    """Where the gate i of five stands among ``gates``; -1 for the external one among four."""
    return i if gates == 5 or i < 3 else i - 1 if i == 4 else -1


@kernel
def input_at(i: int, gates: int) -> int:
    """The same for the inputs, where with an external gate du comes last."""
    return gate_at(i, gates) if gates == 4 else i - 1 if i else 4


@kernel
def columns(zero: float, w: int, m: int, k: int, first: int, width: int, deep: int, packed: int) -> None:
    """W (m, k) as the outputs first .. first + m of ``packed`` (panels, deep, PANEL)."""
    size = width_of(zero)
    for i in range(m):
        j = first + i
        to = packed + (j // width * deep * width + j % width) * size
        for p in range(k):
            put_at(zero, to + p * width * size, number_at(zero, w + (i * k + p) * size))


@kernel
def pack_forward(
    zero: float,
    letters: np.ndarray,
    gates: int,
    m: int,
    d: int,
    d_v: int,
    window: int,
    peephole: int,
    width: int,
    W_x: int,
    W_v: int,
    bias: int,
    W_s: int,
    W_scr: int,
    W_qdr: int,
) -> None:
    """W_x, W_v, W_s of cu, cs and cx, W_scr and W_qdr for the forward pass; diagonals are left as they are.

    The inputs of W_x are those of a whole window, one tick after the other.
    """
    size = width_of(zero)
    clear(zero, W_x, -(-gates * d // width) * window * m * width)
    clear(zero, W_v, -(-gates * d // width) * d_v * width)
    clear(zero, bias, (gates + 1) * d)
    if peephole == FULL:
        clear(zero, W_s, -(-(gates - 2) * d // width) * d * width)
        clear(zero, W_scr, -(-d // width) * d * width)
    for i in range(5):
        at, at_x = gate_at(i, gates), input_at(i, gates)
        if at < 0:
            continue
        for j in range(window):
            to = W_x + j * m * width * size
            columns(zero, letters[X + i] + j * d * m * size, d, m, at_x * d, width, window * m, to)
        columns(zero, letters[V + i], d, d_v, at * d, width, d_v, W_v)
        if letters[B + i]:
            copy(zero, 1, d, (letters[B + i], 0, bias + at * d * size, 0))
        if i > 0 and peephole == FULL:
            first, packed = (0, W_scr) if i == 4 else ((at - 1) * d, W_s)
            columns(zero, letters[S + i], d, d, first, width, d, packed)
        elif i > 0 and peephole == DIAGONAL:
            to = W_scr if i == 4 else W_s + (at - 1) * d * size
            copy(zero, 1, d, (letters[S + i], 0, to, 0))
    if letters[Q]:
        clear(zero, W_qdr, -(-d_v // width) * d * width)
        columns(zero, letters[Q], d_v, d, 0, width, d, W_qdr)


@kernel
def pack_backward(
    zero: float,
    letters: np.ndarray,
    gates: int,
    m: int,
    d: int,
    d_v: int,
    window: int,
    peephole: int,
    width: int,
    W_x: int,
    W_v: int,
    W_s: int,
    W_scr: int,
    W_qdr: int,
) -> None:
    """Their transposes for the backward pass; W_x where it is not 0."""
    size = width_of(zero)
    x_part = -(-m // width) * gates * d * width
    for i in range(5):
        at, at_x = gate_at(i, gates), input_at(i, gates)
        if at < 0:
            continue
        if W_x:
            for j in range(window):
                to = W_x + (j * x_part + at_x * d * width) * size
                pack_panels(zero, letters[X + i] + j * d * m * size, m, m, d, gates * d, width, to)
        pack_panels(zero, letters[V + i], d_v, d_v, d, gates * d, width, W_v + at * d * width * size)
        if i > 0 and peephole == FULL:
            first, k, packed = (0, d, W_scr) if i == 4 else ((at - 1) * d, (gates - 2) * d, W_s)
            pack_panels(zero, letters[S + i], d, d, d, k, width, packed + first * width * size)
        elif i > 0 and peephole == DIAGONAL:
            to = W_scr if i == 4 else W_s + (at - 1) * d * size
            copy(zero, 1, d, (letters[S + i], 0, to, 0))
    if letters[Q]:
        pack_panels(zero, letters[Q], d, d, d_v, d_v, width, W_qdr)
