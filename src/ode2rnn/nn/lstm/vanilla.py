"""The Vanilla LSTM as a layer.

Uses: L1 to L11.  Source: "The Vanilla LSTM Network Mechanism in Detail".
"""

from __future__ import annotations

from typing import Any

from ode2rnn.core.arrays import brief
from ode2rnn.gated.vanilla import LETTERS
from ode2rnn.gated.vanilla import VanillaLSTM as Cell
from ode2rnn.nn.lstm.layer import LSTMLayer


class VanillaLSTM(LSTMLayer):
    """The LSTM with peepholes (L1 to L6), with the gradients of L7 to L11.

        g_cu, g_cs = G_c(W_x? x[n] + W_s? s[n-1] + W_v? v[n-1] + b_?)        torch: input gate i, forget gate f
        s[n] = g_cs * s[n-1] + g_cu * G_d(W_xdu x[n] + W_vdu v[n-1] + b_du)  torch: cell state c, candidate g
        v[n] = g_cr * G_d(s[n]),   g_cr of x[n], s[n] and v[n-1]             torch: hidden state h, output gate o

    Shapes and call are those of torch.nn.LSTM, whose function is the case peephole=None; the same seed gives both the
    same weights.

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype: as in
            torch.nn.LSTM.
        peephole: "full" for matrices W_s?, "diagonal" for vectors, None for none.
        forget_bias: what b_cs starts from, such as 1 (Keras's unit_forget_bias); None draws it like the others.
        dt: sampling step dT that its cell has, in the caller's unit of time.

    The weights are the parameters W_xcu_l0, W_scu_l0, .. b_cr_l0, and so on for higher layers (_l1) and the backward
    direction (_l0_reverse); W_xcu .. b_cr are those of the lowest layer. weight_ih_l0, weight_hh_l0, bias_ih_l0 (the
    one bias) and bias_hh_l0 (zeros) are put together from them when asked for, with gradients.

    Raises:
        ValueError: an argument out of its range.

    Example:
        >>> import torch
        >>> layer = VanillaLSTM(3, 4, num_layers=2)
        >>> output, (h, c) = layer(torch.zeros(10, 5, 3))
        >>> output.shape, h.shape, c.shape
        (torch.Size([10, 5, 4]), torch.Size([2, 5, 4]), torch.Size([2, 5, 4]))
    """

    letters = LETTERS
    cell_type = Cell

    @classmethod
    def from_torch(cls, module: Any, **options: Any) -> VanillaLSTM:
        """The layer that computes what a torch.nn.LSTM does, with a copy of its weights, and its mode.

        Args:
            module: a torch.nn.LSTM without projection.
            options: arguments that torch's layer has not, as peephole="full"; the weights they bring are 0.

        Raises:
            ValueError: another kind of module, a projection, which AugmentedLSTM has.
        """
        if getattr(module, "proj_size", 0):
            raise ValueError(
                f"module: expected proj_size 0, as AugmentedLSTM has others, got {brief(module.proj_size)}"
            )
        return super().from_torch(module, **options)
