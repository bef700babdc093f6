"""What a sweep does at a tick, a few rows of a block at a time, from the product on without leaving the registers.

Uses: D4, D10.  A tile is ``rows`` rows by PANEL lanes; everything is given by addresses, at the first lane of the tile.
Rows of blocks are LANES numbers apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from ode2rnn.kernels.compiling import FLAGS, kernel
from ode2rnn.kernels.elementwise.simd import Lanes, sigmoid, tanh
from ode2rnn.kernels.products.batch import LANES
from ode2rnn.kernels.products.tile import LONG, MOST_ROWS, VECTOR, VECTORS, intrinsic

if TYPE_CHECKING:
    from numba.core.base import BaseContext
    from numba.core.typing.context import BaseContext as TypingContext
    from numba.core.typing.templates import Signature

REAL = ir.DoubleType()
COUNT = VECTOR // 8  # numbers in a vector
PANEL = VECTORS * COUNT
KIND = ir.VectorType(REAL, COUNT)
Tile = list[list[Any]]  # the vectors of each row


def _place(builder: ir.IRBuilder, start: ir.Value, index: ir.Value, kind: ir.Type = KIND) -> Any:
    entries = builder.inttoptr(start, REAL.as_pointer())
    return builder.bitcast(builder.gep(entries, [index]), kind.as_pointer())


def _load(builder: ir.IRBuilder, start: ir.Value, row: int, v: int) -> Any:
    return builder.load(_place(builder, start, ir.Constant(LONG, row * LANES + v * COUNT)), align=8)


def _store(builder: ir.IRBuilder, value: ir.Value, start: ir.Value, row: int, v: int) -> None:
    builder.store(value, _place(builder, start, ir.Constant(LONG, row * LANES + v * COUNT)), align=8)


def _spread(builder: ir.IRBuilder, start: ir.Value, index: ir.Value) -> Any:
    """As often as there are lanes, the number there."""
    empty, zeros = ir.Constant(KIND, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), COUNT), None)
    number = builder.load(_place(builder, start, index, REAL))
    return builder.shuffle_vector(builder.insert_element(empty, number, ir.Constant(ir.IntType(32), 0)), empty, zeros)


def _plus_product(builder: ir.IRBuilder, start: Tile, w: ir.Value, k: ir.Value, z: ir.Value) -> Tile:
    """start + W Z, for rows of W at w, k numbers each, and k rows of Z at z."""
    sums = [[cgutils.alloca_once_value(builder, value) for value in row] for row in start]
    with cgutils.for_range(builder, k) as loop:
        first = builder.mul(loop.index, ir.Constant(LONG, LANES))
        row_of_z = [
            builder.load(_place(builder, z, builder.add(first, ir.Constant(LONG, v * COUNT))), align=8)
            for v in range(VECTORS)
        ]
        for i, row in enumerate(sums):
            at = builder.add(builder.mul(ir.Constant(LONG, i), k), loop.index)
            weight = _spread(builder, w, at)
            for place, value in zip(row, row_of_z, strict=True):
                product = builder.fmul(weight, value, flags=tuple(FLAGS))
                builder.store(builder.fadd(builder.load(place), product, flags=tuple(FLAGS)), place)
    return [[builder.load(place) for place in row] for row in sums]


def _show(rows: int) -> Any:
    """A kernel's function (is_tanh, w, k, z, h, s, r): s = V z and r = h G(s), for rows of V at w."""

    @intrinsic
    def show(
        typing: TypingContext,
        is_tanh: types.Type,
        w: types.Type,
        k: types.Type,
        z: types.Type,
        h: types.Type,
        s: types.Type,
        r: types.Type,
    ) -> Any:
        def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
            is_tanh, w, k, z, h, s, r = given
            nothing = [[ir.Constant(KIND, None)] * VECTORS] * rows
            states = _plus_product(builder, nothing, w, k, z)

            def finish(warp: Callable[[Lanes], Lanes]) -> None:
                for i, row in enumerate(states):
                    for v, value in enumerate(row):
                        _store(builder, value, s, i, v)
                        factor = Lanes(builder, _load(builder, h, 0, v))
                        _store(builder, (warp(Lanes(builder, value)) * factor).value, r, i, v)

            with builder.if_else(is_tanh) as (then, otherwise):
                with then:
                    finish(tanh)
                with otherwise:
                    finish(sigmoid)
            return context.get_dummy_value()

        return types.void(types.boolean, *[types.int64] * 6), build

    return show


