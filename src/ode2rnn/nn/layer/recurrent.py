"""What the layers share: the arguments, shapes and call of torch's own, a stack of recursions and its directions."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from ode2rnn.core.arrays import brief, check_count, check_flag, check_number, check_positive
from ode2rnn.nn.layer import weights as exchange
from ode2rnn.nn.layer.arguments import check_input, check_start, check_weights, merged
from ode2rnn.nn.layer.packed import Pass, State, run_backward, run_forward, seen


class RecurrentLayer(torch.nn.Module):
    """A stack of recursions, each over the readouts of the one below, in one direction or in two.

    A subclass says what one recursion is: its weights (``_sizes``), what it remembers (``states``, ``_widths``,
    ``_rest``), how it runs (``_run``), and what torch calls its weights (``fused``).
    """

    letters: ClassVar[tuple[str, ...]] = ()  # the paper's names of the weights, in the order of the parameters
    states: ClassVar[tuple[str, ...]] = ("hx",)  # what a recursion remembers, as torch names it
    # torch's name of a weight -> the letters of the blocks it is made of; None for a bias that is merged with the other
    fused: ClassVar[Mapping[str, tuple[str | None, ...]]] = {}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dt: float = 1.0,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size = check_count("input_size", input_size)
        self.hidden_size = check_count("hidden_size", hidden_size)
        self.num_layers = check_count("num_layers", num_layers)
        self.bias = check_flag("bias", bias)
        self.batch_first = check_flag("batch_first", batch_first)
        self.dropout = check_number("dropout", dropout)
        self.bidirectional = check_flag("bidirectional", bidirectional)
        self.dt = check_positive("dt", dt)
        if isinstance(dropout, bool) or not 0 <= self.dropout <= 1:
            raise ValueError(f"dropout: expected a probability in [0, 1], got {dropout!r}")
        if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
            raise ValueError(f"dtype: expected a floating-point dtype of torch, got {brief(dtype)}")
        if self.dropout and self.num_layers == 1:
            warnings.warn("dropout acts between the layers of a stack: it does nothing with num_layers=1", stacklevel=3)
        for suffix, width in self.places():
            for letter, shape in self._sizes(width).items():
                value = None if shape is None else torch.nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
                self.register_parameter(letter + suffix, value)
        self.reset_parameters()

    def __init_subclass__(cls) -> None:
        """Show all arguments of a layer, its own and those it passes on, in its signature."""
        super().__init_subclass__()
        cls.__signature__ = inspect.Signature(merged(cls))  # type: ignore[attr-defined]

    @property
    def _like(self) -> Tensor:
        """A weight, for its dtype and device."""
        return getattr(self, f"{self.letters[0]}_l0")

    @property
    def output_size(self) -> int:
        """Number of readouts of one recursion."""
        return self.hidden_size

    @property
    def window(self) -> tuple[int, int]:
        """How many inputs (behind, ahead) of its own a tick sees beside x[n] (X1)."""
        return 0, 0

    def places(self) -> list[tuple[str, int]]:
        """Of every recursion, in torch's order: the end of the names of its weights, and the width of its input."""
        directions = ("", "_reverse") if self.bidirectional else ("",)
        return [
            (f"_l{k}{direction}", self.input_size if k == 0 else self.output_size * len(directions))
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

    def __getattr__(self, name: str) -> Any:
        """Weights under their other names: a letter alone, of the lowest layer; torch's, built from the letters."""
        held = self.__dict__.get("_parameters", {})
        if name in held:  # the usual case, and the reason why forward may ask by name at every call
            return held[name]
        if name in self.letters:
            return getattr(self, f"{name}_l0")
        kind, found, place = name.partition("_l")
        if kind in self.fused and found and found + place in dict(self.places()):
            fused = exchange.fuse(self, found + place)
            if kind in fused:
                return fused[kind]
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.letters or name.partition("_l")[0] in self.fused:
            raise AttributeError(f"{name}: a name to read weights by; to set them, copy to {self.letters[0]}_l0, ...")
        super().__setattr__(name, value)

    @property
    def _unused(self) -> tuple[str, ...]:
        """The letters that these arguments leave out."""
        return ()

    def _sizes(self, width: int) -> dict[str, tuple[int, ...] | None]:
        """The shape of each weight, by the paper's letter, of a recursion with an input of ``width``; None for none."""
        raise NotImplementedError

    def reset_parameters(self) -> None:
        """Draw every weight evenly from +-1 / sqrt(hidden_size), as torch does, a bias as the sum of two such numbers.

        The same seed gives the same function as torch's layer; what torch's layer has not is drawn after the rest.
        """
        exchange.draw(self)

    def _widths(self) -> tuple[int, ...]:
        """The width of each part of the state."""
        return (self.hidden_size,)

    def _rest(self, like: Tensor, width: int) -> Tensor:
        """Where a recursion starts when it is not told, (width,)."""
        return like.new_zeros(width)

    def _run(self, suffix: str) -> Pass:
        """The recursion whose weights end in ``suffix``."""
        raise NotImplementedError

    def forward(self, input: Tensor | PackedSequence, hx: Any = None) -> tuple[Any, Any]:
        """The readouts of the top layer at every tick, and what each recursion would go on from.

        Args:
            input: (N, batch, input_size); (batch, N, input_size) with batch_first; (N, input_size) without a batch;
                or a PackedSequence.
            hx: (directions * num_layers, batch, width), without the batch for such an input, with batch_first too;
                for an LSTM the pair (h_0, c_0) of such tensors.

        Returns:
            the readouts at 0 .. N-1 with directions * output_size features, arranged as the input; and the like of hx.

        Raises:
            ValueError: an input or hx of the wrong kind, shape, dtype or device; no tick; weights of mixed dtypes.
        """
        check_weights(self)
        R: Tensor | PackedSequence
        if isinstance(input, PackedSequence):
            R, last = self._forward_packed(input, hx)
        else:
            x = check_input(self, input)
            batched = x.ndim == 3
            x = x[:, None] if not batched else x.transpose(0, 1) if self.batch_first else x
            values, last = self._stack(x, check_start(self, hx, x.shape[1], batched), None)
            R = values if batched else values[:, 0]
            if not batched:
                last = tuple(value[:, 0] for value in last)
            elif self.batch_first:
                R = R.transpose(0, 1)
        return R, last[0] if len(self.states) == 1 else last

    def _forward_packed(self, packed: PackedSequence, hx: Any) -> tuple[PackedSequence, State]:
        data, sizes, order, back = packed
        if data.ndim != 2:
            raise ValueError(f"input: expected packed vectors, got a PackedSequence of shape {tuple(data.shape)}")
        start = check_start(self, hx, int(sizes[0]), True)
        if order is not None:
            start = tuple(value[:, order] for value in start)
        R, last = self._stack(check_input(self, data), start, sizes)
        return PackedSequence(R, sizes, order, back), last if back is None else tuple(v[:, back] for v in last)

    def _stack(self, x: Tensor, start: State, sizes: Tensor | None) -> tuple[Tensor, State]:
        """The recursions one above the other, over a batch or over packed sequences of these ``sizes``."""
        directions, lasts, ends = 2 if self.bidirectional else 1, [], [suffix for suffix, _ in self.places()]
        for k in range(0, len(ends), directions):
            if k and self.dropout:
                x = torch.nn.functional.dropout(x, self.dropout, self.training)
            outputs = []
            for i in range(directions):
                first = tuple(value[k + i] for value in start)
                R, last = self._along(self._run(ends[k + i]), x, first, i == 1, sizes)
                outputs.append(R)
                lasts.append(last)
            x = outputs[0] if directions == 1 else torch.cat(outputs, dim=-1)
        return x, tuple(torch.stack(v) if len(v) > 1 else v[0][None] for v in zip(*lasts, strict=True))

    def _along(self, run: Pass, x: Tensor, start: State, reverse: bool, sizes: Tensor | None) -> tuple[Tensor, State]:
        """One recursion through the sequence, in its direction."""
        if sizes is not None:
            return (run_backward if reverse else run_forward)(run, x, start, sizes, self.window)
        R, last = run(seen(x.flip(0) if reverse else x, self.window), start)
        return R.flip(0) if reverse else R, last

    def arguments(self) -> dict[str, Any]:
        """What the layer was made with, but its device and dtype."""
        names = [p.name for p in merged(type(self)) if p.name not in ("device", "dtype")]
        return {name: getattr(self, name) for name in names}

    def extra_repr(self) -> str:
        """The arguments, those that are not the default by name."""
        usual = {p.name: p.default for p in merged(type(self))}
        given = {name: value for name, value in self.arguments().items() if value != usual[name]}
        sizes = [str(given.pop(name)) for name in ("input_size", "hidden_size")]
        return ", ".join([*sizes, *(f"{name}={getattr(value, 'name', value)!r}" for name, value in given.items())])
