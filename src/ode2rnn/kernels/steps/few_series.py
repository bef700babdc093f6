"""Taylor coefficients of up to four states as one straight run of instructions for each order.  Uses: C9.

A loop over the coefficients of so few states waits: for its own branches, and from one coefficient for the next. Here
all coefficients are values, which the compiler keeps in registers where it can, and the chain from one to the next is
short. With T[k] = k S[k], q = -G' / 2 and p[k] = -k R[k] / 2 = T[1] q[k-1] + ... + T[k-1] q[1] + T[k] q[0],

    T[k+1] = (A + B diag G') T[k] / k + B (-2 / k) (p[k] - T[k] q[0]) + G[k],

so that T[k] goes through one product alone, and what else there is was known before. The rows in memory are those of
kernels.steps.series.
"""

from __future__ import annotations

import operator
from functools import reduce
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba import types

from ode2rnn.kernels.elementwise.simd import Lanes
from ode2rnn.kernels.elementwise.vectors import LANES, WIDTH, entry, intrinsic

if TYPE_CHECKING:
    from numba.core.base import BaseContext
    from numba.core.typing.context import BaseContext as TypingContext
    from numba.core.typing.templates import Signature

INT, LONG = ir.IntType(32), ir.IntType(64)


def _lane(value: Lanes, j: int, states: int) -> Lanes:
    """Entry j as often as there are lanes; of two states in each half alone, which takes less time."""
    mask = [j, j, 2 + j, 2 + j] if states == 2 else [j] * WIDTH
    empty = ir.Constant(LANES, ir.Undefined)
    picked = ir.Constant(ir.VectorType(INT, WIDTH), mask)
    return Lanes(value.builder, value.builder.shuffle_vector(value.value, empty, picked))


def _plus_product(rest: Lanes, columns: list[Lanes], x: Lanes) -> Lanes:
    """The matrix with these columns times x, and ``rest``."""
    n = len(columns)
    parts = [column * _lane(x, j, n) for j, column in enumerate(columns)]
    near = (rest + parts[0]) + parts[1]
    return near if n == 2 else near + (parts[2] + parts[3])


def _sum(terms: list[Lanes]) -> list[Lanes]:
    """The terms added up in their order; none of none."""
    return [reduce(operator.add, terms)] if terms else []


def _matrices(builder: ir.IRBuilder, M: ir.Value, states: int) -> list[list[Lanes]]:
    """The columns of A and of B, as kernels.products.packing packs them."""
    places = [[ir.Constant(LONG, (2 + n * WIDTH + j) * WIDTH) for j in range(states)] for n in range(2)]
    return [[_at(builder, M, place) for place in columns] for columns in places]


def _at(builder: ir.IRBuilder, start: ir.Value, index: ir.Value) -> Lanes:
    return Lanes(builder, builder.load(entry(builder, start, index), align=8))


def _linear(states: int) -> Any:
    """A kernel's function (M, W, s, r, to): W[to :] += A W[s :] + B W[r :]."""

    @intrinsic
    def add(typing: TypingContext, M: types.Type, W: types.Type, s: types.Type, r: types.Type, to: types.Type) -> Any:
        def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
            M, W, *places = given
            s, r, total = (_at(builder, W, place) for place in places)
            A, B = _matrices(builder, M, states)
            total = _plus_product(_plus_product(total, A, s), B, r)
            builder.store(total.value, entry(builder, W, places[2]), align=8)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 5), build

    return add


def _unrolled(order: int, states: int) -> Any:
    """A kernel's function that computes rows 2 .. order of S and T, for a forcing that is G and one wave more.

    Args of that function: sigmoid; M; scale; W; rows; F, where the amplitudes of sine and cosine of the wave are; its
    sine and cosine now; turn, its frequency times ``scale``.
    """

    @intrinsic
    def coefficients(
        typing: TypingContext,
        sigmoid: types.Type,
        M: types.Type,
        scale: types.Type,
        W: types.Type,
        rows: types.Type,
        F: types.Type,
        sine: types.Type,
        cosine: types.Type,
        turn: types.Type,
    ) -> Any:
        def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
            sigmoid, M, scale, W, rows, F, *wave = given

            def at(start: ir.Value, index: ir.Value) -> Lanes:
                return _at(builder, start, index)

            def put(value: Lanes, index: ir.Value) -> None:
                builder.store(value.value, entry(builder, W, index), align=8)

            def number(value: ir.Value) -> Lanes:
                one = builder.insert_element(ir.Constant(LANES, ir.Undefined), value, ir.Constant(INT, 0))
                return _lane(Lanes(builder, one), 0, WIDTH)

            def row(block: int, k: int) -> Any:  # of S, T, R, Q, G
                start = builder.mul(rows, ir.Constant(LONG, block * WIDTH))
                return builder.add(start, ir.Constant(LONG, k * WIDTH))

            factor = number(scale)
            A, B = ([column * factor for column in columns] for columns in _matrices(builder, M, states))
            T, R, q = {1: at(W, row(1, 1))}, {0: at(W, row(2, 0))}, {0: at(W, row(3, 0)) * -0.5}
            half = builder.select(sigmoid, ir.Constant(ir.DoubleType(), 0.5), ir.Constant(ir.DoubleType(), 0.0))
            first = R[0] - number(half)
            through = [a + b * _lane(q[0] * -2.0, j, states) for j, (a, b) in enumerate(zip(A, B, strict=True))]
            sine, cosine, turn = (number(value) for value in wave)
            a, b = (at(F, ir.Constant(LONG, n * WIDTH)) for n in range(2))
            value, rise, size = a * sine + b * cosine, a * cosine - b * sine, factor
            for k in range(1, order):
                size = size * (turn * (1.0 / k))
                wave_k = size * (rise if k % 2 else value)
                rest = at(W, row(4, k)) + wave_k if k % 4 < 2 else at(W, row(4, k)) - wave_k
                ahead = sorted(range(1, k), key=lambda j: max(j, k - j + 0.6))  # in the order in which they get ready
                known = _sum([T[j] * q[k - j] for j in ahead])
                if known:
                    rest = _plus_product(rest, [column * (-2.0 / k) for column in B], known[0])
                T[k + 1] = _plus_product(rest, [column * (1.0 / k) for column in through], T[k])
                put(T[k + 1], row(1, k + 1))
                put(T[k + 1] * (1.0 / (k + 1)), row(0, k + 1))
                (p,) = _sum([*known, T[k] * q[0]])
                R[k] = p * (-2.0 / k)
                squares = [R[k // 2] * R[k // 2] * 0.5] if k % 2 == 0 else []
                squares += [R[j] * R[k - j] for j in range((k - 1) // 2, 0, -1)]
                (q[k],) = _sum([*_sum(squares), p * (first * (-2.0 / k))])
            return context.get_dummy_value()

        addresses = types.int64
        places, numbers = [addresses] * 2, [types.float64] * 3
        return types.void(types.boolean, addresses, types.float64, addresses, *places, *numbers), build

    return coefficients


two_15, two_20, four_15, four_20 = _unrolled(15, 2), _unrolled(20, 2), _unrolled(15, 4), _unrolled(20, 4)
two_linear, four_linear = _linear(2), _linear(4)
