"""The GRU as a layer.

Uses: S3.  Source: Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine
Translation"; with reset_after the variant of cuDNN, torch and Keras.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ode2rnn.core.arrays import check_flag
from ode2rnn.gated import gru
from ode2rnn.gated.cell import refuse_other_warpings
from ode2rnn.nn.layer.packed import Pass, State
from ode2rnn.nn.layer.weights import fuse
from ode2rnn.nn.passes.observed import full_precision
from ode2rnn.nn.portable.layer import PortableLayer


class GRU(PortableLayer):
    """The LSTM's sibling with two gates: z, the update gate, and r, the reset gate; v is state and readout in one.

        z[n], r[n] = sigmoid(W_x? x[n] + W_v? v[n-1] + b_?)
        h[n] = tanh(W_xh x[n] + b_h + r[n] * (W_vh v[n-1] + b_vh))       with reset_after, as torch.nn.GRU
        h[n] = tanh(W_xh x[n] + b_h + W_vh (r[n] * v[n-1]))              without, as Cho et al. 2014
        v[n] = z[n] * v[n-1] + (1 - z[n]) * h[n]

    Shapes and call are those of torch.nn.GRU, and the same seed gives both the same function. The gradients are those
    of automatic differentiation.

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype: as in
            torch.nn.GRU.
        reset_after: whether the reset gate acts after the product with W_vh, or before.
        dt: sampling step dT that its cell has, in the caller's unit of time.

    The weights are the parameters W_xz_l0, W_vz_l0, b_z_l0, .. b_h_l0, and b_vh_l0, None without reset_after; and so on
    for higher layers (_l1) and the backward direction (_l0_reverse). The biases of z and r are each the sum of torch's
    two. weight_ih_l0, weight_hh_l0, bias_ih_l0 and bias_hh_l0 are put together from them when asked for.

    Raises:
        ValueError: an argument out of its range.

    Example:
        >>> layer = GRU(3, 4, num_layers=2)
        >>> output, last = layer(torch.zeros(10, 5, 3))
        >>> output.shape, last.shape
        (torch.Size([10, 5, 4]), torch.Size([2, 5, 4]))
    """

    letters = gru.LETTERS
    cell_type = gru.GRU
    torch_type = torch.nn.GRU
    fused: ClassVar = {
        "weight_ih": ("W_xr", "W_xz", "W_xh"),
        "weight_hh": ("W_vr", "W_vz", "W_vh"),
        "bias_ih": ("b_r", "b_z", "b_h"),
        "bias_hh": (None, None, "b_vh"),
    }
    keras_order = (1, 0, 2)

    def __init__(self, *args: Any, reset_after: bool = True, **kwargs: Any) -> None:
        self.reset_after = check_flag("reset_after", reset_after)
        super().__init__(*args, **kwargs)

    @property
    def _unused(self) -> tuple[str, ...]:
        return () if self.reset_after else ("b_vh",)

    def _sizes(self, width: int) -> dict[str, tuple[int, ...] | None]:
        d = self.hidden_size
        shapes: dict[str, tuple[int, ...] | None] = {"W_x": (d, width), "W_v": (d, d)}
        bias = (d,) if self.bias else None
        return {letter: shapes.get(letter[:3], bias) for letter in self.letters} | dict.fromkeys(self._unused)

    def _run(self, suffix: str) -> Pass:
        weights = list(fuse(self, suffix).values())

        def run(x: Tensor, start: State) -> tuple[Tensor, State]:
            with full_precision(x.device):
                if not self.reset_after:
                    return reset_before(x, start[0], *weights[:3])
                V, last = torch.gru(x, start[0][None], weights, self.bias, 1, 0.0, False, False, False)
                return V, (last[0],)

        return run

    def _of_cell(self) -> dict[str, Any]:
        return {"reset_after": self.reset_after}

    @classmethod
    def _from_cell(cls, cell: gru.GRU) -> dict[str, Any]:
        refuse_other_warpings("cell", cell, "a layer")
        return {"reset_after": cell.reset_after}

    @property
    def _bias_rows(self) -> int:
        return 2 if self.reset_after else 1

    @classmethod
    def from_torch(cls, module: torch.nn.RNNBase, **options: Any) -> Self:
        """The layer that computes what a torch.nn.GRU does, with a copy of its weights, and its mode.

        Raises:
            ValueError: another kind of module; reset_after=False, which torch has not.
        """
        layer = super().from_torch(module, **options)
        layer._refuse("torch.nn.GRU")
        return layer

    def _refuse(self, whose: str) -> None:
        if whose.startswith("torch") and not self.reset_after:
            raise ValueError(f"reset_after: expected True, as {whose} has it, got False")


def reset_before(
    x: Tensor, v: Tensor, W_x: Tensor, W_v: Tensor, b: Tensor | None = None
) -> tuple[Tensor, tuple[Tensor]]:
    """The readouts (N, batch, d) and the last of them, the blocks of the weights in the order r, z, h."""
    d, V = v.shape[-1], []
    W_gates, W_h = W_v.T.split([2 * d, d], dim=1)
    for xi in torch.nn.functional.linear(x, W_x, b):
        gates = torch.sigmoid(xi[:, : 2 * d] + v @ W_gates)
        r, z = gates.chunk(2, dim=1)
        h = torch.tanh(xi[:, 2 * d :] + (r * v) @ W_h)
        v = h + z * (v - h)
        V.append(v)
    return torch.stack(V), (v,)
