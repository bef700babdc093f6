"""Packed sequences, the longest first, as blocks of ticks over which the number of sequences stays the same."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

import torch
from torch import Tensor

State = tuple[Tensor, ...]  # what a recursion remembers, each (batch, width)
# from what is seen of the inputs, (N, batch, m) or more with windows, and the start, to N readouts and the end
Pass = Callable[[Tensor, State], tuple[Tensor, State]]


def equal_blocks(sizes: list[int]) -> list[tuple[int, int]]:
    """The stretches of ticks with the same number of sequences: (ticks, sequences)."""
    blocks: list[tuple[int, int]] = []
    for size in sizes:
        ticks = blocks.pop()[0] if blocks and blocks[-1][1] == size else 0
        blocks.append((ticks + 1, size))
    return blocks


def seen(x: Tensor, window: tuple[int, int]) -> Tensor:
    """x[-behind] .. x[N-1+ahead] for x (N, batch, m), which is 0 outside the sequence: what its windows see (X1)."""
    return torch.nn.functional.pad(x, (0, 0, 0, 0, *window)) if any(window) else x


def run_forward(
    run: Pass, data: Tensor, start: State, sizes: Tensor, window: tuple[int, int] = (0, 0)
) -> tuple[Tensor, State]:
    """From the first tick: sequences that have ended drop out of the batch."""
    state, outputs, ended = start, [], []
    for part, size in parts(data, sizes, window):
        ended.append(tuple(value[size:] for value in state))
        R, state = run(part, tuple(value[:size] for value in state))
        outputs.append(R.flatten(0, 1))
    return torch.cat(outputs), tuple(torch.cat(values) for values in zip(state, *reversed(ended), strict=True))


def run_backward(
    run: Pass, data: Tensor, start: State, sizes: Tensor, window: tuple[int, int] = (0, 0)
) -> tuple[Tensor, State]:
    """From the end: the longest sequence begins alone, the others join it at their own last tick."""
    state, outputs = tuple(value[:0] for value in start), []
    for part, size in reversed(parts(data, sizes, (window[1], window[0]))):  # what lies ahead comes first
        state = tuple(torch.cat([value, first[len(value) : size]]) for value, first in zip(state, start, strict=True))
        R, state = run(part.flip(0), state)
        outputs.append(R.flip(0).flatten(0, 1))
    return torch.cat(outputs[::-1]), state


def parts(data: Tensor, sizes: Tensor, window: tuple[int, int]) -> list[tuple[Tensor, int]]:
    """The inputs of each block, with those that its windows see before and after it, and its number of sequences."""
    blocks = equal_blocks(sizes.tolist())
    if not any(window):
        pieces = data.split([ticks * size for ticks, size in blocks])
        return [(part.unflatten(0, block), block[1]) for part, block in zip(pieces, blocks, strict=True)]
    ticks, batch, counts = len(sizes), int(sizes[0]), sizes.to(data.device)
    held = torch.arange(batch, device=data.device) < counts[:, None]  # which entries of (ticks, batch) there are
    padded = data.new_zeros(ticks, batch, data.shape[-1])
    padded[held] = data
    whole = seen(padded, window)
    firsts = accumulate((ticks for ticks, _ in blocks), initial=0)
    return [
        (whole[first : first + ticks + sum(window), :size], size)
        for first, (ticks, size) in zip(firsts, blocks, strict=False)
    ]
