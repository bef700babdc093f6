"""Taylor coefficients of a network's state and readout, compiled.  Uses: C9.

The rows k of S (coefficients of s), T = k S, R (of r = G(s)), Q (of G'(s)) and G (of the forcing) follow each other in
one workspace W, known by its address, each ``width`` long.  W[inverse + k] is 1 / k.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba import types

from ode2rnn.kernels.compiling import kernel
from ode2rnn.kernels.elementwise.codes import SIGMOID, TANH
from ode2rnn.kernels.elementwise.simd import Lanes, reduce
from ode2rnn.kernels.elementwise.vectors import WIDTH, entry, fma, get, intrinsic, load, plus, spread, store, times
from ode2rnn.kernels.products.vector import Matrices, add_linear

if TYPE_CHECKING:
    from llvmlite import ir
    from numba.core.base import BaseContext
    from numba.core.typing.context import BaseContext as TypingContext
    from numba.core.typing.templates import Signature


def _rows(sigmoid: bool) -> Any:
    """A kernel's function (W, s, r, q): W[r :] = G, W[q :] = G' of the vector W[s :].

    Both are accurate where G saturates: 1 - r^2 would lose every digit of the slope there.
    """

    @intrinsic
    def rows(typing: TypingContext, W: types.Type, s: types.Type, r: types.Type, q: types.Type) -> Any:
        def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
            x, r, q = (entry(builder, given[0], at) for at in given[1:])
            x = Lanes(builder, builder.load(x, align=8))
            y = abs(x) * (-1.0 if sigmoid else -2.0)
            low = y.below(-708.0)
            scale, part = reduce(y.where(low, -708.0))
            e = (scale + scale * part).where(low, 0.0)
            if sigmoid:
                w = e.all(1.0) / (e + 1.0)
                value, slope = e.all(1.0).where(x.below(0.0), e) * w, e * w * w
            else:
                minus = (scale * part + (scale - 1.0)).where(low, -1.0)
                w = e.all(1.0) / (minus + 2.0)
                value, slope = (minus * w).with_sign_of(x), e * 4.0 * w * w
            builder.store(value.value, r, align=8)
            builder.store(slope.value, q, align=8)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.int64, types.int64), build

    return rows


_tanh_rows, _sigmoid_rows = _rows(sigmoid=False), _rows(sigmoid=True)


@kernel
def warp_rows(code: int, width: int, W: int, s: int, r: int, q: int) -> None:
    """W[r :] = G, W[q :] = G' of the entries W[s :]."""
    if code == TANH:
        for o in range(0, width, WIDTH):
            _tanh_rows(W, s + o, r + o, q + o)
    else:
        for o in range(0, width, WIDTH):
            _sigmoid_rows(W, s + o, r + o, q + o)


@kernel
def _readout_coefficients(code: int, m: int, W: int, T: int, R: int, Q: int, inverse: int, width: int) -> None:
    """Row m of R and Q from rows 1 .. m of T = k S[k] and rows .. m - 1 of R and Q: r' = q s', and q = 1 - r^2
    (tanh) or r - r^2 (sigmoid). What was computed last is added last.
    """
    per = spread(get(W, inverse + m))
    for o in range(0, width, WIDTH):
        total = spread(0.0)
        i, j, first = T + 2 * width + o, Q + (m - 2) * width + o, Q + o
        while j > first:
            total = fma(load(W, i), load(W, j), total)
            i += width
            j -= width
        if m > 1:
            total = fma(load(W, T + width + o), load(W, Q + (m - 1) * width + o), total)
        r = times(fma(load(W, T + m * width + o), load(W, first), total), per)
        total = spread(0.0)
        i, j = R + width + o, R + (m - 1) * width + o
        while i < j:
            total = fma(load(W, i), load(W, j), total)
            i += width
            j -= width
        if i == j:
            total = fma(times(load(W, i), load(W, i)), spread(0.5), total)
        start = load(W, R + o)
        if code == SIGMOID:  # r (1/2 - r_0) - total, twice
            start = plus(start, spread(-0.5))
        store(W, R + m * width + o, r)
        store(W, Q + m * width + o, times(fma(start, r, total), spread(-2.0)))


@kernel
def coefficients(
    code: int, readout: bool, order: int, matrices: Matrices, scale: float, W: int, rows: int, inverse: int
) -> None:
    """Rows 2 .. order of S and T, from rows 0 and 1 of S and T, row 0 of R and Q and the forcing in G."""
    width = matrices[3]
    T, R, Q, G = rows * width, 2 * rows * width, 3 * rows * width, 4 * rows * width
    factor = spread(scale)
    for k in range(1, order):
        row, following = k * width, (k + 1) * width
        if readout:
            _readout_coefficients(code, k, W, T, R, Q, inverse, width)
        add_linear(matrices, W, row, R + row, G + row, k)
        per = spread(get(W, inverse + k + 1))
        for o in range(0, width, WIDTH):
            term = times(load(W, G + row + o), factor)
            store(W, T + following + o, term)
            store(W, following + o, times(term, per))
