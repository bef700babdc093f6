"""The product of every kernel: a few rows of C += Z W in registers, while the sum runs over the common index.

W stands in panels, a few Vectors wide, one row of a panel after the other; so it is read once, in order. What is packed
once serves every tick or step. Addresses are those of kernels.elementwise.vectors, strides count numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from ode2rnn.kernels.compiling import FLAGS, inlined, kernel
from ode2rnn.kernels.elementwise.vectors import (
    LONG,
    REALS,
    REGISTER,
    WIDTH,
    address,
    clear_at,
    get_as,
    intrinsic,
    load,
    place,
    put_as,
    splat,
    store,
    width_of,
)

VECTORS = 2  # in the width of a panel
MOST_ROWS = 4 if REGISTER == 32 else 8  # there are 16 registers of 32 bytes, 32 of the others
EIGHT = 8  # numbers in the rows of a tile of float64 numbers that needs no panels


def panel_width(dtype: np.dtype) -> int:
    """How many numbers a panel is wide."""
    return VECTORS * REGISTER // dtype.itemsize


def _tile(rows: int, vectors: int = VECTORS, count: int = 0, panels: int = 1) -> Any:
    """A kernel's function (zero, z, w, c, k): C += Z W for ``rows`` rows, Z (rows, k), W (k, vectors count).

    z is (address, step between rows, step between columns), w (address, step between rows, step between panels, of
    which several may be taken), c (address, step between rows); ``zero`` gives the precision. Without a ``count`` the
    Vectors are as long as the processor takes them.
    """
    # few sums at once would wait for their last additions: those over every fourth k, or second, are kept apart
    ways = max(1, 8 // (rows * vectors))

    @intrinsic
    def tile(typing: Any, zero: types.Float, z: types.Type, w: types.Type, c: types.Type, k: types.Type) -> Any:
        real, size = REALS[zero], zero.bitwidth // 8
        lanes = ir.VectorType(real, count or REGISTER // size)

        def build(context: Any, builder: ir.IRBuilder, sig: Any, given: tuple[ir.Value, ...]) -> Any:
            (z, row, step), (w, w_step, w_panel), (c, c_row) = (
                cgutils.unpack_tuple(builder, value, n) for value, n in zip(given[1:4], (3, 3, 2), strict=True)
            )

            def number(value: int) -> Any:
                return ir.Constant(LONG, value)

            def result(i: int, v: int) -> Any:
                index = builder.add(builder.mul(number(i), c_row), number(v * lanes.count))
                return place(builder, c, index, real, lanes)

            def add(p: ir.Value, sums: list[list[ir.Value]]) -> None:
                base = builder.mul(p, w_step)
                weights = []
                for v in range(vectors):
                    panel, within = divmod(v, vectors // panels)
                    start = builder.add(base, builder.mul(number(panel), w_panel)) if panel else base
                    at = place(builder, w, builder.add(start, number(within * lanes.count)), real, lanes)
                    weights.append(builder.load(at, align=size))
                for i in range(rows):
                    index = builder.add(builder.mul(number(i), row), builder.mul(p, step))
                    factor = splat(builder, builder.load(place(builder, z, index, real), align=size), lanes)
                    for v in range(vectors):
                        product = builder.fmul(factor, weights[v], flags=FLAGS)
                        builder.store(builder.fadd(builder.load(sums[i][v]), product, flags=FLAGS), sums[i][v])

            empty = ir.Constant(lanes, None)
            sums = [
                [[cgutils.alloca_once_value(builder, empty) for _ in range(vectors)] for _ in range(rows)]
                for _ in range(ways)
            ]
            for i in range(rows):
                for v in range(vectors):
                    for way in range(ways):  # at every call, not once for the function
                        builder.store(empty, sums[way][i][v])
            rounds = builder.sdiv(given[4], number(ways))
            with cgutils.for_range(builder, rounds) as loop:
                p = builder.mul(loop.index, number(ways))
                for way in range(ways):
                    add(builder.add(p, number(way)), sums[way])
            if ways > 1:
                done = builder.mul(rounds, number(ways))
                with cgutils.for_range(builder, builder.sub(given[4], done)) as loop:
                    add(builder.add(done, loop.index), sums[0])
            for i in range(rows):
                for v in range(vectors):
                    value = builder.load(result(i, v), align=size)
                    for way in range(ways):
                        value = builder.fadd(value, builder.load(sums[way][i][v]))
                    builder.store(value, result(i, v), align=size)
            return context.get_dummy_value()

        pair, triple = (types.UniTuple(types.int64, n) for n in (2, 3))
        return types.void(zero, triple, triple, pair, types.int64), build

    return tile


_tile_8, _tile_4, _tile_2, _tile_1 = (_tile(rows) for rows in (8, 4, 2, 1))
_tile_1_by_4 = _tile(1, 4 * VECTORS, panels=4)
COLUMNS = 64  # columns of a block, see kernels.products.batch
tile_block = _tile(1, COLUMNS * 8 // REGISTER)
_WIDE = min(EIGHT, REGISTER // 8)
_eight_8, _eight_4, _eight_2, _eight_1 = (_tile(rows, EIGHT // _WIDE, _WIDE) for rows in (8, 4, 2, 1))
_row_12, _row_4 = _tile(1, 3, WIDTH), _tile(1, 1, WIDTH)

Rows = tuple[int, int, int]  # address, step between rows, step between columns
Panel = tuple[int, int, int]  # address, step between rows, step between panels
Place = tuple[int, int]  # address, step between rows


@kernel
def strip(zero: float, z: Rows, w: Panel, c: Place, rows: int, k: int) -> None:
    """C += Z W for any number of rows and one panel."""
    size, i = width_of(zero), 0
    while i < rows:
        left = rows - i
        z_i, c_i = (z[0] + i * z[1] * size, z[1], z[2]), (c[0] + i * c[1] * size, c[1])
        if left >= 8 and MOST_ROWS >= 8:
            _tile_8(zero, z_i, w, c_i, k)
            i += 8
        elif left >= 4:
            _tile_4(zero, z_i, w, c_i, k)
            i += 4
        elif left >= 2:
            _tile_2(zero, z_i, w, c_i, k)
            i += 2
        else:
            _tile_1(zero, z_i, w, c_i, k)
            i += 1


@kernel
def strip_of_eight(z: Rows, w: Panel, c: Place, rows: int, k: int) -> None:
    """The same for a panel of eight float64 numbers."""
    i = 0
    while i < rows:
        left = rows - i
        z_i, c_i = (z[0] + 8 * i * z[1], z[1], z[2]), (c[0] + 8 * i * c[1], c[1])
        if left >= 8 and MOST_ROWS >= 8:
            _eight_8(0.0, z_i, w, c_i, k)
            i += 8
        elif left >= 4:
            _eight_4(0.0, z_i, w, c_i, k)
            i += 4
        elif left >= 2:
            _eight_2(0.0, z_i, w, c_i, k)
            i += 2
        else:
            _eight_1(0.0, z_i, w, c_i, k)
            i += 1


class WeightPanels(NamedTuple):
    """A matrix W (m, k) as kernels.products.packing packs it: where it is, k, and the width of a panel."""

    at: int
    k: int
    width: int


@inlined
def panels(packed: np.ndarray) -> WeightPanels:
    """Those of an array (panels, k, width), which the caller keeps alive."""
    return WeightPanels(address(packed), packed.shape[1], packed.shape[2])


@kernel
def add_product(zero: float, z: Place, W: WeightPanels, c: Place, rows: int, m: int, scratch: int) -> None:
    """C += Z W^T for ``rows`` rows of Z (rows, k) and of C (rows, m), by their addresses and steps. At ``scratch``
    there is room for (rows, width) numbers: for what the panels have too much.
    """
    size, width, whole = width_of(zero), W.width, m // W.width
    panel, z_rows = W.k * width * size, (z[0], z[1], 1)
    j = 0
    while rows == 1 and j + 4 <= whole:
        _tile_1_by_4(zero, z_rows, (W.at + j * panel, width, W.k * width), (c[0] + j * width * size, 0), W.k)
        j += 4
    while j < whole:
        w, to = (W.at + j * panel, width, 0), (c[0] + j * width * size, c[1])
        if rows == 1:
            _tile_1(zero, z_rows, w, to, W.k)
        else:
            strip(zero, z_rows, w, to, rows, W.k)
        j += 1
    if whole * width < m:
        clear_at(zero, rows * width, scratch)
        strip(zero, z_rows, (W.at + whole * panel, width, 0), (scratch, width), rows, W.k)
        for i in range(rows):
            for j in range(m - whole * width):
                index = i * c[1] + whole * width + j
                put_as(zero, c[0], index, get_as(zero, c[0], index) + get_as(zero, scratch, i * width + j))


@kernel
def add_to_vector(matrices: tuple[int, int, int, int], W: int, s: int, r: int, to: int) -> None:
    """W[to :] += A W[s :] + B W[r :], for the matrices as solvers.explicit.packing packs a pair: where they are, their
    numbers of columns, and the length of a vector.
    """
    M, first, second, width = matrices
    w, c = M + 16 * width, W + 8 * to
    for n in range(2):
        columns, z = (first, W + 8 * s) if n == 0 else (second, W + 8 * r)
        if columns == 0:  # a diagonal
            for i in range(0, width, WIDTH):
                store(c, i, load(M, n * width + i) * load(z, i) + load(c, i))
            continue
        o = 0
        while o + 3 * WIDTH <= width:
            _row_12(0.0, (z, 0, 1), (w, 3 * WIDTH, 0), (c + 8 * o, 0), columns)
            w += 8 * columns * 3 * WIDTH
            o += 3 * WIDTH
        while o < width:
            _row_4(0.0, (z, 0, 1), (w, WIDTH, 0), (c + 8 * o, 0), columns)
            w += 8 * columns * WIDTH
            o += WIDTH
