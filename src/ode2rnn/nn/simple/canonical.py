"""The canonical RNN as a layer.

Uses: D4, D5, D7, D11, B1 to B3.  Source: "The Roots of RNN"; "RNN Training Difficulties".
"""

from __future__ import annotations

from typing import Any, Self

import torch

from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.discrete.schemes import undiscretize
from ode2rnn.nn.layer.weights import copy_into
from ode2rnn.nn.simple.layer import SimpleLayer, sampled


class CanonicalRNN(SimpleLayer):
    """s[n] = W_s s[n-1] + W_r r[n-1] + W_x x[n] + theta_s,   r[n] = G(s[n])   (D5), with the gradients of B1 to B3.

    Shapes and call are those of torch.nn.RNN, whose function is the case W_s = 0. The output is the readout r; what
    a run starts from and goes on from (hx) is the state s, by default 0, and r[-1] = G(s[-1]).

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype: as in
            torch.nn.RNN.
        nonlinearity: G, "tanh", "relu", any other registered name, or an Activation.
        dt: sampling step dT of the delay equation behind the layer, in its unit of time.

    The weights are the parameters W_s_l0, W_r_l0, W_x_l0, theta_s_l0, and so on for higher layers (_l1) and the
    backward direction (_l0_reverse); W_s, W_r, W_x and theta_s are those of the lowest layer.

    Raises:
        ValueError: an argument out of its range.

    Example:
        >>> layer = CanonicalRNN(3, 4, bidirectional=True)
        >>> output, last = layer(torch.zeros(10, 5, 3))
        >>> output.shape, last.shape
        (torch.Size([10, 5, 8]), torch.Size([2, 5, 4]))
    """

    letters = ("W_s", "W_r", "W_x", "theta_s")

    def reset_parameters(self) -> None:
        """Draw B, C and phi as torch.nn.RNN draws its weights, and sample the network with them and A = -I (D4)."""
        super().reset_parameters()
        leak = 1 / (1 + self.dt)  # W_s = leak I (D7)
        with torch.no_grad():
            for weight in self.parameters():
                weight.mul_(self.dt * leak)
        for suffix, _ in self.places():
            copy_into(self, suffix, {"W_s": leak * torch.eye(self.hidden_size, dtype=torch.float64)})

    @classmethod
    def from_continuous(cls, model: Any, dt: float, scheme: str = "backward_euler", batch_first: bool = False) -> Self:
        """The samples of a ContinuousRNN with tau = dt (D4).

        Raises:
            ValueError: as `discretize`, and a model whose samples are no canonical RNN of lag 1.

        Example:
            >>> model = ContinuousRNN(A=-1.0, B=2.0, C=4.0, phi=6.0, tau=0.5)
            >>> CanonicalRNN.from_continuous(model, dt=0.5).to_continuous().A.item()
            -1.0
        """
        return cls.from_cell(sampled(model, dt, scheme), batch_first)

    def to_continuous(self, layer: int = 0, reverse: bool = False) -> ContinuousRNN:
        """The delay equation, with tau = dt, that one recursion of the stack samples (D11), with gradients.

        Raises:
            ValueError: a singular W_s, no such layer or direction.
        """
        return undiscretize(self.cell(layer, reverse))
