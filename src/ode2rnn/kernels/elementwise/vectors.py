"""Vectors of numbers as values inside a kernel: registers, where the processor has them.

numba leaves short loops scalar, and asks of every longer one whether its arrays overlap. A Vector says what is meant:
entries of one precision, on which ``+ - * /`` work one by one, with a number for as many of it. They are moved from and
to arrays that the kernel holds, known by their ``address``; an index counts numbers.

``widest(zero)`` and ``single(zero)`` are Vectors of zeros as long as the processor takes them, and of one entry, in the
precision of ``zero``; code that is written once for any Vector serves both, for a row and for what is left at its end.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic as numba_intrinsic
from numba.extending import lower_builtin, models, register_model

from ode2rnn.kernels.compiling import FLAGS, inlined

intrinsic: Any = numba_intrinsic  # what it makes takes other arguments than what it is given
INT, LONG = ir.IntType(32), ir.IntType(64)
REALS = {types.float32: ir.FloatType(), types.float64: ir.DoubleType()}


def _register_bytes() -> int:
    features = cpu_target.target_context.codegen().magic_tuple()[2]
    return 64 if "+avx512f" in features else 32 if "+avx2" in features else 16


REGISTER = _register_bytes()
WIDTH = 4  # numbers of the Vectors of trajectories, whatever the processor


class VectorType(types.Type):
    """The type of a Vector."""

    def __init__(self, kind: types.Type, count: int) -> None:
        self.kind, self.count = kind, count
        super().__init__(name=f"Vector({kind}, {count})")

    @property
    def real(self) -> ir.Type:
        """The type of an entry in the compiled code."""
        return REALS[self.kind]

    @property
    def size(self) -> int:
        """The bytes of an entry."""
        return 4 if self.kind is types.float32 else 8

    @property
    def lanes(self) -> ir.VectorType:
        """The type in the compiled code."""
        return ir.VectorType(self.real, self.count)


FOUR = VectorType(types.float64, WIDTH)


@register_model(VectorType)
class VectorModel(models.PrimitiveModel):
    """A Vector is a value of the compiled code."""

    def __init__(self, manager: Any, kind: VectorType) -> None:
        super().__init__(manager, kind, kind.lanes)


def splat(builder: ir.IRBuilder, number: ir.Value, lanes: ir.VectorType) -> Any:
    """As often as there are lanes one number, of any precision."""
    if number.type != lanes.element:
        number = (builder.fptrunc if lanes.element == ir.FloatType() else builder.fpext)(number, lanes.element)
    one = builder.insert_element(ir.Constant(lanes, ir.Undefined), number, ir.Constant(INT, 0))
    nowhere = ir.Constant(ir.VectorType(INT, lanes.count), None)
    return builder.shuffle_vector(one, ir.Constant(lanes, ir.Undefined), nowhere)


def place(builder: ir.IRBuilder, start: ir.Value, index: ir.Value, real: ir.Type, kind: ir.Type | None = None) -> Any:
    """A pointer to what is at ``index`` of the numbers that begin at ``start``, in a function that is being built."""
    entry = builder.gep(builder.inttoptr(start, real.as_pointer()), [index])
    return entry if kind is None else builder.bitcast(entry, kind.as_pointer())


def _vector(given: ir.Value, kind: types.Type, builder: ir.IRBuilder, lanes: ir.VectorType) -> Any:
    return given if isinstance(kind, VectorType) else splat(builder, given, lanes)


def _operator(symbol: Callable[..., Any], name: str) -> None:
    class Template(AbstractTemplate):
        def generic(self, args: tuple[types.Type, ...], kws: dict[str, types.Type]) -> Any:
            vectors = [arg for arg in args if isinstance(arg, VectorType)]
            if vectors and all(arg in (vectors[0], types.float64, types.float32) for arg in args):
                return signature(vectors[0], *args)
            return None

    infer_global(symbol)(Template)

    def build(context: Any, builder: ir.IRBuilder, sig: Any, given: tuple[ir.Value, ...]) -> Any:
        lanes = sig.return_type.lanes
        values = [_vector(value, kind, builder, lanes) for value, kind in zip(given, sig.args, strict=True)]
        return getattr(builder, name)(*values, flags=FLAGS)

    for arguments in ((VectorType, VectorType), (VectorType, types.Float), (types.Float, VectorType)):
        lower_builtin(symbol, *arguments)(build)


for _name in ("add", "sub", "mul", "truediv"):
    _operator(getattr(operator, _name), f"f{_name.removeprefix('true')}")


def _call(builder: ir.IRBuilder, name: str, kind: VectorType, *given: ir.Value) -> Any:
    full = f"{name}.v{kind.count}f{8 * kind.size}"
    form = ir.FunctionType(kind.lanes, [kind.lanes] * len(given))
    return builder.call(cgutils.get_or_insert_function(builder.module, form, full), given)


def _zeros(count: Callable[[types.Float], int], text: str) -> Any:
    def zeros(typing: Any, zero: types.Float) -> Any:
        kind = VectorType(zero, count(zero))
        return kind(zero), lambda context, builder, sig, given: ir.Constant(kind.lanes, None)

    zeros.__doc__ = text
    return intrinsic(zeros)


widest = _zeros(lambda zero: 8 * REGISTER // zero.bitwidth, "The longest Vector of the precision of ``zero``: zeros.")
single = _zeros(lambda zero: 1, "A Vector of one entry of the precision of ``zero``, which is zero.")


@intrinsic
def length(typing: Any, x: VectorType) -> Any:
    """How many entries a Vector has."""
    return types.int64(x), lambda context, builder, sig, given: ir.Constant(LONG, x.count)


@intrinsic
def is_single(typing: Any, x: VectorType) -> Any:
    """Whether the entries of a Vector are float32."""
    return types.boolean(x), lambda context, builder, sig, given: ir.Constant(ir.IntType(1), x.kind is types.float32)


@intrinsic
def address(typing: Any, array: types.Type) -> Any:
    """Where the entries of an array begin: of a contiguous and aligned one, any other is refused where it is compiled.
    Whoever asks keeps the array alive.
    """
    if not isinstance(array, types.Array) or array.layout != "C" or not array.aligned or array.dtype not in REALS:
        raise TypeError(f"address: expected a contiguous, aligned array of numbers, got {array}")

    def build(context: Any, builder: ir.IRBuilder, sig: Any, given: tuple[ir.Value, ...]) -> Any:
        data = cgutils.create_struct_proxy(sig.args[0])(context, builder, value=given[0]).data
        return builder.ptrtoint(data, LONG)

    return types.int64(array), build


@intrinsic
def width_of(typing: Any, zero: types.Float) -> Any:
    """How many bytes a number of the precision of ``zero`` takes."""
    return types.int64(zero), lambda context, builder, sig, given: ir.Constant(LONG, zero.bitwidth // 8)


@intrinsic
def get_as(typing: Any, zero: types.Float, start: types.Type, index: types.Type) -> Any:
    """Entry ``index`` of the numbers of the precision of ``zero`` that begin at ``start``."""

    def build(context: Any, builder: ir.IRBuilder, sig: Any, given: tuple[ir.Value, ...]) -> Any:
        return builder.load(place(builder, given[1], given[2], REALS[zero]))

    return zero(zero, types.int64, types.int64), build


@intrinsic
def put_as(typing: Any, zero: types.Float, start: types.Type, index: types.Type, value: types.Float) -> Any:
    """Set entry ``index`` of the numbers of the precision of ``zero`` that begin at ``start``."""

    def build(context: Any, builder: ir.IRBuilder, sig: Any, given: tuple[ir.Value, ...]) -> Any:
        builder.store(given[3], place(builder, given[1], given[2], REALS[zero]))
        return context.get_dummy_value()

    return types.void(zero, types.int64, types.int64, zero), build


@intrinsic
def clear_at(typing: Any, zero: types.Float, count: types.Type, to: types.Type) -> Any:
    """Set ``count`` numbers of the precision of ``zero`` to it."""

    def build(context: Any, builder: ir.IRBuilder, sig: Any, given: tuple[ir.Value, ...]) -> Any:
        start = builder.inttoptr(given[2], ir.IntType(8).as_pointer())
        cgutils.memset(builder, start, builder.mul(given[1], ir.Constant(LONG, zero.bitwidth // 8)), 0)
        return context.get_dummy_value()

    return types.void(zero, types.int64, types.int64), build


@inlined
def get(start: int, index: int) -> float:
    """Entry ``index`` of the float64 numbers that begin at ``start``."""
    return get_as(0.0, start, index)


@inlined
def put(start: int, index: int, value: float) -> None:
    """Set entry ``index`` of the float64 numbers that begin at ``start``."""
    put_as(0.0, start, index, value)


def _load(kind: VectorType, sig: Any, at: int) -> Any:
    def build(context: Any, builder: ir.IRBuilder, sig: Any, given: tuple[ir.Value, ...]) -> Any:
        return builder.load(place(builder, given[at], given[at + 1], kind.real, kind.lanes), align=kind.size)

    return sig, build


@intrinsic
def load(typing: Any, start: types.Type, index: types.Type) -> Any:
    """The four float64 entries from ``index`` on."""
    return _load(FOUR, FOUR(types.int64, types.int64), 0)


@intrinsic
def load_like(typing: Any, like: VectorType, start: types.Type, index: types.Type) -> Any:
    """As many entries from ``index`` on as another Vector has, of its precision."""
    return _load(like, like(like, types.int64, types.int64), 1)


@intrinsic
def store(typing: Any, start: types.Type, index: types.Type, value: VectorType) -> Any:
    """Put a Vector into the entries from ``index`` on."""

    def build(context: Any, builder: ir.IRBuilder, sig: Any, given: tuple[ir.Value, ...]) -> Any:
        builder.store(given[2], place(builder, given[0], given[1], value.real, value.lanes), align=value.size)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, value), build


@intrinsic
def spread(typing: Any, number: types.Type) -> Any:
    """Four times one number."""
    return FOUR(types.float64), lambda context, builder, sig, given: splat(builder, given[0], FOUR.lanes)


@intrinsic
def below(typing: Any, x: VectorType, bound: types.Type, then: types.Type, other: types.Type) -> Any:
    """``then`` where x < bound, else, and where x is NaN, ``other``. The last three are Vectors or numbers."""

    def build(context: Any, builder: ir.IRBuilder, sig: Any, given: tuple[ir.Value, ...]) -> Any:
        x, bound, then, other = (
            _vector(value, kind, builder, sig.return_type.lanes) for value, kind in zip(given, sig.args, strict=True)
        )
        return builder.select(builder.fcmp_ordered("<", x, bound), then, other)

    return x(x, bound, then, other), build


@intrinsic
def magnitude(typing: Any, x: VectorType) -> Any:
    """|x|."""
    return x(x), lambda context, builder, sig, given: _call(builder, "llvm.fabs", x, *given)


@intrinsic
def signed(typing: Any, value: VectorType, like: VectorType) -> Any:
    """Values with the signs of another Vector."""
    return value(value, value), lambda context, builder, sig, given: _call(builder, "llvm.copysign", value, *given)


@intrinsic
def power_of_two(typing: Any, x: VectorType) -> Any:
    """2^k, for numbers in whose last bits k stands."""
    bias, shift, bits = (127, 23, 32) if x.size == 4 else (1023, 52, 64)

    def build(context: Any, builder: ir.IRBuilder, sig: Any, given: tuple[ir.Value, ...]) -> Any:
        whole = ir.VectorType(ir.IntType(bits), x.count)
        k = builder.add(builder.bitcast(given[0], whole), ir.Constant(whole, [bias] * x.count))
        return builder.bitcast(builder.shl(k, ir.Constant(whole, [shift] * x.count)), x.lanes)

    return x(x), build


@intrinsic
def larger(typing: Any, a: VectorType, b: VectorType) -> Any:
    """a where it is larger than b, else b; NaN in a is passed over."""

    def build(context: Any, builder: ir.IRBuilder, sig: Any, given: tuple[ir.Value, ...]) -> Any:
        return builder.select(builder.fcmp_ordered(">", *given), *given)

    return a(a, a), build


def _reduced(join: Callable[[ir.IRBuilder, ir.Value, ir.Value], ir.Value], text: str) -> Any:
    def reduced(typing: Any, x: VectorType) -> Any:
        def build(context: Any, builder: ir.IRBuilder, sig: Any, given: tuple[ir.Value, ...]) -> Any:
            parts = [builder.extract_element(given[0], ir.Constant(INT, j)) for j in range(x.count)]
            while len(parts) > 1:
                parts = [join(builder, a, b) for a, b in zip(parts[::2], parts[1::2], strict=True)]
            return parts[0]

        return x.kind(x), build

    reduced.__doc__ = text
    return intrinsic(reduced)


total = _reduced(lambda builder, a, b: builder.fadd(a, b), "The sum of the entries.")
largest = _reduced(
    lambda builder, a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b), "The largest of the entries."
)
