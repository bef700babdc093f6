"""Packed sequences, the longest first, as blocks of ticks over which the number of sequences stays the same."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

State = tuple[Tensor, ...]  # what a recursion remembers, each (batch, width)
Pass = Callable[[Tensor, State], tuple[Tensor, State]]  # inputs (N, batch, m) and start to readouts and end


def equal_blocks(sizes: list[int]) -> list[tuple[int, int]]:
    """The stretches of ticks with the same number of sequences: (ticks, sequences)."""
    blocks: list[tuple[int, int]] = []
    for size in sizes:
        ticks = blocks.pop()[0] if blocks and blocks[-1][1] == size else 0
        blocks.append((ticks + 1, size))
    return blocks


def run_forward(run: Pass, data: Tensor, start: State, sizes: Tensor) -> tuple[Tensor, State]:
    """From the first tick: sequences that have ended drop out of the batch."""
    blocks = equal_blocks(sizes.tolist())
    state, outputs, ended = start, [], []
    for (ticks, size), part in zip(blocks, data.split([t * b for t, b in blocks]), strict=True):
        ended.append(tuple(value[size:] for value in state))
        R, state = run(part.reshape(ticks, size, -1), tuple(value[:size] for value in state))
        outputs.append(R.reshape(ticks * size, -1))
    return torch.cat(outputs), tuple(torch.cat(values) for values in zip(state, *reversed(ended), strict=True))


def run_backward(run: Pass, data: Tensor, start: State, sizes: Tensor) -> tuple[Tensor, State]:
    """From the end: the longest sequence begins alone, the others join it at their own last tick."""
    blocks = equal_blocks(sizes.tolist())
    state, outputs = tuple(value[:0] for value in start), []
    parts = data.split([t * b for t, b in blocks])
    for (ticks, size), part in zip(reversed(blocks), reversed(parts), strict=True):
        state = tuple(torch.cat([value, first[len(value) : size]]) for value, first in zip(state, start, strict=True))
        R, state = run(part.reshape(ticks, size, -1).flip(0), state)
        outputs.append(R.flip(0).reshape(ticks * size, -1))
    return torch.cat(outputs[::-1]), state


def windows(data: Tensor, sizes: Tensor, context: int, reverse: bool) -> Tensor:
    """x[n], x[n+1] .. x[n+context-1] side by side, (entries, context * m), zero past the end of each sequence itself.

    In ``reverse`` x[n-1], x[n-2] .., what lies ahead of a recursion that comes from the end.
    """
    ticks, batch, counts = len(sizes), int(sizes[0]), sizes.to(data.device)
    held = torch.arange(batch, device=data.device) < counts[:, None]  # which entries of (ticks, batch) there are
    padded = data.new_zeros(ticks, batch, data.shape[-1])
    padded[held] = data
    parts = []
    for lead in range(context):
        near, far = padded[: ticks - min(lead, ticks)], padded[min(lead, ticks) :]
        empty = padded.new_zeros(min(lead, ticks), batch, data.shape[-1])
        parts.append(torch.cat([empty, near] if reverse else [far, empty])[held])
    return torch.cat(parts, -1)
