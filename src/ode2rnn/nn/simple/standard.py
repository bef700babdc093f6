"""The standard RNN as a layer.

Uses: D8, B1 to B3.  Source: "The Roots of RNN"; "RNN Training Difficulties".
"""

from __future__ import annotations

from typing import Any, Self

from torch import Tensor

from ode2rnn.nn.simple.layer import SimpleLayer, sampled


class StandardRNN(SimpleLayer):
    """s[n] = W_r r[n-1] + W_x x[n] + theta_s,   r[n] = G(s[n])   (D8), with the gradients of B1 to B3.

    The function of torch.nn.RNN, whose h is the readout r: W_x is its weight_ih, W_r its weight_hh and theta_s the
    sum of its two biases. The same seed gives both the same function. What a run starts from and goes on from (hx)
    is r[-1]; by default G(0), the readout of the state 0, which is 0 for tanh and relu.

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype: as in
            torch.nn.RNN.
        nonlinearity: G, "tanh", "relu", any other registered name, or an Activation.
        dt: sampling step dT that its cell has, in the caller's unit of time.

    The weights are the parameters W_r_l0, W_x_l0, theta_s_l0, and so on for higher layers (_l1) and the backward
    direction (_l0_reverse); W_r, W_x and theta_s are those of the lowest layer. Its cell is a CanonicalRNN with
    W_s = 0, whose run starts from the state s[-1], not from the readout; cell.standard() drops another's W_s.

    Raises:
        ValueError: an argument out of its range.

    Example:
        >>> import torch
        >>> layer = StandardRNN(3, 4, num_layers=2)
        >>> output, last = layer(torch.zeros(10, 5, 3))
        >>> output.shape, last.shape
        (torch.Size([10, 5, 4]), torch.Size([2, 5, 4]))
    """

    letters = ("W_r", "W_x", "theta_s")

    def _rest(self, like: Tensor, width: int) -> Tensor:
        return self.activation.value(like.new_zeros(width))

    def _of_cell(self) -> dict[str, Any]:
        d = self.hidden_size
        return super()._of_cell() | {"W_s": self._like.new_zeros(d, d)}

    @classmethod
    def from_continuous(cls, model: Any, dt: float, scheme: str = "backward_euler", batch_first: bool = False) -> Self:
        """The samples of a ContinuousRNN with tau = dt (D4), without W_s s[n-1] (D8).

        There is no way back from here, since A was in W_s alone: nn.CanonicalRNN has one. The limit dt -> infinity
        is StandardRNN.from_cell(quasi_static(model)).

        Raises:
            ValueError: as `discretize`, and a model whose samples are no canonical RNN of lag 1.
        """
        return cls.from_cell(sampled(model, dt, scheme).standard(), batch_first)
