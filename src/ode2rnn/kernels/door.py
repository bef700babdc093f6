"""The one door through which arrays and tensors go to compiled kernels.

A kernel trusts its arguments: it takes numbers from where an array says that they are. What comes from outside is
checked here, once: its shape, its precision, and that its numbers are there at all. What is right but laid out
otherwise (expanded, transposed, misaligned, read-only, of the other byte order, a negated view) is copied.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

ALIGNMENT = 64  # bytes: no Vector lies across two lines of the cache
SMALL = 2048  # bytes, for which that is not worth the care


def array(name: str, value: np.ndarray | Tensor, shape: tuple[int, ...], dtype: np.dtype | type) -> np.ndarray:
    """An array of this shape and precision with the same numbers, in order, aligned, writable: a copy where need be.

    Raises:
        ValueError: another shape or precision, no dense numbers of the processor's, fewer numbers than the shape says.

    Example:
        >>> array("W", np.ones((3, 2))[:, ::-1], (3, 2), float).flags.c_contiguous
        True
        >>> array("W", np.ones((1, 1)), (3, 2), float)
        Traceback (most recent call last):
        ValueError: W: expected shape (3, 2), got (1, 1)
    """
    if tuple(value.shape) != tuple(shape):
        raise ValueError(f"{name}: expected shape {tuple(shape)}, got {tuple(value.shape)}")
    wanted = np.dtype(dtype)
    given = value if isinstance(value, np.ndarray) else _of_tensor(name, value, wanted)
    if given.dtype == wanted and given.flags.carray:
        return given
    if given.dtype.newbyteorder("=") != wanted:
        raise ValueError(f"{name}: expected {wanted} numbers, got {given.dtype}")
    return np.require(given, wanted, ["C_CONTIGUOUS", "ALIGNED", "WRITEABLE"])


def _of_tensor(name: str, tensor: Tensor, wanted: np.dtype) -> np.ndarray:
    try:
        if not tensor.is_cpu:
            raise TypeError(tensor.device)
        if tensor._is_zerotensor():  # all zeros, in no memory
            return np.zeros(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
        count = tensor.numel()
        if count and not tensor.is_contiguous():
            count = sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True)) + 1
        there, needed = tensor.untyped_storage().nbytes(), (tensor.storage_offset() + count) * tensor.element_size()
        if count and there < needed:
            raise ValueError(f"{name}: expected {needed} bytes in memory, got {there}")
        return tensor.numpy(force=True)  # without its graph, and with the signs of a negated view
    except (TypeError, NotImplementedError) as error:  # what NumPy has not: bfloat16, a sparse tensor, another device
        got = f"a tensor of {tensor.dtype}, {tensor.layout}, on {tensor.device}"
        raise ValueError(f"{name}: expected dense {wanted} numbers on the processor, got {got}") from error


def empty(shape: tuple[int, ...], dtype: np.dtype | type) -> np.ndarray:
    """Room for an array, at a multiple of 64 bytes but where there are few.

    Example:
        >>> empty((300, 2), float).ctypes.data % 64
        0
    """
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    if size < SMALL:
        return np.empty(shape, kind)
    memory = np.empty(size + ALIGNMENT, np.uint8)
    begin = -memory.__array_interface__["data"][0] % ALIGNMENT
    return memory[begin : begin + size].view(kind).reshape(shape)
