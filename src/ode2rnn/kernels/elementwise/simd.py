"""Passes over the rows of several arrays at once, written for vectors of numbers rather than left to the compiler.

A loop over rows of 64 numbers is too short for what a compiler does to long ones. A pass is a function of streams; it
is built twice, for whole vectors and for the single numbers at the end of a row. The values of the activations are
those of float64.py and float32.py, with their care for NaN and small arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from ode2rnn.kernels.compiling import FLAGS
from ode2rnn.kernels.elementwise import float32 as elementwise32
from ode2rnn.kernels.elementwise import float64 as elementwise
from ode2rnn.kernels.products.tile import LONG, VECTOR, intrinsic

if TYPE_CHECKING:
    from numba.core.base import BaseContext
    from numba.core.typing.context import BaseContext as TypingContext
    from numba.core.typing.templates import Signature


class Lanes:
    """A vector of numbers inside a function that is being built."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder, self.value = builder, value

    def _other(self, other: Lanes | float) -> Any:
        if isinstance(other, Lanes):
            return other.value
        kind = self.value.type
        return ir.Constant(kind, [other] * kind.count)

    def all(self, number: float) -> Lanes:
        """As many of one number."""
        return Lanes(self.builder, self._other(number))

    def _do(self, name: str, left: ir.Value, right: ir.Value) -> Lanes:
        return Lanes(self.builder, getattr(self.builder, name)(left, right, flags=tuple(FLAGS)))

    def __add__(self, other: Lanes | float) -> Lanes:
        return self._do("fadd", self.value, self._other(other))

    def __sub__(self, other: Lanes | float) -> Lanes:
        return self._do("fsub", self.value, self._other(other))

    def __rsub__(self, other: Lanes | float) -> Lanes:
        return self._do("fsub", self._other(other), self.value)

    def __mul__(self, other: Lanes | float) -> Lanes:
        return self._do("fmul", self.value, self._other(other))

    def __truediv__(self, other: Lanes | float) -> Lanes:
        return self._do("fdiv", self.value, self._other(other))

    __radd__, __rmul__ = __add__, __mul__

    def below(self, other: float) -> Any:
        """Where this is less; not where it is NaN."""
        return self.builder.fcmp_ordered("<", self.value, self._other(other))

    def where(self, condition: ir.Value, other: Lanes | float) -> Lanes:
        """``other`` where the condition holds, this elsewhere."""
        return Lanes(self.builder, self.builder.select(condition, self._other(other), self.value))

    def _call(self, name: str, *others: Lanes) -> Lanes:
        kind = self.value.type
        full = f"{name}.v{kind.count}f{32 if self.single else 64}"
        whole = ir.FunctionType(kind, [kind] * (1 + len(others)))
        function = cgutils.get_or_insert_function(self.builder.module, whole, full)
        return Lanes(self.builder, self.builder.call(function, [self.value, *(other.value for other in others)]))

    def __abs__(self) -> Lanes:
        return self._call("llvm.fabs")

    def with_sign_of(self, other: Lanes) -> Lanes:
        """This with the sign of ``other``."""
        return self._call("llvm.copysign", other)

    @property
    def single(self) -> bool:
        """Whether the numbers are float32."""
        return isinstance(self.value.type.element, ir.FloatType)

    def to_power_of_two(self, bias: int, shift: int) -> Lanes:
        """2^k for numbers in whose last bits k stands."""
        kind = self.value.type
        whole = ir.VectorType(ir.IntType(32 if self.single else 64), kind.count)
        bits = self.builder.add(self.builder.bitcast(self.value, whole), ir.Constant(whole, [bias] * kind.count))
        bits = self.builder.shl(bits, ir.Constant(whole, [shift] * kind.count))
        return Lanes(self.builder, self.builder.bitcast(bits, kind))


