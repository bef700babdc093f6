"""Tensors that are put together when they are asked for: to read, with gradients, and not to write into."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor


class Computed(Tensor):
    """A tensor, or a view of one, into which nothing can be written: it would change a copy alone."""

    named: str

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Refuse what writes; views of it are such tensors too, all else is an ordinary tensor.

        Raises:
            RuntimeError: an operation in place, or its result written into it (out=).
        """
        given, name = dict(kwargs or {}), func.__name__
        first = args[0] if args else None
        writes = name == "__setitem__" or (name.endswith("_") and not name.endswith("__")) or name == "__set__"
        for written in (first if writes else None, given.get("out")):
            if isinstance(written, Computed):
                raise RuntimeError(
                    f"{written.named}: expected a tensor that can be written into, got one that is put together from"
                    " the layer's own weights when it is read; write into those, under torch.no_grad()"
                )
        with torch._C.DisableTorchFunctionSubclass():
            found = func(*args, **given)
        if isinstance(found, np.ndarray):
            found.flags.writeable = False
        return _viewed(found, first) if isinstance(first, Computed) else found

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        """An ordinary tensor."""
        return copy.deepcopy(self.as_subclass(Tensor), memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """An ordinary tensor, once it is loaded."""
        return self.as_subclass(Tensor).__reduce_ex__(protocol)


def read_only(name: str, tensor: Tensor) -> Tensor:
    """The tensor, called ``name``, as one into which nothing can be written; a parameter itself stays one."""
    if isinstance(tensor, torch.nn.Parameter):
        return tensor
    return _named(tensor, name)


def _named(tensor: Tensor, name: str) -> Tensor:
    found = tensor.as_subclass(Computed)
    found.named = name
    return found


def _viewed(found: Any, whole: Computed) -> Any:
    if isinstance(found, tuple | list):
        return type(found)(_viewed(part, whole) for part in found)
    if not isinstance(found, Tensor) or found.layout is not torch.strided or found.device.type == "meta":
        return found
    with torch._C.DisableTorchFunctionSubclass():
        same = found.untyped_storage()._cdata == whole.untyped_storage()._cdata
    return _named(found, whole.named) if same else found
