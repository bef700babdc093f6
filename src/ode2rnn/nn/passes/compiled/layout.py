"""Where the compiled passes of an LSTM keep what they work on: sizes and places only, no arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from torch import Tensor

from ode2rnn.gated.augmented import LETTERS
from ode2rnn.nn.passes.gated_weights import EXTERNAL, INPUTS, PLAIN, Weights

SUM_ROWS = 256  # of which the weight gradients are taken at once
INPUT_ROWS = 32  # of which the input terms are taken at once
BEGIN = 16  # whatever has a place of its own begins at a multiple of so many numbers
GAP = 16  # numbers between rows of gradients: where rows are a power of two apart, few can be in the cache at once
DIAGONAL, FULL = 1, 2  # kinds of peepholes


class Sizes(NamedTuple):
    """What says how large everything is, in the order of the kernels' arguments; PANEL comes from the precision."""

    ticks: int
    batch: int
    m: int
    d: int
    d_v: int
    window: int
    external: bool
    peephole: int
    projected: bool
    panel: int


class Layout(NamedTuple):
    """Where each array begins in one memory, in numbers, and how many numbers there are in all."""

    begins: tuple[int, ...]
    total: int

    def of(self, memory: Tensor) -> list[int]:
        """The addresses in this memory."""
        first, size = memory.data_ptr(), memory.element_size()
        return [first + begin * size for begin in self.begins]


def layout(counts: Sequence[int]) -> Layout:
    """One array after the other.

    Example:
        >>> layout([3, 0, 20])
        Layout(begins=(0, 16, 16), total=48)
    """
    *begins, total = accumulate((-(-count // BEGIN) * BEGIN for count in counts), initial=0)
    return Layout(tuple(begins), total)


def sizes_of(x: Tensor, weights: Weights, panel: int) -> Sizes:
    """The sizes of one run."""
    W_x, W_v, W_s = weights["W_xcu"], weights["W_vcu"], weights["W_scu"]
    window, peephole = len(W_x) if W_x.ndim == 3 else 1, 0 if W_s is None else W_s.ndim
    external, projected = weights["W_vcx"] is not None, weights["W_qdr"] is not None
    (seen, batch, m), (d, d_v) = x.shape, W_v.shape
    return Sizes(seen - window + 1, batch, m, d, d_v, window, external, peephole, projected, panel)


def up(count: int, panel: int) -> int:
    """``count`` rounded up to whole panels."""
    return -(-count // panel) * panel


def _peepholes(size: Sizes) -> tuple[int, int]:
    """The most numbers of peepholes as the kernels take them: of cu, cs and cx, and of cr."""
    some, d, panel = 3 if size.external else 2, size.d, size.panel
    return ((0, 0), (some * d, d), (up(some * d, panel) * up(d, panel), up(d, panel) * d))[size.peephole]


class Forward(NamedTuple):
    """The forward pass: ticks of inputs at a time, ticks of gates kept, and two memories."""

    block: int
    ring: int
    kept: Layout  # S, G
    work: Layout  # packed W_x, W_v, bias, W_s, W_scr, W_qdr, then q, windows, scratch


@lru_cache(maxsize=64)
def forward_plan(size: Sizes, keep: bool) -> Forward:
    """How the forward pass of this size runs; ``keep`` where there will be a backward pass."""
    ticks, batch, m, d, d_v, window, external, _, projected, panel = size
    gates = 5 if external else 4
    block = min(ticks, max(1, INPUT_ROWS // batch))
    ring = ticks if keep else block
    row = gates * d + external * d
    outputs = up(gates * d, panel)
    weights = [window * outputs * m, outputs * d_v, (gates + 1) * d, *_peepholes(size), projected * up(d_v, panel) * d]
    windows = block * batch * window * m if window > 1 else 0
    return Forward(
        block,
        ring,
        layout([(ticks + 1 if keep else 1) * batch * d, ring * batch * row]),
        layout([*weights, projected * batch * d, windows, block * batch * panel]),
    )


class Part(NamedTuple):
    """A gradient within the sums, as torch.as_strided takes it."""

    shape: tuple[int, ...]
    steps: tuple[int, ...]
    begin: int


class Backward(NamedTuple):
    """The backward pass: ticks summed at a time, rows of them, whether x has few columns, a row of Z, two memories."""

    block: int
    most: int
    few: bool
    z_row: int
    work: Layout  # packed W_x, W_v, W_s, W_scr, W_qdr, then Z, chi, q, q_bar, left, right, scratch
    sums: Layout  # of W_x, W_v, b, W_s, W_scr, W_qdr
    parts: tuple[Part | None, ...]  # where the gradient of each letter is


@lru_cache(maxsize=64)
def backward_plan(size: Sizes) -> Backward:
    """How the backward pass of this size runs."""
    ticks, batch, m, d, d_v, window, external, peephole, projected, panel = size
    inputs = (5 if external else 4) * d
    row = inputs + external * d
    block = min(ticks, max(1, SUM_ROWS // batch))
    most, some = min(SUM_ROWS, block * batch), block if projected else 1
    weights = [
        window * up(m, panel) * inputs,
        up(d_v, panel) * inputs,
        *_peepholes(size),
        projected * up(d, panel) * d_v,
    ]
    values = [block * batch * (row + GAP) + panel, some * batch * d_v, some * batch * d, projected * batch * d]
    packed = [up(max(row, d_v), BEGIN) * most, up(max(m, d, d_v), panel) * most, max(most, batch) * panel]
    few = m % panel != 0 and m < 2 * panel
    d_up, v_up, m_up, i_up = (up(count, panel) for count in (d, d_v, m, inputs))
    peepholes = ((0, 0), (inputs - 2 * d, d), ((inputs - 2 * d) * d_up, d * d_up))[peephole]
    sums = layout([window * (m * i_up if few else inputs * m_up), inputs * v_up, i_up, *peepholes, d_v * d_up])
    at_x, at_v, at_b, at_s, at_cr, at_q = sums.begins
    parts: dict[str, Part] = {}
    gates = EXTERNAL if external else PLAIN
    for i, gate in enumerate(INPUTS[gates]):
        steps, begin = ((m * i_up, 1, i_up), i * d) if few else ((inputs * m_up, m_up, 1), i * d * m_up)
        parts[f"W_x{gate}"] = Part((window, d, m), steps, at_x + begin)
    for i, gate in enumerate(gates):
        parts[f"W_v{gate}"] = Part((d, d_v), (v_up, 1), at_v + i * d * v_up)
        parts[f"b_{gate}"] = Part((d,), (1,), at_b + i * d)
        if i and peephole:
            begin, j = (at_cr, 0) if gate == "cr" else (at_s, i - 1)
            diagonal = Part((d,), (1,), begin + j * d)
            parts[f"W_s{gate}"] = diagonal if peephole == DIAGONAL else Part((d, d), (d_up, 1), begin + j * d * d_up)
    if projected:
        parts["W_qdr"] = Part((d_v, d), (d_up, 1), at_q)
    work = layout([*weights, *values, *packed])
    return Backward(block, most, few, row + GAP, work, sums, tuple(parts.get(letter) for letter in LETTERS))
