"""The product of matrices that a recursion takes at every tick, on weights that are laid out once for all ticks.

A tile is a few rows by PANEL numbers of the result, held in registers while the sum runs over the common index. Weights
(m, k) are packed into panels (panels, k, PANEL): entry (c, p, l) is W[c PANEL + l, p], and 0 past the last row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as numba_intrinsic

from ode2rnn.kernels.compiling import FLAGS, kernel

if TYPE_CHECKING:
    from numba.core.base import BaseContext
    from numba.core.typing.context import BaseContext as TypingContext
    from numba.core.typing.templates import Signature

intrinsic: Any = numba_intrinsic  # what it makes takes other arguments than what it is given
INT, LONG = ir.IntType(32), ir.IntType(64)


def _vector_bytes() -> int:
    features = llvm.get_host_cpu_features()
    return 64 if features.get("avx512f") else 32 if features.get("avx2") else 16


VECTOR = _vector_bytes()
VECTORS = 2  # in the width of a tile
MOST_ROWS = 4 if VECTOR == 32 else 8  # there are 16 registers of 32 bytes, 32 of the others
CHUNK = 128  # rows of a long sum taken at a time, which then stay in the cache


def panel_width(dtype: np.dtype) -> int:
    """How many numbers a panel is wide."""
    return VECTORS * VECTOR // dtype.itemsize


@intrinsic
def start_of(typing: TypingContext, array: types.Type) -> Any:
    """The address of the first entry of an array. Whoever asks keeps the array alive."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
        data = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=given[0]).data
        return builder.ptrtoint(data, LONG)

    return types.int64(array), build


def fetch(builder: ir.IRBuilder, pointer: ir.Value) -> None:
    """Have the processor bring what is at a pointer near, without waiting for it."""
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte, INT, INT, INT])
    call = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
    to_write, nearest, data = 1, 3, 1
    builder.call(call, [builder.bitcast(pointer, byte), *(ir.Constant(INT, n) for n in (to_write, nearest, data))])


