"""Whether torch watches what runs: then a pass is made of operations that it knows."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.autograd import forward_ad


def observed() -> bool:
    """Whether operations are transformed (torch.func), traced or exported, or carry forward derivatives.

    The compiled passes are custom operators, which torch.compile, make_fx and fake tensors take as they are.
    """
    if torch.compiler.is_compiling():
        return torch.compiler.is_exporting()
    return (
        torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
        or torch.jit.is_tracing()
        or torch.compiler.is_exporting()
    )


def full_precision(device: torch.device) -> AbstractContextManager[Any]:
    """A context without autocast: a recursion keeps the precision of its weights."""
    kind = device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()
