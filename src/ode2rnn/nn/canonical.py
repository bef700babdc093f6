"""The canonical RNN as a layer.

Uses: D4, D5, D7, D11, B1 to B3.  Source: "The Roots of RNN"; "RNN Training Difficulties".
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.core.arrays import check_positive
from ode2rnn.discrete.canonical import CanonicalRNN as Cell
from ode2rnn.discrete.schemes import undiscretize
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


class CanonicalRNN(RecurrentLayer):
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

    W_s, W_r, W_x, theta_s = bottom("W_s"), bottom("W_r"), bottom("W_x"), bottom("theta_s")

    def __init__(self, *args: Any, dt: float = 1.0, **kwargs: Any) -> None:
        self.dt = check_positive("dt", dt)
        super().__init__(*args, **kwargs)

    def _sizes(self, width: int) -> dict[str, tuple[int, ...]]:
        d = self.hidden_size
        return {"W_s": (d, d), "W_r": (d, d), "W_x": (d, width), "theta_s": (d,)}

    def reset_parameters(self) -> None:
        """Draw B, C and phi as torch.nn.RNN draws its weights, and sample the network with them and A = -I (D4)."""
        leak = 1 / (1 + self.dt)  # W_s = leak I (D7)
        for suffix, width in self.places():
            C, B, phi = (self.dt * leak * weight for weight in self._draw(width))
            copy_into(
                self, suffix, W_s=leak * torch.eye(self.hidden_size, dtype=torch.float64), W_r=B, W_x=C, theta_s=phi
            )

    def _rest(self, like: Tensor) -> Tensor:
        return like.new_zeros(self.hidden_size)

    def _run(self, suffix: str) -> Pass:
        weights = Weights(*(getattr(self, letter + suffix) for letter in Weights._fields))
        activation = self.activation
        return lambda x, start: recur(x, start, weights, activation)

    def cell(self, layer: int = 0, reverse: bool = False) -> Cell:
        """One recursion of the stack as a cell, which run() steps; it shares the weights, with gradients.

        Raises:
            ValueError: no such layer or direction.
        """
        suffix = self.place(layer, reverse)
        W_r, W_x, theta_s = weights_of(self, suffix)
        return Cell(getattr(self, f"W_s{suffix}"), W_r, W_x, theta_s, self.dt, self.nonlinearity)

    @classmethod
    def from_cell(cls, cell: Cell, batch_first: bool = False) -> CanonicalRNN:
        """The layer with a copy of the weights of a CanonicalRNN of lag 1.

        Raises:
            ValueError: another kind of cell.
        """
        layer = cls(batch_first=batch_first, dt=cell.dt if isinstance(cell, Cell) else 1.0, **check_cell(cell))
        copy_into(layer, "_l0", W_s=cell.W_s, W_r=cell.W_r, W_x=cell.W_x, theta_s=cell.theta_s)
        return layer

    @classmethod
    def from_continuous(
        cls, model: Any, dt: float, scheme: str = "backward_euler", batch_first: bool = False
    ) -> CanonicalRNN:
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

    @classmethod
    def from_torch(cls, module: torch.nn.RNN) -> CanonicalRNN:
        """The layer that computes what a torch.nn.RNN does, with a copy of its weights, and W_s = 0.

        Raises:
            ValueError: no torch.nn.RNN.
        """
        layer = cls(**check_torch(module))
        copy_torch(layer, module)
        for suffix, _ in layer.places():
            copy_into(layer, suffix, W_s=torch.zeros(()))
        return layer

    def to_torch(self) -> torch.nn.RNN:
        """A torch.nn.RNN that computes the same, with a copy of the weights; theta_s becomes its bias_ih.

        Raises:
            ValueError: a nonlinearity that torch.nn.RNN has not, any but "tanh" and "relu"; a W_s that is not 0.
        """
        for suffix, _ in self.places():
            if bool((getattr(self, f"W_s{suffix}") != 0).any()):
                raise ValueError(f"W_s{suffix}: expected 0, since torch.nn.RNN has no such weight, got another")
        return as_torch(self)

    def extra_repr(self) -> str:
        """The arguments, those that are not the default by name."""
        return super().extra_repr() + (f", dt={self.dt:g}" if self.dt != 1 else "")