def _advance(rows: int) -> Any:
    """A kernel's function (w, k, past, z, bias, h, factor, couples, out).

    out = factor (z + V^-1 B past + bias h), for rows of V^-1 B at w, of which ``bias`` has a number each. The first
    ``couples`` pairs of rows are real and imaginary parts.
    """

    @intrinsic
    def advance(
        typing: TypingContext,
        w: types.Type,
        k: types.Type,
        past: types.Type,
        z: types.Type,
        bias: types.Type,
        h: types.Type,
        factor: types.Type,
        couples: types.Type,
        out: types.Type,
    ) -> Any:
        def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
            w, k, past, z, bias, h, factor, couples, out = given

            def lanes(value: ir.Value) -> Lanes:
                return Lanes(builder, value)

            start: Tile = []
            for i in range(rows):
                each = lanes(_spread(builder, bias, ir.Constant(LONG, i)))
                steps = [each * lanes(_load(builder, h, 0, v)) for v in range(VECTORS)]
                start.append([(lanes(_load(builder, z, i, v)) + step).value for v, step in enumerate(steps)])
            new = _plus_product(builder, start, w, k, past)

            def plain(i: int, v: int) -> None:
                _store(builder, (lanes(_load(builder, factor, i, v)) * lanes(new[i][v])).value, out, i, v)

            for i in range(0, rows - 1, 2):
                coupled = builder.icmp_signed("<", ir.Constant(LONG, i // 2), couples)
                with builder.if_else(coupled) as (then, otherwise):
                    with then:
                        for v in range(VECTORS):
                            a, b = (lanes(_load(builder, factor, i + n, v)) for n in range(2))
                            x, y = lanes(new[i][v]), lanes(new[i + 1][v])
                            _store(builder, (a * x + b * y).value, out, i, v)
                            _store(builder, (a * y - b * x).value, out, i + 1, v)
                    with otherwise:
                        for n in range(2):
                            for v in range(VECTORS):
                                plain(i + n, v)
            if rows % 2:
                for v in range(VECTORS):
                    plain(rows - 1, v)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 9), build

    return advance


_advance_most, _advance_2, _advance_1 = (_advance(rows) for rows in (MOST_ROWS, 2, 1))
_show_most, _show_2, _show_1 = (_show(rows) for rows in (MOST_ROWS, 2, 1))


@kernel
def advance(VB: int, d: int, past: int, z: int, extra: tuple[int, int], factor: int, pairs: int, out: int) -> None:
    """out = factor (z + V^-1 B past + bias h) for whole blocks; bias (d,) and h (LANES,) are ``extra``."""
    for lane in range(0, LANES, PANEL):
        shift, i = 8 * lane, 0
        r, h = past + shift, extra[1] + shift
        while i < d:
            row, couples = 8 * i * LANES + shift, max(pairs - i // 2, 0)
            w, bias, z_i, factor_i, out_i = VB + 8 * i * d, extra[0] + 8 * i, z + row, factor + row, out + row
            if d - i >= MOST_ROWS:
                _advance_most(w, d, r, z_i, bias, h, factor_i, couples, out_i)
                i += MOST_ROWS
            elif d - i >= 2:
                _advance_2(w, d, r, z_i, bias, h, factor_i, couples, out_i)
                i += 2
            else:
                _advance_1(w, d, r, z_i, bias, h, factor_i, couples, out_i)
                i += 1


@kernel
def show(is_tanh: bool, V: int, d: int, z: int, h: int, s: int, r: int) -> None:
    """s = V z and r = h G(s) for whole blocks, G tanh or the sigmoid."""
    for lane in range(0, LANES, PANEL):
        shift, i = 8 * lane, 0
        while i < d:
            row = 8 * i * LANES + shift
            w, s_i, r_i = V + 8 * i * d, s + row, r + row
            if d - i >= MOST_ROWS:
                _show_most(is_tanh, w, d, z + shift, h + shift, s_i, r_i)
                i += MOST_ROWS
            elif d - i >= 2:
                _show_2(is_tanh, w, d, z + shift, h + shift, s_i, r_i)
                i += 2
            else:
                _show_1(is_tanh, w, d, z + shift, h + shift, s_i, r_i)
                i += 1
