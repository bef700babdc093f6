"""The gradients of a plain pass, for those who differentiate a gradient again or ask for many at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Run = Callable[..., Sequence[Tensor | None]]  # a pass, from its tensors to its results


def watched(bars: Sequence[Tensor | None]) -> bool:
    """Whether the gradients are to have a graph of their own, or come in a batch (is_grads_batched)."""
    in_batch = torch._C._functorch.is_legacy_batchedtensor
    return torch.is_grad_enabled() or any(in_batch(bar) for bar in bars if bar is not None)


def differentiated(
    run: Run, tensors: Sequence[Tensor | None], bars: Sequence[Tensor | None], needs: Sequence[bool]
) -> list[Tensor | None]:
    """The gradients of the ``tensors`` that need one, from those of the results of ``run(*tensors)`` (bars).

    The pass runs again, in operations that torch records.
    """
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        # each a node of its own: what one of them is made of is another's gradient, not its
        own = [
            tensor if tensor is None else tensor.view_as(tensor) if again else tensor.detach().requires_grad_(need)
            for tensor, need in zip(tensors, needs, strict=True)
        ]
        wanted = [tensor for tensor, need in zip(own, needs, strict=True) if need and tensor is not None]
        pairs = [(result, bar) for result, bar in zip(run(*own), bars, strict=True) if bar is not None]
        results, given = zip(*pairs, strict=True)
        found = iter(torch.autograd.grad(results, wanted, given, create_graph=again, allow_unused=True))
    return [next(found) if need else None for need in needs]
