"""The matrix product of a BLAS, called inside kernels by its address: no copies, and it can add to what is there.

torch's own BLAS where the library exports it, else SciPy's.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import get_cython_function_address
from numba.extending import intrinsic as numba_intrinsic

intrinsic: Any = numba_intrinsic  # what it makes takes other arguments than what it is given
BYTE, INT, LONG = ir.IntType(8), ir.IntType(32), ir.IntType(64)


@cache
def library() -> Any:
    """The library of torch on the processor, where it has a BLAS in it; else None."""
    import torch

    for file in sorted((Path(torch.__file__).parent / "lib").glob("libtorch_cpu.*")):
        try:
            found = ctypes.CDLL(str(file))
            if all(hasattr(found, name) for name in ("sgemm_", "dgemm_", "MKL_Set_Num_Threads_Local")):
                return found
        except OSError:
            continue
    return None


@cache
def product_address(dtype: np.dtype) -> int:
    """Where the BLAS function for the product of matrices of ``dtype``, float32 or float64, begins."""
    name = {"float32": "sgemm", "float64": "dgemm"}[dtype.name]
    found = library()
    if found is None:
        return int(get_cython_function_address("scipy.linalg.cython_blas", name))
    return int(ctypes.cast(getattr(found, f"{name}_"), ctypes.c_void_p).value or 0)


@intrinsic
def start_of(typing: Any, array: Any) -> Any:
    """The address of the first entry of an array. Whoever asks keeps the array alive."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        data = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=given[0]).data
        return builder.ptrtoint(data, LONG)

    return types.int64(array), build


@intrinsic
def gemm(
    typing: Any,
    address: Any,
    turned: Any,
    m: Any,
    n: Any,
    k: Any,
    A: Any,
    lda: Any,
    B: Any,
    ldb: Any,
    beta: Any,
    C: Any,
    ldc: Any,
) -> Any:
    """C = op(A) B + beta C for Fortran-ordered matrices at these addresses, op the transpose where ``turned`` is 1.

    op(A) is m x k, B k x n, C m x n; beta gives the precision of all three.
    """
    real = ir.FloatType() if beta is types.float32 else ir.DoubleType()

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        function, turn, *sizes = given[:5]
        A, lda, B, ldb, beta, C, ldc = given[5:]

        def kept(value: Any) -> Any:
            return builder.bitcast(cgutils.alloca_once_value(builder, value), BYTE.as_pointer())

        def whole(value: Any) -> Any:
            return kept(builder.trunc(value, INT))

        def place(value: Any) -> Any:
            return builder.inttoptr(value, BYTE.as_pointer())

        letter = builder.select(
            builder.icmp_signed("==", turn, ir.Constant(turn.type, 1)), ir.Constant(BYTE, 84), ir.Constant(BYTE, 78)
        )
        arguments = [
            kept(letter),
            kept(ir.Constant(BYTE, 78)),
            *(whole(size) for size in sizes),
            kept(ir.Constant(real, 1.0)),
            place(A),
            whole(lda),
            place(B),
            whole(ldb),
            kept(beta),
            place(C),
            whole(ldc),
        ]
        kind = ir.FunctionType(ir.VoidType(), [BYTE.as_pointer()] * len(arguments))
        builder.call(builder.inttoptr(function, kind.as_pointer()), arguments)
        return context.get_dummy_value()

    whole_number = types.int64
    inputs = [whole_number] * 9 + [beta] + [whole_number] * 2
    return types.void(*inputs), build
