"""The standard RNN as a layer.

Uses: D8, B1 to B3.  Source: "The Roots of RNN"; "RNN Training Difficulties".
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ode2rnn.discrete.canonical import CanonicalRNN as Cell
from ode2rnn.nn.exchange import (
    as_torch,
    bottom,
    check_cell,
    check_torch,
    copy_into,
    copy_torch,
    sampled,
    weights_of,
)
from ode2rnn.nn.layer import Pass, RecurrentLayer
from ode2rnn.nn.recurrence import Weights, recur


class StandardRNN(RecurrentLayer):
    """s[n] = W_r r[n-1] + W_x x[n] + theta_s,   r[n] = G(s[n])   (D8), with the gradients of B1 to B3.

    The function of torch.nn.RNN, whose h is the readout r: W_x is its weight_ih, W_r its weight_hh and theta_s the
    sum of its two biases. The same seed gives both the same function. What a run starts from and goes on from (hx)
    is r[-1]; by default G(0), the readout of the state 0, which is 0 for tanh and relu.

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype: as in
            torch.nn.RNN.
        nonlinearity: G, "tanh", "relu", any other registered name, or an Activation.

    The weights are the parameters W_r_l0, W_x_l0, theta_s_l0, and so on for higher layers (_l1) and the backward
    direction (_l0_reverse); W_r, W_x and theta_s are those of the lowest layer.

    Raises:
        ValueError: an argument out of its range.

    Example:
        >>> layer = StandardRNN(3, 4, num_layers=2)
        >>> output, last = layer(torch.zeros(10, 5, 3))
        >>> output.shape, last.shape
        (torch.Size([10, 5, 4]), torch.Size([2, 5, 4]))
    """

    W_r, W_x, theta_s = bottom("W_r"), bottom("W_x"), bottom("theta_s")

    def _sizes(self, width: int) -> dict[str, tuple[int, ...]]:
        d = self.hidden_size
        return {"W_r": (d, d), "W_x": (d, width), "theta_s": (d,)}

    def reset_parameters(self) -> None:
        """Draw every weight evenly from +-1 / sqrt(hidden_size), theta_s as the sum of two such numbers."""
        for suffix, width in self.places():
            W_x, W_r, theta_s = self._draw(width)
            copy_into(self, suffix, W_r=W_r, W_x=W_x, theta_s=theta_s)

    def _rest(self, like: Tensor) -> Tensor:
        return self.activation.value(like.new_zeros(self.hidden_size))

    def _run(self, suffix: str) -> Pass:
        W_r, W_x, theta_s = (getattr(self, letter + suffix) for letter in ("W_r", "W_x", "theta_s"))
        weights, activation = Weights(None, W_r, W_x, theta_s), self.activation
        return lambda x, start: recur(x, start, weights, activation)

    def cell(self, layer: int = 0, reverse: bool = False) -> Cell:
        """One recursion of the stack as a cell with W_s = 0, which run() steps; it shares the weights, with gradients.

        run() starts from the state s[-1], the layer from the readout r[-1] = G(s[-1]).

        Raises:
            ValueError: no such layer or direction.
        """
        W_r, W_x, theta_s = weights_of(self, self.place(layer, reverse))
        return Cell(torch.zeros_like(W_r), W_r, W_x, theta_s, activation=self.nonlinearity)

    @classmethod
    def from_cell(cls, cell: Cell, batch_first: bool = False) -> StandardRNN:
        """The layer with a copy of the weights of a standard RNN: of a CanonicalRNN with W_s = 0 and lag 1.

        Raises:
            ValueError: another kind of cell; cell.standard() drops its W_s.
        """
        arguments = check_cell(cell)
        if bool((cell.W_s != 0).any()):
            raise ValueError("cell: expected W_s = 0, as in the standard RNN, got another; cell.standard() drops it")
        layer = cls(batch_first=batch_first, **arguments)
        copy_into(layer, "_l0", W_r=cell.W_r, W_x=cell.W_x, theta_s=cell.theta_s)
        return layer

    @classmethod
    def from_continuous(
        cls, model: Any, dt: float, scheme: str = "backward_euler", batch_first: bool = False
    ) -> StandardRNN:
        """The samples of a ContinuousRNN with tau = dt (D4), without W_s s[n-1] (D8).

        There is no way back from here, since A was in W_s alone: nn.CanonicalRNN has one. The limit dt -> infinity
        is StandardRNN.from_cell(quasi_static(model)).

        Raises:
            ValueError: as `discretize`, and a model whose samples are no canonical RNN of lag 1.
        """
        return cls.from_cell(sampled(model, dt, scheme).standard(), batch_first)

    @classmethod
    def from_torch(cls, module: torch.nn.RNN) -> StandardRNN:
        """The layer that computes what a torch.nn.RNN does, with a copy of its weights.

        Raises:
            ValueError: no torch.nn.RNN.
        """
        layer = cls(**check_torch(module))
        copy_torch(layer, module)
        return layer

    def to_torch(self) -> torch.nn.RNN:
        """A torch.nn.RNN that computes the same, with a copy of the weights; theta_s becomes its bias_ih.

        Raises:
            ValueError: a nonlinearity that torch.nn.RNN has not, any but "tanh" and "relu".
        """
        return as_torch(self)
