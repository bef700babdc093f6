"""Sums of outer products over many rows, Z^T V, as the gradient of a weight is one, in the tiles of tile.py.

Rows are taken a few hundred at a time and packed: those of Z in blocks (rows, STRIPE) of their columns, those of V in
panels (rows, PANEL), so that what a tile reads lies together. Everything is given by addresses.
"""

from __future__ import annotations

from ode2rnn.kernels.compiling import kernel
from ode2rnn.kernels.layers.gates import copy, copy_by_8
from ode2rnn.kernels.products.tile import _pair, _strip, clear, width_of

STRIPE = 8  # columns of Z in a block: the most rows of a tile


@kernel
def pack_stripes(zero: float, z: int, row: int, columns: int, rows: int, most: int, left: int) -> None:
    """Z (rows, columns), with rows ``row`` numbers apart, to ``left`` (blocks, most, STRIPE)."""
    size = width_of(zero)
    for i in range(0, columns, STRIPE):
        copy_by_8(zero, rows, min(STRIPE, columns - i), (z + i * size, row, left + i * most * size, STRIPE))


@kernel
def pack_panels(zero: float, v: int, row: int, columns: int, rows: int, most: int, width: int, right: int) -> None:
    """V (rows, columns) to ``right`` (panels, most, PANEL), zero past the last column."""
    size = width_of(zero)
    for j in range(0, columns, width):
        if columns - j < width:
            for i in range(rows):
                clear(zero, right + (j * most + i * width) * size, width)
        copy(zero, rows, min(width, columns - j), (v + j * size, row, right + j * most * size, width))


@kernel
def add_outer_at(
    zero: float, left: int, begin: int, end: int, right: int, columns: int, rows: int, most: int, width: int, out: int
) -> None:
    """out += Z^T V for the columns begin .. end of Z; out (end - begin, panels PANEL)."""
    size = width_of(zero)
    out_row = -(-columns // width) * width
    i = begin
    while i < end:
        shift = i % STRIPE
        some = min(STRIPE - shift, end - i)
        z = left + ((i - shift) * most + shift) * size
        for j in range(0, columns, 2 * width):
            v, c = right + j * most * size, out + ((i - begin) * out_row + j) * size
            if j + width < columns:
                _pair(zero, z, 1, STRIPE, v, width, most * width, some, rows, c, out_row, size)
            else:
                _strip(zero, z, 1, STRIPE, v, width, some, rows, c, out_row, size)
        i += some


@kernel
def add_outer_of_few(
    zero: float,
    x: int,
    row: int,
    step: int,
    count: int,
    z: int,
    z_row: int,
    columns: int,
    rows: int,
    width: int,
    out: int,
) -> None:
    """out += X^T Z for few columns of X, which is at x + i row + n step, and Z as it is; out (count, panels PANEL).

    Up to PANEL numbers behind the last row of Z are read.
    """
    size = width_of(zero)
    out_row = -(-columns // width) * width
    for j in range(0, columns, width):
        _strip(zero, x, row, step, z + j * size, z_row, count, rows, out + j * size, out_row, size)
