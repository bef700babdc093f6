"""What the layers share: the arguments, shapes and call of torch's own, a stack of recursions and its directions."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from ode2rnn.core.arrays import brief, check_count, check_flag, check_number, check_positive
from ode2rnn.nn.layer.arguments import check_input, check_start, check_weights, merged
from ode2rnn.nn.layer.packed import Pass, State, run_backward, run_forward, seen
from ode2rnn.nn.layer.weights import WeightedLayer


class RecurrentLayer(WeightedLayer):
    """A stack of recursions, each over the readouts of the one below, in one direction or in two.

    A subclass also says how one recursion runs (``_run``).
    """

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

    def _run(self, suffix: str) -> Pass:
        """The recursion whose weights end in ``suffix``."""
        raise NotImplementedError

    @torch.compiler.disable  # as torch's own: there is nothing to gain within a kernel, and minutes to lose
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
            R, last = self._over_batch(self._stack, input, hx)
        return R, last[0] if len(self.states) == 1 else last

    def _over_batch(self, run: Pass, input: object, hx: object) -> tuple[Tensor, State]:
        """What ``run`` makes of inputs (N, batch, m), of an input that is arranged as :meth:`forward` takes it."""
        x = check_input(self, input)
        batched = x.ndim == 3
        x = x[:, None] if not batched else x.transpose(0, 1) if self.batch_first else x
        R, last = run(x, check_start(self, hx, x.shape[1], batched))
        if not batched:
            return R[:, 0], tuple(value[:, 0] for value in last)
        return R.transpose(0, 1) if self.batch_first else R, last

    def _forward_packed(self, packed: PackedSequence, hx: Any) -> tuple[PackedSequence, State]:
        data, sizes, order, back = packed
        if data.ndim != 2:
            raise ValueError(f"input: expected packed vectors, got a PackedSequence of shape {tuple(data.shape)}")
        start = check_start(self, hx, int(sizes[0]), True)
        if order is not None:
            start = tuple(value[:, order] for value in start)
        R, last = self._stack(check_input(self, data), start, sizes)
        return PackedSequence(R, sizes, order, back), last if back is None else tuple(v[:, back] for v in last)

    def _stack(self, x: Tensor, start: State, sizes: Tensor | None = None) -> tuple[Tensor, State]:
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
        return x, tuple(torch.stack(v) for v in zip(*lasts, strict=True))

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
