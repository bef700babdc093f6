"""Inputs with windows that overlap, four ticks at a time in the parts of toom.py, forward and backward.  Uses: X1.

A longer window is taken four weights at a time. The twin are the products one by one, which kernels/gated.py takes of
short windows, few inputs and great ones. Everything is given by addresses.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ode2rnn.kernels.gates import copy
from ode2rnn.kernels.simd import over_rows
from ode2rnn.kernels.tile import FREE, _strip, clear, number_at, put_at, width_of
from ode2rnn.kernels.toom import PARTS, WIDE, lagrange, powers


def _over(matrix: np.ndarray, start: bool = False) -> Any:
    """The pass left = matrix right, or left = start + matrix right, on rows of numbers."""

    def body(at: Any) -> None:
        right = [stream.get() for stream in at.right]
        for stream, factors in zip(at.left, matrix, strict=True):
            terms = [c if f == 1.0 else c * float(f) for f, c in zip(factors, right, strict=True) if f]
            stream.put(sum(terms, at.start.get()) if start else sum(terms[1:], terms[0]))

    rows, columns = matrix.shape
    return over_rows([("right", columns), *(["start"] if start else []), ("left", rows)], body)


parts_of_x, parts_of_W, from_parts = _over(lagrange()), _over(powers()), _over(powers().T, start=True)


@njit(**FREE)
def split_inputs(
    zero: float, x: int, n: int, groups: int, fours: int, ticks: int, batch: int, m: int, room: int, x_parts: int
) -> None:
    """The parts of x[n] .. for ``groups`` times four ticks and each four of weights, (fours, PARTS, groups batch, m).

    x is zero past the end; there is room for 4 (groups + fours) - 1 ticks.
    """
    tick, count = batch * m, 4 * (groups + fours) - 1
    there = max(0, min(count, ticks - n))
    copy(zero, 1, there * tick, (x + n * tick * width_of(zero), 0, room, 0))
    clear(zero, room + there * tick * width_of(zero), (count - there) * tick)
    for first in range(fours):
        for q in range(groups):
            seven = room + 4 * (first + q) * tick * width_of(zero)
            to = x_parts + (first * PARTS * groups + q) * tick * width_of(zero)
            parts_of_x(zero, batch, m, (seven, m, tick, to, m, groups * tick))


@njit(**FREE)
def pack_windows(zero: float, W_x: int, fours: int, m: int, outputs: int, width: int, packed: int) -> None:
    """The parts of W_x, which is in panels (panels, 4 fours, m, PANEL), to (panels, fours, PARTS, m, PANEL)."""
    part = m * width
    for i in range(-(-outputs // width) * fours):
        w, to = W_x + i * 4 * part * width_of(zero), packed + i * PARTS * part * width_of(zero)
        parts_of_W(zero, m, width, (w, width, part, to, width, part))


@njit(**FREE)
def add_windows(
    zero: float,
    x: int,
    n: int,
    groups: int,
    ticks: int,
    batch: int,
    m: int,
    fours: int,
    packed: int,
    outputs: int,
    width: int,
    room: int,
    x_parts: int,
    products: int,
    bias: int,
    y: int,
    y_row: int,
) -> None:
    """y[n] .. = bias + sum_l W(l) x[n + l] for ``groups`` times four ticks, with rows of y y_row numbers apart."""
    size, rows = width_of(zero), groups * batch
    part, x_part, wide = m * width, rows * m, WIDE * width
    product = rows * wide
    split_inputs(zero, x, n, groups, fours, ticks, batch, m, room, x_parts)
    for first in range(0, outputs, wide):
        some = min(wide, outputs - first)
        clear(zero, products, PARTS * product)
        for j in range(0, some, width):
            for i in range(PARTS * fours):
                to = products + (i % PARTS * product + j) * size
                _strip(zero, x_parts + i * x_part * size, m, 1, packed, width, rows, m, to, wide, size)
                packed += part * size
        for q in range(groups):
            seven = (products + q * batch * wide * size, wide, product)
            four = (y + (4 * q * batch * y_row + first) * size, y_row, batch * y_row)
            from_parts(zero, batch, some, (*seven, bias + first * size, 0, *four))


@njit(**FREE)
def add_window_sums(
    zero: float,
    x: int,
    n: int,
    groups: int,
    ticks: int,
    batch: int,
    m: int,
    fours: int,
    z: int,
    z_row: int,
    outputs: int,
    width: int,
    room: int,
    x_parts: int,
    z_parts: int,
    totals: int,
) -> None:
    """The parts of sum_n z[n] x[n + l]^T for ``groups`` times four ticks from n on, added to ``totals``.

    z[n] stands at ``z``, with rows z_row apart; totals (panels, fours, PARTS, m, PANEL) are for `put_window_sums`.
    """
    size, rows = width_of(zero), groups * batch
    part, x_part, z_part = m * width, rows * m, rows * width
    split_inputs(zero, x, n, groups, fours, ticks, batch, m, room, x_parts)
    for j in range(0, outputs, width):
        for q in range(groups):
            four = (z + (4 * q * batch * z_row + j) * size, z_row, batch * z_row)
            parts_of_W(zero, batch, width, (*four, z_parts + q * batch * width * size, width, z_part))
        for i in range(PARTS * fours):
            right = z_parts + i % PARTS * z_part * size
            _strip(zero, x_parts + i * x_part * size, 1, m, right, width, m, rows, totals, width, size)
            totals += part * size


@njit(**FREE)
def put_window_sums(
    zero: float, totals: int, window: int, m: int, outputs: int, width: int, four: int, out: int, row: int
) -> None:
    """Their gradients of W, to ``out`` (window, outputs, m) with rows ``row`` apart; room for four panels and a row."""
    size, part = width_of(zero), m * width
    nothing = four + 4 * part * size
    clear(zero, nothing, width)
    for j in range(0, outputs, width):
        for first in range(0, window, 4):
            from_parts(zero, m, width, (totals, width, part, nothing, 0, four, width, part))
            totals += PARTS * part * size
            for i in range(min(4, window - first)):
                for k in range(min(width, outputs - j)):
                    to = out + ((first + i) * outputs + j + k) * row * size
                    for p in range(m):
                        put_at(zero, to + p * size, number_at(zero, four + ((i * m + p) * width + k) * size))
