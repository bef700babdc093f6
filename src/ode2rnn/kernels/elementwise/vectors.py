"""Four float64 numbers as one value inside a kernel: a vector register where the processor has one.

numba leaves short inner loops scalar, asks at run time of every longer one whether its arrays overlap, and counts
references to arrays inside inlined functions. A Vector says at once what is meant: ``load`` and ``store`` move four
neighbouring entries, ``get`` and ``put`` one, of an array that is known by its ``address``; ``fma(a, b, c)`` is
a b + c, ``times(a, b)`` a b, ``over(a, b)`` a / b, ``plus(a, b)`` a + b and ``spread(x)`` four times x.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as numba_intrinsic
from numba.extending import models, register_model

if TYPE_CHECKING:
    from numba.core.base import BaseContext
    from numba.core.typing.context import BaseContext as TypingContext
    from numba.core.typing.templates import Signature

WIDTH = 4
LANES = ir.VectorType(ir.DoubleType(), WIDTH)
FLAGS = ("contract", "nsz")
intrinsic: Any = numba_intrinsic  # what it makes takes other arguments than what it is given


class VectorType(types.Type):
    """The type of a Vector."""

    def __init__(self) -> None:
        super().__init__(name="Vector")


vector = VectorType()


@register_model(VectorType)
class VectorModel(models.PrimitiveModel):
    """A Vector is four doubles in a register."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, LANES)


@intrinsic
def address(typing: TypingContext, array: types.Type) -> Any:
    """Where the entries of a contiguous array begin. Whoever asks keeps the array alive."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
        data = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=given[0]).data
        return builder.ptrtoint(data, ir.IntType(64))

    return types.int64(array), build


def entry(builder: ir.IRBuilder, start: ir.Value, index: ir.Value, kind: ir.Type = LANES) -> Any:
    """A pointer to what is at ``index`` of the array that begins at ``start``, in a function that is being built."""
    entries = builder.inttoptr(start, ir.DoubleType().as_pointer())
    return builder.bitcast(builder.gep(entries, [index]), kind.as_pointer())


@intrinsic
def get(typing: TypingContext, start: types.Type, index: types.Type) -> Any:
    """Entry ``index`` of the array that begins at ``start``."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
        return builder.load(entry(builder, given[0], given[1], ir.DoubleType()))

    return types.float64(types.int64, types.int64), build


@intrinsic
def put(typing: TypingContext, start: types.Type, index: types.Type, value: types.Type) -> Any:
    """Set entry ``index`` of the array that begins at ``start``."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
        builder.store(given[2], entry(builder, given[0], given[1], ir.DoubleType()))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.float64), build


@intrinsic
def load(typing: TypingContext, start: types.Type, index: types.Type) -> Any:
    """The four entries from ``index`` on."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
        found = builder.load(entry(builder, given[0], given[1]))
        found.align = 8
        return found

    return vector(types.int64, types.int64), build


@intrinsic
def store(typing: TypingContext, start: types.Type, index: types.Type, value: types.Type) -> Any:
    """Put a Vector into the four entries from ``index`` on."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
        builder.store(given[2], entry(builder, given[0], given[1])).align = 8
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, vector), build


def _splat(builder: ir.IRBuilder, value: ir.Value) -> Any:
    zero = ir.Constant(ir.IntType(32), 0)
    one = builder.insert_element(ir.Constant(LANES, ir.Undefined), value, zero)
    mask = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(one, ir.Constant(LANES, ir.Undefined), mask)


@intrinsic
def spread(typing: TypingContext, value: types.Type) -> Any:
    """Four times one number."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
        return _splat(builder, given[0])

    return vector(types.float64), build


@intrinsic
def fma(typing: TypingContext, a: types.Type, b: types.Type, c: types.Type) -> Any:
    """a b + c."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
        product = builder.fmul(given[0], given[1], flags=FLAGS)
        return builder.fadd(product, given[2], flags=FLAGS)

    return vector(vector, vector, vector), build


@intrinsic
def times(typing: TypingContext, a: types.Type, b: types.Type) -> Any:
    """a b."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
        return builder.fmul(given[0], given[1], flags=FLAGS)

    return vector(vector, vector), build


@intrinsic
def plus(typing: TypingContext, a: types.Type, b: types.Type) -> Any:
    """a + b."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
        return builder.fadd(given[0], given[1], flags=FLAGS)

    return vector(vector, vector), build


@intrinsic
def over(typing: TypingContext, a: types.Type, b: types.Type) -> Any:
    """a / b."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
        return builder.fdiv(given[0], given[1], flags=FLAGS)

    return vector(vector, vector), build


@intrinsic
def magnitude(typing: TypingContext, value: types.Type) -> Any:
    """|a|."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
        kind = ir.FunctionType(LANES, [LANES])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.fabs.v4f64"), given)

    return vector(vector), build


@intrinsic
def larger(typing: TypingContext, a: types.Type, b: types.Type) -> Any:
    """a where it is larger than b, else b; NaN in a is passed over."""

    def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
        return builder.select(builder.fcmp_ordered(">", given[0], given[1]), given[0], given[1])

    return vector(vector, vector), build


def _reduced(name: str) -> Any:
    def reduced(typing: TypingContext, value: types.Type) -> Any:
        """One number made of the four entries of a Vector."""

        def build(context: BaseContext, builder: ir.IRBuilder, signature: Signature, given: list[ir.Value]) -> Any:
            parts = [builder.extract_element(given[0], ir.Constant(ir.IntType(32), j)) for j in range(WIDTH)]
            while len(parts) > 1:
                pairs = zip(parts[::2], parts[1::2], strict=True)
                if name == "total":
                    parts = [builder.fadd(a, b) for a, b in pairs]
                else:
                    parts = [builder.select(builder.fcmp_ordered(">", a, b), a, b) for a, b in pairs]
            return parts[0]

        return types.float64(vector), build

    return intrinsic(reduced)


total, largest = _reduced("total"), _reduced("largest")
