"""What the layers share: the arguments, shapes and call of torch.nn.RNN, its stack of layers and its directions."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from ode2rnn.core.activations import ACTIVATIONS, Activation
from ode2rnn.core.arrays import brief, check_choice, check_count, check_flag, check_number

Pass = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # inputs (N, batch, m) and start to readouts and end


class RecurrentLayer(torch.nn.Module):
    """A stack of recursions, each over the readouts of the one below, in one direction or in two.

    A subclass says what one recursion is: its weights (``_sizes``, ``reset_parameters``), where it starts
    (``_rest``) and how it runs (``_run``).
    """

    nonlinearity: str | Activation
    W_r_l0: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str | Activation = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size = check_count("input_size", input_size)
        self.hidden_size = check_count("hidden_size", hidden_size)
        self.num_layers = check_count("num_layers", num_layers)
        self.nonlinearity = nonlinearity
        if not isinstance(nonlinearity, Activation):
            self.nonlinearity = check_choice("nonlinearity", nonlinearity, ACTIVATIONS)
        self.bias = check_flag("bias", bias)
        self.batch_first = check_flag("batch_first", batch_first)
        self.dropout = check_number("dropout", dropout)
        self.bidirectional = check_flag("bidirectional", bidirectional)
        if isinstance(dropout, bool) or not 0 <= self.dropout <= 1:
            raise ValueError(f"dropout: expected a probability in [0, 1], got {dropout!r}")
        if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
            raise ValueError(f"dtype: expected a floating-point dtype of torch, got {brief(dtype)}")
        if self.dropout and self.num_layers == 1:
            warnings.warn("dropout acts between the layers of a stack: it does nothing with num_layers=1", stacklevel=3)
        for suffix, width in self.places():
            for letter, shape in self._sizes(width).items():
                value = torch.nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
                self.register_parameter(letter + suffix, None if letter == "theta_s" and not bias else value)
        self.activation.check_for(next(self.parameters()))
        self.reset_parameters()

    @property
    def activation(self) -> Activation:
        """The warping function G."""
        G = self.nonlinearity
        return G if isinstance(G, Activation) else ACTIVATIONS[G]

    def places(self) -> list[tuple[str, int]]:
        """Of every recursion, in torch's order: the end of the names of its weights, and the width of its input."""
        directions = ("", "_reverse") if self.bidirectional else ("",)
        return [
            (f"_l{k}{direction}", self.input_size if k == 0 else self.hidden_size * len(directions))
            for k in range(self.num_layers)
            for direction in directions
        ]

    def place(self, layer: int = 0, reverse: bool = False) -> str:
        """The end of the names of the weights of one recursion: "_l0", "_l0_reverse", "_l1", ...

        Raises:
            ValueError: no such layer or direction.
        """
        if check_count("layer", layer, 0) >= self.num_layers:
            raise ValueError(f"layer: expected a number below num_layers = {self.num_layers}, got {layer}")
        if check_flag("reverse", reverse) and not self.bidirectional:
            raise ValueError("reverse: expected False, since this layer has one direction, got True")
        return f"_l{layer}{'_reverse' * reverse}"

    def _sizes(self, width: int) -> dict[str, tuple[int, ...]]:
        """The shape of each weight, by the paper's letter, of a recursion with an input of ``width``."""
        raise NotImplementedError

    def reset_parameters(self) -> None:
        """Draw new weights."""
        raise NotImplementedError

    def _draw(self, width: int) -> tuple[Tensor, Tensor, Tensor]:
        """(d, width), (d, d) and (d,) numbers, in the order and of the distribution of torch.nn.RNN."""
        d, like, bound = self.hidden_size, next(self.parameters()), 1 / math.sqrt(self.hidden_size)
        shapes = ((d, width), (d, d), *(((d,), (d,)) if self.bias else ()))
        W_x, W_r, *biases = (like.new_empty(shape).uniform_(-bound, bound) for shape in shapes)
        return W_x, W_r, sum(biases, like.new_zeros(d))  # torch keeps two biases, of which only the sum counts

    def _rest(self, like: Tensor) -> Tensor:
        """Where a recursion starts when it is not told, (d,)."""
        raise NotImplementedError

    def _run(self, suffix: str) -> Pass:
        """The recursion whose weights end in ``suffix``."""
        raise NotImplementedError

    def forward(self, input: Tensor | PackedSequence, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        """The readouts of the top layer at every tick, and what each recursion would go on from.

        Args:
            input: (N, batch, input_size); (batch, N, input_size) with batch_first; (N, input_size) without a batch;
                or a PackedSequence.
            hx: (directions * num_layers, batch, hidden_size), without the batch for such an input.

        Returns:
            r[0 .. N-1] with directions * hidden_size features, arranged as the input; and a tensor like hx.

        Raises:
            ValueError: an input or hx of the wrong kind, shape, dtype or device; no tick.
        """
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        x = self._check_input(input)
        batched = x.ndim == 3
        if not batched:
            x = x[:, None]
        elif self.batch_first:
            x = x.transpose(0, 1)
        start = self._check_start(hx, x.shape[1], batched)

        def along(run: Pass, values: Tensor, first: Tensor, reverse: bool) -> tuple[Tensor, Tensor]:
            if not reverse:
                return run(values, first)
            R, last = run(values.flip(0), first)
            return R.flip(0), last

        R, last = self._stack(x, start, along)
        if not batched:
            return R[:, 0], last[:, 0]
        return (R.transpose(0, 1) if self.batch_first else R), last

    def _forward_packed(self, packed: PackedSequence, hx: Tensor | None) -> tuple[PackedSequence, Tensor]:
        data, sizes, order, back = packed
        if data.ndim != 2:
            raise ValueError(f"input: expected packed vectors, got a PackedSequence of shape {tuple(data.shape)}")
        start = self._check_start(hx, int(sizes[0]), True)
        if order is not None:
            start = start[:, order]
        blocks = equal_blocks(sizes.tolist())

        def along(run: Pass, values: Tensor, first: Tensor, reverse: bool) -> tuple[Tensor, Tensor]:
            return (run_backward if reverse else run_forward)(run, values, first, blocks)

        R, last = self._stack(self._check_input(data), start, along)
        return PackedSequence(R, sizes, order, back), last if back is None else last[:, back]

    def _stack(self, x: Tensor, start: Tensor, along: Any) -> tuple[Tensor, Tensor]:
        """The recursions one above the other, each run through the sequence by ``along``."""
        directions = 2 if self.bidirectional else 1
        lasts, ends = [], [suffix for suffix, _ in self.places()]
        for k in range(0, len(ends), directions):
            if k and self.dropout:
                x = torch.nn.functional.dropout(x, self.dropout, self.training)
            runs = [along(self._run(ends[k + i]), x, start[k + i], i == 1) for i in range(directions)]
            x = runs[0][0] if directions == 1 else torch.cat([R for R, _ in runs], dim=-1)
            lasts += [last for _, last in runs]
        return x, torch.stack(lasts) if len(lasts) > 1 else lasts[0][None]

    def _check_input(self, x: Any) -> Tensor:
        if not isinstance(x, Tensor):
            raise ValueError(f"input: expected a tensor or a PackedSequence, got {brief(x)}")
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size or 0 in x.shape[:1]:
            want = "(batch, N" if self.batch_first else "(N, batch"
            m = self.input_size
            raise ValueError(f"input: expected shape {want}, {m}) or (N, {m}), got {tuple(x.shape)}")
        if x.ndim == 3 and self.batch_first and x.shape[1] == 0:
            raise ValueError(f"input: expected at least one tick, got shape {tuple(x.shape)}")
        return self._check_kind("input", x)

    def _check_start(self, hx: Any, batch: int, batched: bool) -> Tensor:
        rows = self.num_layers * (2 if self.bidirectional else 1)
        if hx is None:
            return self._rest(self.W_r_l0).expand(rows, batch, self.hidden_size)
        shape = (rows, batch, self.hidden_size) if batched else (rows, self.hidden_size)
        if not isinstance(hx, Tensor) or tuple(hx.shape) != shape:
            got = tuple(hx.shape) if isinstance(hx, Tensor) else brief(hx)
            raise ValueError(f"hx: expected a tensor of shape {shape}, got {got}")
        return self._check_kind("hx", hx).reshape(rows, batch, self.hidden_size)

    def _check_kind(self, name: str, value: Tensor) -> Tensor:
        own = self.W_r_l0
        if value.dtype != own.dtype or value.device != own.device:
            raise ValueError(
                f"{name}: expected {own.dtype} on {own.device}, as the weights, got {value.dtype} on {value.device}"
            )
        return value

    def extra_repr(self) -> str:
        """The arguments, those that are not the default by name."""
        G = self.nonlinearity
        given = {
            "num_layers": (self.num_layers, 1),
            "nonlinearity": (G.name if isinstance(G, Activation) else G, "tanh"),
            "bias": (self.bias, True),
            "batch_first": (self.batch_first, False),
            "dropout": (self.dropout, 0.0),
            "bidirectional": (self.bidirectional, False),
        }
        named = [f"{name}={value!r}" for name, (value, usual) in given.items() if value != usual]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *named])


