"""Whether torch watches what runs: then a pass is made of operations that it knows."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.autograd import forward_ad


def observed() -> bool:
    """Whether operations are transformed (torch.func), traced, exported or otherwise dispatched by someone (make_fx,
    fake tensors), or carry forward derivatives.
    """
    return (
        torch._C._are_functorch_transforms_active()
        or torch._C._len_torch_dispatch_stack() > 0
        or forward_ad._current_level >= 0
        or torch.jit.is_tracing()
        or torch.compiler.is_compiling()
    )


def full_precision(device: torch.device) -> AbstractContextManager[Any]:
    """A context without autocast: a recursion keeps the precision of its weights."""
    kind = device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()
