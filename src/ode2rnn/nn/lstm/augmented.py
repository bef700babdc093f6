"""The Augmented LSTM as a layer.

Uses: X1 to X7.  Source: "Extensions to the Vanilla LSTM Network".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from ode2rnn.core.arrays import check_count, check_flag
from ode2rnn.gated.augmented import LETTERS
from ode2rnn.gated.augmented import AugmentedLSTM as Cell
from ode2rnn.nn.lstm.layer import LSTMLayer


def _check_context(value: Any) -> int | tuple[int, int]:
    """A number of inputs, or a pair (behind, ahead), which a file gives as a list."""
    if not isinstance(value, tuple | list):
        return check_count("context", value)
    if len(value) != 2:
        raise ValueError(f"context: expected a whole number or two, (behind, ahead), got {value!r}")
    return check_count("context: behind", value[0], 0), check_count("context: ahead", value[1], 0)


class AugmentedLSTM(LSTMLayer):
    """The Vanilla LSTM with a window of inputs (X1), a gate of the input (X2) and a projection of the readout (X3).

    With context=1, external_gate=False and proj_size=0 it is VanillaLSTM to the last digit; with peephole=None and
    proj_size alone it is the function of torch.nn.LSTM, W_qdr being its weight_hr.

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype: as in
            torch.nn.LSTM.
        context: which inputs a tick sees: (behind, ahead) for x[n-behind] .. x[n+ahead], or a number L for
            x[n] .. x[n+L-1], which is (0, L - 1); x is zero outside the sequence. The backward direction runs the other
            way and sees x[n+behind] .. x[n-ahead]; so does every layer of a stack, of the readouts of the one below. A
            sequence run in two parts is not the whole one then: each part sees zeros in place of the other.
            With L = behind + 1 + ahead > 1 the weights W_x? are (L, hidden_size, input_size), first that of
            x[n-behind].
        external_gate: whether the input term of the candidate has its own gate g_cx.
        proj_size: d_v, the width of the readout v, which is then W_qdr q; 0 for none. As in torch, h and the output
            have this width.
        peephole, forget_bias, dt: as in VanillaLSTM.

    The weights are those of VanillaLSTM, and W_xcx, W_scx, W_vcx, b_cx, W_qdr, None where they are not used.

    Raises:
        ValueError: an argument out of its range.

    Example:
        >>> import torch
        >>> layer = AugmentedLSTM(3, 4, context=2, proj_size=2)
        >>> output, (h, c) = layer(torch.zeros(10, 5, 3))
        >>> output.shape, h.shape, c.shape
        (torch.Size([10, 5, 2]), torch.Size([1, 5, 2]), torch.Size([1, 5, 4]))
    """

    letters = LETTERS
    torch_options = ("proj_size",)
    fused: ClassVar = LSTMLayer.fused | {"weight_hr": ("W_qdr",)}
    cell_type = Cell

    def __init__(
        self,
        *args: Any,
        context: int | tuple[int, int] = 1,
        external_gate: bool = True,
        proj_size: int = 0,
        **kwargs: Any,
    ) -> None:
        self.context = _check_context(context)
        self.external_gate = check_flag("external_gate", external_gate)
        self.proj_size = check_count("proj_size", proj_size, 0)
        super().__init__(*args, **kwargs)

    @property
    def window(self) -> tuple[int, int]:
        """How many inputs (behind, ahead) of its own a tick sees beside x[n] (X1)."""
        return self.context if isinstance(self.context, tuple) else (0, self.context - 1)

    def _of_cell(self) -> dict[str, Any]:
        return {"behind": self.window[0]}

    @classmethod
    def _from_cell(cls, cell: Cell) -> dict[str, Any]:
        proj_size = 0 if cell.W_qdr is None else cell.readout_width
        context = cell.window if cell.behind else cell.context
        own = {"context": context, "external_gate": cell.b_cx is not None, "proj_size": proj_size}
        return super()._from_cell(cell) | own

    @classmethod
    def _blank(cls, options: Mapping[str, Any], **given: Any) -> Self:
        for name, none in (("external_gate", False), ("proj_size", 0)):
            if options.get(name):
                raise ValueError(
                    f"{name}: expected {none}, since weights 0 would compute something else, got {options[name]}"
                )
        return super()._blank({"external_gate": False} | dict(options), **given)

    def _refuse(self, whose: str) -> None:
        if any(self.window):
            raise ValueError(f"context: expected 1, since {whose} looks at x[n] alone, got {self.context}")
        if self.external_gate:
            raise ValueError(f"external_gate: expected False, since {whose} has none, got True")
        most = self.hidden_size - 1 if whose.startswith("torch") else 0
        if self.proj_size > most:
            raise ValueError(f"proj_size: expected at most {most}, as {whose} has it, got {self.proj_size}")