def equal_blocks(sizes: list[int]) -> list[tuple[int, int]]:
    """The stretches of ticks with the same number of sequences: (ticks, sequences)."""
    blocks: list[tuple[int, int]] = []
    for size in sizes:
        ticks = blocks.pop()[0] if blocks and blocks[-1][1] == size else 0
        blocks.append((ticks + 1, size))
    return blocks


def run_forward(run: Pass, data: Tensor, start: Tensor, blocks: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    """Packed sequences, the longest first: those that have ended drop out of the batch."""
    state, outputs, ended = start, [], []
    for (ticks, size), part in zip(blocks, data.split([t * b for t, b in blocks]), strict=True):
        ended.append(state[size:])
        R, state = run(part.reshape(ticks, size, -1), state[:size])
        outputs.append(R.reshape(ticks * size, -1))
    return torch.cat(outputs), torch.cat([state, *reversed(ended)])


def run_backward(run: Pass, data: Tensor, start: Tensor, blocks: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    """The same from the end: the longest sequence begins alone, the others join it at their own last tick."""
    state, outputs = start[:0], []
    parts = data.split([t * b for t, b in blocks])
    for (ticks, size), part in zip(reversed(blocks), reversed(parts), strict=True):
        state = torch.cat([state, start[len(state) : size]])
        R, state = run(part.reshape(ticks, size, -1).flip(0), state)
        outputs.append(R.flip(0).reshape(ticks * size, -1))
    return torch.cat(outputs[::-1]), state
