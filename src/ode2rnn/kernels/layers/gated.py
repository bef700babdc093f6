"""The two passes of an LSTM over a whole sequence, each with its loop over time in one function.

Uses: L1 to L11, X1 to X7.  The twin is nn/passes/plain/gated.py.

Everything is given by addresses. x (N + window - 1, batch, m) begins with the first input that the window of v[0] sees,
so that W_x?[j] acts at the tick n on x[n+j] (X1). A row of gates G is du, cu, cs, cr, each d numbers, or du, cu, cs,
cx, cr, xi with an external gate, where xi is the input term of du; Z, the gradients of the activations, stands like it.
"""

from __future__ import annotations

import numpy as np

from ode2rnn.kernels.compiling import kernel
from ode2rnn.kernels.layers.gated_weights import DIAGONAL, FULL, pack_backward, pack_forward
from ode2rnn.kernels.layers.gates import (
    add,
    copy,
    read,
    read_back,
    read_back_d,
    read_d,
    update,
    update_back,
    update_back_d,
    update_back_x,
    update_back_xd,
    update_d,
    update_x,
    update_xd,
)
from ode2rnn.kernels.products.outer import add_outer_at, add_outer_of_few, pack_panels, pack_stripes
from ode2rnn.kernels.products.tile import add_product_at, clear, put_at, width_of


@kernel
def forward(
    zero: float,
    ticks: int,
    batch: int,
    m: int,
    d: int,
    d_v: int,
    window: int,
    external: bool,
    peephole: int,
    projected: bool,
    width: int,
    block: int,
    ring: int,
    keep: bool,
    letters: np.ndarray,
    x: int,
    s: int,
    v: int,
    W_x: int,
    W_v: int,
    bias: int,
    W_s: int,
    W_scr: int,
    W_qdr: int,
    S: int,
    G: int,
    q: int,
    windows: int,
    scratch: int,
    V: int,
    s_last: int,
    v_last: int,
) -> None:
    """v[0 .. N-1] (N, batch, d_v), and s[N-1] and v[N-1] apart, from s[-1] = s and v[-1] = v.

    G (ring, batch, gates) keeps ``ring`` ticks, and S (N + 1, batch, d) all where ``keep``, else one; inputs are taken
    for ``block`` ticks at a time. The packed weights of ``letters`` go to W_x ... W_qdr; q, windows and scratch
    are room to work in.
    """
    size = width_of(zero)
    gates = 5 if external else 4
    g_row, x_row = (6 if external else 4) * d, (5 if external else 4) * d
    first = d if external else 0  # where the inputs go
    s_step = batch * d * size if keep else 0
    cu, cs, cx, cr, xi = d * size, 2 * d * size, 3 * d * size, (gates - 1) * d * size, 5 * d * size
    pack_forward(zero, letters, gates, m, d, d_v, window, peephole, width, W_x, W_v, bias, W_s, W_scr, W_qdr)
    copy(zero, 1, batch * d, (s, 0, S, 0))
    for n in range(ticks):
        if n % block == 0:
            rows, k = (min(n + block, ticks) - n) * batch, window * m
            g = G + (n % ring) * batch * g_row * size
            copy(zero, rows, g_row, (bias, 0, g, g_row))
            z = x + n * batch * m * size
            if window > 1:
                for j in range(window):  # the inputs of a window side by side
                    copy(zero, rows, m, (z + j * batch * m * size, m, windows + j * m * size, k))
                z = windows
            add_product_at(zero, z, k, rows, W_x, k, width, scratch, g + first * size, g_row, x_row)
        g = G + (n % ring) * batch * g_row * size
        s_past, s_next = S + n * s_step, S + (n + 1) * s_step
        v_next = V + n * batch * d_v * size
        add_product_at(zero, v, d_v, batch, W_v, d_v, width, scratch, g, g_row, gates * d)
        if peephole == FULL:
            add_product_at(zero, s_past, d, batch, W_s, d, width, scratch, g + cu, g_row, (gates - 2) * d)
        places = (g, g_row, g + cu, g_row, g + cs, g_row, s_past, d, s_next, d)
        outside = (g + cx, g_row, g + xi, g_row)
        diagonals = (W_s, 0, W_s + cu, 0)
        if external and peephole == DIAGONAL:
            update_xd(zero, batch, d, places + outside + diagonals + (W_s + cs, 0))
        elif external:
            update_x(zero, batch, d, places + outside)
        elif peephole == DIAGONAL:
            update_d(zero, batch, d, places + diagonals)
        else:
            update(zero, batch, d, places)
        if peephole == FULL:
            add_product_at(zero, s_next, d, batch, W_scr, d, width, scratch, g + cr, g_row, d)
        out = q if projected else v_next
        if peephole == DIAGONAL:
            read_d(zero, batch, d, (g + cr, g_row, s_next, d, out, d, W_scr, 0))
        else:
            read(zero, batch, d, (g + cr, g_row, s_next, d, out, d))
        if projected:
            clear(zero, v_next, batch * d_v)
            add_product_at(zero, q, d, batch, W_qdr, d, width, scratch, v_next, d_v, d_v)
        v = v_next
    copy(zero, 1, batch * d, (S + ticks * s_step, 0, s_last, 0))
    copy(zero, 1, batch * d_v, (v, 0, v_last, 0))