def _tile(rows: int, panels: int = 1) -> Any:
    """C += Z W for ``rows`` rows and a panel: Z at z + i row + p step, W at w + p w_step, C at c + i c_row.

    Several panels lie w_panel apart, and their results one after the other.

    Addresses are in bytes, strides in numbers; ``zero`` gives the precision. Few rows sum over even and odd p apart,
    since a sum waits for its last addition.
    """
    ways, wide = max(1, 4 // (rows * panels)), VECTORS * panels

    @intrinsic
    def tile(
        typing: TypingContext,
        zero: types.Type,
        z: types.Type,
        row: types.Type,
        step: types.Type,
        w: types.Type,
        w_step: types.Type,
        w_panel: types.Type,
        k: types.Type,
        c: types.Type,
        c_row: types.Type,
    ) -> Any:
        real = ir.FloatType() if zero is types.float32 else ir.DoubleType()
        size = 4 if zero is types.float32 else 8
        lanes = ir.VectorType(real, VECTOR // size)
        empty = ir.Constant(lanes, ir.Undefined)

        def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
            z, row, step, w, w_step, w_panel, k, c, c_row = given[1:]

            def at(start: ir.Value, index: ir.Value, kind: ir.Type) -> Any:
                entries = builder.inttoptr(start, real.as_pointer())
                return builder.bitcast(builder.gep(entries, [index]), kind.as_pointer())

            def number(value: int) -> Any:
                return ir.Constant(LONG, value)

            def result(i: int, v: int) -> Any:
                index = builder.add(builder.mul(number(i), c_row), number(v * lanes.count))
                return at(c, index, lanes)

            def weight(base: ir.Value, v: int) -> Any:
                panel, v = divmod(v, VECTORS)
                base = builder.add(base, builder.mul(number(panel), w_panel)) if panel else base
                return builder.load(at(w, builder.add(base, number(v * lanes.count)), lanes), align=size)

            def add(p: ir.Value, sums: list[list[ir.Value]]) -> None:
                base = builder.mul(p, w_step)
                weights = [weight(base, v) for v in range(wide)]
                for i in range(rows):
                    index = builder.add(builder.mul(number(i), row), builder.mul(p, step))
                    single = builder.load(at(z, index, real), align=size)
                    alone = builder.insert_element(empty, single, ir.Constant(INT, 0))
                    spread = builder.shuffle_vector(alone, empty, ir.Constant(ir.VectorType(INT, lanes.count), None))
                    for v in range(wide):
                        product = builder.fmul(spread, weights[v], flags=tuple(FLAGS))
                        builder.store(builder.fadd(builder.load(sums[i][v]), product, flags=tuple(FLAGS)), sums[i][v])

            sums = [
                [[cgutils.alloca_once(builder, lanes) for _ in range(wide)] for _ in range(rows)] for _ in range(ways)
            ]
            for i in range(rows):
                for v in range(wide):
                    fetch(builder, result(i, v))  # it is needed when the sum is there
                    for by_row in sums:
                        builder.store(ir.Constant(lanes, None), by_row[i][v])
            rounds = builder.sdiv(k, number(ways))
            with cgutils.for_range(builder, rounds) as loop:
                p = builder.mul(loop.index, number(ways))
                for way in range(ways):
                    add(builder.add(p, number(way)), sums[way])
            if ways > 1:
                done = builder.mul(rounds, number(ways))
                with cgutils.for_range(builder, builder.sub(k, done)) as loop:
                    add(builder.add(done, loop.index), sums[0])
            for i in range(rows):
                for v in range(wide):
                    total = builder.load(result(i, v), align=size)
                    for by_row in sums:
                        total = builder.fadd(total, builder.load(by_row[i][v]))
                    builder.store(total, result(i, v), align=size)
            return context.get_dummy_value()

        return types.void(zero, *(types.int64,) * 9), build

    return tile


@intrinsic
def add_to(typing: TypingContext, address: types.Type, value: types.Type) -> Any:
    """Add ``value`` to the number at ``address``."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
        place = builder.inttoptr(given[0], given[1].type.as_pointer())
        builder.store(builder.fadd(builder.load(place), given[1]), place)
        return context.get_dummy_value()

    return types.void(types.int64, value), build


@intrinsic
def number_at(typing: TypingContext, zero: types.Type, address: types.Type) -> Any:
    """The number at ``address``, of the precision of ``zero``."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
        return builder.load(builder.inttoptr(given[1], given[0].type.as_pointer()))

    return zero(zero, types.int64), build


@intrinsic
def put_at(typing: TypingContext, zero: types.Type, address: types.Type, value: types.Type) -> Any:
    """Write a number of the precision of ``zero`` at ``address``."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
        builder.store(given[2], builder.inttoptr(given[1], given[2].type.as_pointer()))
        return context.get_dummy_value()

    return types.void(zero, types.int64, zero), build


@intrinsic
def width_of(typing: TypingContext, zero: types.Type) -> Any:
    """How many bytes a number of the precision of ``zero`` takes."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
        return ir.Constant(LONG, 4 if zero is types.float32 else 8)

    return types.int64(zero), build


@intrinsic
def clear(typing: TypingContext, zero: types.Type, address: types.Type, count: types.Type) -> Any:
    """Set ``count`` numbers from ``address`` on to zero."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
        start = builder.inttoptr(given[1], ir.IntType(8).as_pointer())
        length = builder.mul(given[2], ir.Constant(LONG, 4 if zero is types.float32 else 8))
        cgutils.memset(builder, start, length, 0)
        return context.get_dummy_value()

    return types.void(zero, types.int64, types.int64), build


tile_8, tile_4, tile_2, tile_1 = (_tile(rows) for rows in (8, 4, 2, 1))
tile_1_by_4, tile_1_by_2, tile_4_by_2 = _tile(1, 4), _tile(1, 2), _tile(4, 2)


@kernel
def _strip(
    zero: float, z: int, row: int, step: int, w: int, w_step: int, rows: int, k: int, c: int, c_row: int, size: int
) -> None:
    """C += Z W for any number of rows and one panel."""
    i = 0
    while i < rows:
        left = rows - i
        z_i, c_i = z + i * row * size, c + i * c_row * size
        if left >= 8 and MOST_ROWS >= 8:
            tile_8(zero, z_i, row, step, w, w_step, 0, k, c_i, c_row)
            i += 8
        elif left >= 4:
            tile_4(zero, z_i, row, step, w, w_step, 0, k, c_i, c_row)
            i += 4
        elif left >= 2:
            tile_2(zero, z_i, row, step, w, w_step, 0, k, c_i, c_row)
            i += 2
        else:
            tile_1(zero, z_i, row, step, w, w_step, 0, k, c_i, c_row)
            i += 1


@kernel
def _pair(
    zero: float, z: int, row: int, step: int, w: int, w_step: int, w_panel: int, rows: int, k: int, c: int, c_row: int,
    size: int,
) -> None:  # fmt: skip
    """The same for two panels, w_panel numbers apart, whose results stand one after the other."""
    i = 0
    while i + 4 <= rows and MOST_ROWS >= 8:
        tile_4_by_2(zero, z + i * row * size, row, step, w, w_step, w_panel, k, c + i * c_row * size, c_row)
        i += 4
    if i < rows:
        z, c = z + i * row * size, c + i * c_row * size
        _strip(zero, z, row, step, w, w_step, rows - i, k, c, c_row, size)
        _strip(zero, z, row, step, w + w_panel * size, w_step, rows - i, k, c + w_step * size, c_row, size)


@kernel
def _row(zero: float, z: int, w: int, k: int, width: int, c: int, panels: int, size: int) -> int:
    """C += Z W for one row and as many panels as can be taken several at a time; how many those are."""
    j = 0
    while j + 1 < panels:
        w_j, c_j = w + j * k * width * size, c + j * width * size
        if j + 3 < panels:
            tile_1_by_4(zero, z, 0, 1, w_j, width, k * width, k, c_j, 0)
            j += 4
        else:
            tile_1_by_2(zero, z, 0, 1, w_j, width, k * width, k, c_j, 0)
            j += 2
    return j


@kernel
def add_product(z: int, rows: int, packed: np.ndarray, scratch: np.ndarray, c: int, m: int) -> None:
    """C += Z W^T for the rows Z (rows, k) at the address z, C (rows, m) at c, and the packed W (m, k).

    scratch (rows, PANEL) holds the last part where the panels do not divide m.
    """
    k, width = packed.shape[1:]
    zero = packed.dtype.type(0.0)
    add_product_at(zero, z, k, rows, start_of(packed), k, width, start_of(scratch), c, m, m)


@kernel
def add_product_at(
    zero: float,
    z: int,
    row: int,
    rows: int,
    w: int,
    k: int,
    width: int,
    scratch: int,
    c: int,
    c_row: int,
    m: int,
) -> None:
    """The same for rows of Z and of C that are ``row`` and ``c_row`` numbers apart, all given by addresses."""
    size, whole = width_of(zero), m // width
    first = _row(zero, z, w, k, width, c, whole, size) if rows == 1 else 0
    while first + 1 < whole:
        w_j, c_j = w + first * k * width * size, c + first * width * size
        _pair(zero, z, row, 1, w_j, width, k * width, rows, k, c_j, c_row, size)
        first += 2
    if first < whole:
        _strip(zero, z, row, 1, w + first * k * width * size, width, rows, k, c + first * width * size, c_row, size)
    if whole * width < m:
        clear(zero, scratch, rows * width)
        _strip(zero, z, row, 1, w + whole * k * width * size, width, rows, k, scratch, width, size)
        for i in range(rows):
            for j in range(m - whole * width):
                part = number_at(zero, scratch + (i * width + j) * size)
                add_to(c + (i * c_row + whole * width + j) * size, part)


@kernel
def add_outer(Z: np.ndarray, V: np.ndarray, width: int, out: np.ndarray) -> None:
    """out += Z^T V for Z (n, d), V (n, k) with k a multiple of the width of a panel."""
    zero, size = out.dtype.type(0.0), out.itemsize
    n, d = Z.shape
    k = V.shape[1]
    z, v, c = start_of(Z), start_of(V), start_of(out)
    for first in range(0, n, CHUNK):
        count = min(CHUNK, n - first)
        for j in range(0, k, width):
            _strip(zero, z + first * d * size, 1, d, v + (first * k + j) * size, k, d, count, c + j * size, k, size)