def reduce(y: Lanes) -> tuple[Lanes, Lanes]:
    """(2^k, e^p - 1) with e^y = 2^k e^p."""
    e = elementwise32 if y.single else elementwise
    shifted = y * float(e.PER_LOG2) + float(e.ROUND)
    k = shifted - float(e.ROUND)
    p = (y - k * float(e.LOG2_HIGH)) - k * float(e.LOG2_LOW)
    scale = shifted.to_power_of_two(int(e.BIAS), int(e.SHIFT))
    p2 = p * p
    if y.single:
        c = [float(getattr(elementwise32, f"C{i}")) for i in range(6)]
        return scale, p + p2 * ((p * c[1] + c[0]) + p2 * ((p * c[3] + c[2]) + p2 * (p * c[5] + c[4])))
    p4 = p2 * p2
    c = list(elementwise.SERIES)
    a = (p * c[1] + c[0]) + p2 * (p * c[3] + c[2])
    b = (p * c[5] + c[4]) + p2 * (p * c[7] + c[6])
    return scale, p + p2 * (a + p4 * (b + p4 * (p * c[9] + c[8] + p2 * c[10])))


def tanh(x: Lanes) -> Lanes:
    """The hyperbolic tangent."""
    y = abs(x) * -2.0
    least = -32.0 if x.single else -64.0
    scale, part = reduce(y.where(y.below(least), least))
    minus = scale * part + (scale - 1.0)
    return (minus / (minus + 2.0)).with_sign_of(x)


def sigmoid(x: Lanes) -> Lanes:
    """1 / (1 + e^-x)."""
    y = abs(x) * -1.0
    least = -87.0 if x.single else -708.0
    low = y.below(least)
    scale, part = reduce(y.where(low, least))
    e = (scale + scale * part).where(low, 0.0)
    return e.all(1.0).where(x.below(0.0), e) / (e + 1.0)


class Stream:
    """The numbers of one array that a step of a pass sees."""

    def __init__(self, builder: ir.IRBuilder, pointer: ir.Value, size: int) -> None:
        self.builder, self.pointer, self.size = builder, pointer, size

    def get(self) -> Lanes:
        """Read them."""
        return Lanes(self.builder, self.builder.load(self.pointer, align=self.size))

    def put(self, value: Lanes) -> None:
        """Write them."""
        self.builder.store(value.value, self.pointer, align=self.size)


def over_rows(names: Sequence[str], body: Callable[[SimpleNamespace], None], most: int = VECTOR) -> Any:
    """A kernel's function (zero, rows, d, places) that runs ``body`` on the streams ``names``.

    ``places`` gives for each name the address of its first row and the step from row to row, in numbers; rows are d
    long; ``zero`` gives the precision. At most ``most`` numbers are taken at a time.
    """

    @intrinsic
    def run(typing: TypingContext, zero: types.Type, rows: types.Type, d: types.Type, places: types.Type) -> Any:
        real = ir.FloatType() if zero is types.float32 else ir.DoubleType()
        size = 4 if zero is types.float32 else 8
        many = min(VECTOR // size, most)

        def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
            _, rows, d, places = given
            numbers = cgutils.unpack_tuple(builder, places, 2 * len(names))
            starts = [builder.inttoptr(address, real.as_pointer()) for address in numbers[::2]]

            def step(row_starts: list[Any], index: ir.Value, lanes: int) -> None:
                kind = ir.VectorType(real, lanes).as_pointer()
                streams = {
                    name: Stream(builder, builder.bitcast(builder.gep(start, [index]), kind), size)
                    for name, start in zip(names, row_starts, strict=True)
                }
                body(SimpleNamespace(**streams))

            with cgutils.for_range(builder, rows) as row:
                here = [
                    builder.gep(start, [builder.mul(row.index, stride)])
                    for start, stride in zip(starts, numbers[1::2], strict=True)
                ]
                whole = builder.sdiv(d, ir.Constant(LONG, many))
                with cgutils.for_range(builder, whole) as block:
                    step(here, builder.mul(block.index, ir.Constant(LONG, many)), many)
                done = builder.mul(whole, ir.Constant(LONG, many))
                with cgutils.for_range(builder, builder.sub(d, done)) as left:
                    step(here, builder.add(done, left.index), 1)
            return context.get_dummy_value()

        return types.void(zero, types.int64, types.int64, types.UniTuple(types.int64, 2 * len(names))), build

    return run