@kernel
def backward(
    zero: float,
    ticks: int,
    batch: int,
    m: int,
    d: int,
    d_v: int,
    window: int,
    external: bool,
    peephole: int,
    projected: bool,
    width: int,
    block: int,
    most: int,
    few: bool,
    z_row: int,
    letters: np.ndarray,
    x: int,
    v: int,
    V: int,
    V_bar: int,
    s_bar: int,
    v_bar: int,
    W_x: int,
    W_v: int,
    W_s: int,
    W_scr: int,
    W_qdr: int,
    S: int,
    G: int,
    Z: int,
    chi: int,
    q: int,
    q_bar: int,
    left: int,
    right: int,
    scratch: int,
    s_out: int,
    v_out: int,
    x_bar: int,
    sum_x: int,
    sum_v: int,
    sum_b: int,
    sum_s: int,
    sum_cr: int,
    sum_qdr: int,
) -> None:
    """All gradients, added to the sums and to x_bar, each left out where its address is 0.

    V_bar, s_bar and v_bar are the gradients of v[0 .. N-1], s[N-1] and v[N-1], 0 for none; s_out and v_out become those
    of s[-1] and v[-1]. The packed weights of ``letters`` go to W_x ... W_qdr. Z, chi and q keep ``block`` ticks, of
    which the sums are taken at once, ``most`` rows at a time, packed in left and right; ``few`` says that x has so few
    columns that its sum is taken the other way, and stands transposed. Rows of Z are z_row numbers apart.
    """
    size = width_of(zero)
    gates = 5 if external else 4
    g_row, x_row = (6 if external else 4) * d, (5 if external else 4) * d
    first = d if external else 0
    x_panels = -(-m // width) * x_row * width * size
    m_up, x_up = -(-m // width) * width, -(-x_row // width) * width
    s_step, v_step = batch * d * size, batch * d_v * size
    cu, cs, cx, cr, xi = d * size, 2 * d * size, 3 * d * size, (gates - 1) * d * size, 5 * d * size
    pack_backward(zero, letters, gates, m, d, d_v, window, peephole, width, W_x, W_v, W_s, W_scr, W_qdr)
    psi = s_out
    if s_bar:
        copy(zero, 1, batch * d, (s_bar, 0, psi, 0))
    else:
        clear(zero, psi, batch * d)
    for i in range(ticks):
        n = ticks - 1 - i
        slot = n % block
        g, z = G + n * batch * g_row * size, Z + slot * batch * z_row * size
        s, s_next = S + n * s_step, S + (n + 1) * s_step
        chi_n, q_n, q_bar_n = chi, q, chi
        if projected:
            chi_n, q_n, q_bar_n = chi + slot * v_step, q + slot * s_step, q_bar
        if V_bar:
            copy(zero, 1, batch * d_v, (V_bar + n * v_step, 0, chi_n, 0))
        else:
            clear(zero, chi_n, batch * d_v)
        if i == 0 and v_bar:
            add(zero, 1, batch * d_v, (v_bar, 0, chi_n, 0))
        elif i:
            z_next = Z + ((n + 1) % block) * batch * z_row * size
            add_product_at(zero, z_next, z_row, batch, W_v, gates * d, width, scratch, chi_n, d_v, d_v)  # L7
        if projected:
            clear(zero, q_bar, batch * d)
            add_product_at(zero, chi_n, d_v, batch, W_qdr, d_v, width, scratch, q_bar, d, d)  # X4
        diagonal_cr = (W_scr, 0, sum_cr, 0)
        places = (q_bar_n, d, g + cr, g_row, s_next, d, z + cr, z_row, psi, d, q_n, d)
        if peephole == DIAGONAL:
            read_back_d(zero, batch, d, places + diagonal_cr)
        else:
            read_back(zero, batch, d, places)
        if peephole == FULL:
            add_product_at(zero, z + cr, z_row, batch, W_scr, d, width, scratch, psi, d, d)  # L9
        inner = (psi, d, s, d, g, g_row, g + cu, g_row, g + cs, g_row, z, z_row, z + cu, z_row, z + cs, z_row)
        outside = (g + cx, g_row, g + xi, g_row, z + cx, z_row, z + xi, z_row)
        diagonals = (W_s, 0, W_s + cu, 0, sum_s, 0, sum_s + cu, 0)
        if external and peephole == DIAGONAL:
            update_back_xd(zero, batch, d, inner + outside + diagonals + (W_s + cs, 0, sum_s + cs, 0))
        elif external:
            update_back_x(zero, batch, d, inner + outside)
        elif peephole == DIAGONAL:
            update_back_d(zero, batch, d, inner + diagonals)
        else:
            update_back(zero, batch, d, inner)
        if peephole == FULL:
            add_product_at(zero, z + cu, z_row, batch, W_s, (gates - 2) * d, width, scratch, psi, d, d)
        if slot:
            continue
        count = min(block, ticks - n)  # L11, X7 for these ticks
        if x_bar:
            for j in range(window):
                add_product_at(
                    zero, Z + first * size, z_row, count * batch, W_x + j * x_panels, x_row, width, scratch,
                    x_bar + (n + j) * batch * m * size, m, m,
                )  # fmt: skip
        for begin in range(0, count * batch, most):
            rows = min(most, count * batch - begin)
            z_rows = Z + begin * z_row * size
            past = n * batch + begin  # rows before these
            if sum_b:
                put_at(zero, scratch, 1.0)
                add_outer_of_few(zero, scratch, 0, 0, 1, z_rows, z_row, gates * d, rows, width, sum_b)
            pack_stripes(zero, z_rows, z_row, g_row, rows, most, left)
            for j in range(window if sum_x else 0):
                x_rows = x + (past + j * batch) * m * size
                if few:
                    out = sum_x + j * m * x_up * size
                    add_outer_of_few(zero, x_rows, 1, m, m, z_rows + first * size, z_row, x_row, rows, width, out)
                else:
                    pack_panels(zero, x_rows, m, m, rows, most, width, right)
                    out = sum_x + j * x_row * m_up * size
                    add_outer_at(zero, left, first, first + x_row, right, m, rows, most, width, out)
            if sum_v:
                some = max(0, min(rows, batch - past))  # whose v[n-1] is v[-1]
                pack_panels(zero, v + past * d_v * size, d_v, d_v, some, most, width, right)
                rest, behind = V + (past + some - batch) * d_v * size, right + some * width * size
                pack_panels(zero, rest, d_v, d_v, rows - some, most, width, behind)
                add_outer_at(zero, left, 0, gates * d, right, d_v, rows, most, width, sum_v)
            if sum_s and peephole == FULL:
                pack_panels(zero, S + past * d * size, d, d, rows, most, width, right)
                add_outer_at(zero, left, d, (gates - 1) * d, right, d, rows, most, width, sum_s)
            if sum_cr and peephole == FULL:
                pack_panels(zero, S + (past + batch) * d * size, d, d, rows, most, width, right)
                add_outer_at(zero, left, (gates - 1) * d, gates * d, right, d, rows, most, width, sum_cr)
            if sum_qdr:
                pack_stripes(zero, chi + begin * d_v * size, d_v, d_v, rows, most, left)
                pack_panels(zero, q + begin * d * size, d, d, rows, most, width, right)
                add_outer_at(zero, left, 0, d_v, right, d, rows, most, width, sum_qdr)
    clear(zero, v_out, batch * d_v)
    add_product_at(zero, Z, z_row, batch, W_v, gates * d, width, scratch, v_out, d_v, d_v)
