"""What the Vanilla and the Augmented LSTM share as layers.  Uses: L1 to L11, X1 to X7."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ode2rnn.core.arrays import brief, check_number
from ode2rnn.gated.augmented import LETTERS
from ode2rnn.gated.cell import refuse_other_warpings
from ode2rnn.nn.layer.packed import Pass, State
from ode2rnn.nn.layer.weights import copy_into, draw_rest
from ode2rnn.nn.passes.gated import recur
from ode2rnn.nn.portable.layer import PortableLayer


class LSTMLayer(PortableLayer):
    """A layer whose recursion is an LSTM, by letter; h is its readout v, and c its state s."""

    letters: ClassVar[tuple[str, ...]] = LETTERS
    states = ("h_0", "c_0")
    torch_type = torch.nn.LSTM
    fused: ClassVar = {
        "weight_ih": ("W_xcu", "W_xcs", "W_xdu", "W_xcr"),
        "weight_hh": ("W_vcu", "W_vcs", "W_vdu", "W_vcr"),
        "bias_ih": ("b_cu", "b_cs", "b_du", "b_cr"),
        "bias_hh": (None, None, None, None),
    }
    keras_order = (0, 1, 2, 3)
    context: int | tuple[int, int] = 1  # an LSTM without extensions
    external_gate, proj_size = False, 0

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        peephole: str | None = "full",
        *,
        forget_bias: float | None = None,
        **kwargs: Any,
    ) -> None:
        if peephole is not None and not (isinstance(peephole, str) and peephole in ("full", "diagonal")):
            raise ValueError(f"peephole: expected 'full', 'diagonal' or None, got {brief(peephole)}")
        self.peephole = peephole
        self.forget_bias = None if forget_bias is None else check_number("forget_bias", forget_bias)
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, **kwargs)

    @property
    def output_size(self) -> int:
        """Number of readouts d_v of one recursion."""
        return self.proj_size or self.hidden_size

    @property
    def _unused(self) -> tuple[str, ...]:
        return () if self.external_gate else tuple(letter for letter in self.letters if letter.endswith("cx"))

    def _sizes(self, width: int) -> dict[str, tuple[int, ...] | None]:
        d, v, window = self.hidden_size, self.output_size, sum(self.window) + 1
        shapes: dict[str, tuple[int, ...] | None] = {
            "W_x": (d, width) if window == 1 else (window, d, width),
            "W_s": None if self.peephole is None else (d, d) if self.peephole == "full" else (d,),
            "W_v": (d, v),
            "W_q": (v, d) if self.proj_size else None,
        }
        bias = (d,) if self.bias else None
        return {letter: shapes.get(letter[:3], bias) for letter in self.letters} | dict.fromkeys(self._unused)

    def reset_parameters(self) -> None:
        """Draw every weight evenly from +-1 / sqrt(hidden_size), a bias as the sum of two such numbers.

        First those of torch.nn.LSTM in its order, so that without peepholes and extensions the same seed gives the
        same function; then the others. A ``forget_bias`` takes the place of b_cs, the bias of the state gate.
        """
        super().reset_parameters()
        draw_rest(self)
        if self.forget_bias is not None:
            if not self.bias:
                raise ValueError("forget_bias: expected None with bias=False, got a number")
            for suffix, _ in self.places():
                copy_into(self, suffix, {"b_cs": torch.full((self.hidden_size,), self.forget_bias)})

    def _widths(self) -> tuple[int, ...]:
        return self.output_size, self.hidden_size

    def _run(self, suffix: str) -> Pass:
        weights: dict[str, Tensor | None] = dict.fromkeys(LETTERS)
        weights |= {letter: getattr(self, letter + suffix) for letter in self.letters}

        def run(x: Tensor, start: State) -> tuple[Tensor, State]:
            V, s, v = recur(x, start[1], start[0], weights)
            return V, (v, s)

        return run

    @classmethod
    def _from_cell(cls, cell: Any) -> dict[str, Any]:
        refuse_other_warpings("cell", cell, "a layer")
        # peepholes of different kinds become those of the widest, with zeros
        ranks = [0 if W is None else W.ndim for W in (getattr(cell, a) for a in cls.letters if a.startswith("W_s"))]
        return {"peephole": (None, "diagonal", "full")[max(ranks)]}

    @classmethod
    def _blank(cls, options: Mapping[str, Any], **given: Any) -> Self:
        return super()._blank({"peephole": None} | dict(options), **given)
