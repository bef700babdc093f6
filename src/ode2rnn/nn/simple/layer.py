"""What the standard and the canonical RNN share as layers.  Uses: D4, D5, D8."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.core.activations import ACTIVATIONS, Activation, as_activation
from ode2rnn.core.arrays import brief, check_choice
from ode2rnn.discrete.canonical import CanonicalRNN as Cell
from ode2rnn.discrete.schemes import discretize
from ode2rnn.nn.layer.packed import Pass, State
from ode2rnn.nn.passes.simple import RNNWeights, recur
from ode2rnn.nn.portable.layer import PortableLayer


class SimpleLayer(PortableLayer):
    """A layer whose recursion has one warping function G and no gates."""

    torch_type = torch.nn.RNN
    torch_options = ("nonlinearity",)
    fused: ClassVar = {"weight_ih": ("W_x",), "weight_hh": ("W_r",), "bias_ih": ("theta_s",), "bias_hh": (None,)}
    keras_order = (0,)
    cell_type = Cell

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str | Activation = "tanh",
        *args: Any,
        **kwargs: Any,
    ) -> None:
        self.nonlinearity = nonlinearity
        if not isinstance(nonlinearity, Activation):
            self.nonlinearity = check_choice("nonlinearity", nonlinearity, ACTIVATIONS)
        super().__init__(input_size, hidden_size, num_layers, *args, **kwargs)
        like = self._like
        self.activation.check_for(like if like.device.type != "meta" else torch.empty(0, dtype=like.dtype))

    @property
    def activation(self) -> Activation:
        """The warping function G."""
        G = self.nonlinearity
        return G if isinstance(G, Activation) else ACTIVATIONS[G]

    def _sizes(self, width: int) -> dict[str, tuple[int, ...] | None]:
        d = self.hidden_size
        sizes = {"W_s": (d, d), "W_r": (d, d), "W_x": (d, width), "theta_s": (d,) if self.bias else None}
        return {letter: sizes[letter] for letter in self.letters}

    def _run(self, suffix: str) -> Pass:
        weights = RNNWeights(*(self._weight(letter, suffix) for letter in RNNWeights._fields))
        activation = self.activation

        def run(x: Tensor, start: State) -> tuple[Tensor, State]:
            R, last = recur(x, start[0], weights, activation)
            return R, (last,)

        return run

    def _weight(self, letter: str, suffix: str) -> Any:
        return getattr(self, letter + suffix) if letter in self.letters else None

    def _of_cell(self) -> dict[str, Any]:
        return {"activation": self.nonlinearity}

    @classmethod
    def _from_cell(cls, cell: Cell) -> dict[str, Any]:
        if cell.lag != 1 or cell.W_x is None:
            got = "one without input" if cell.W_x is None else f"lag {cell.lag}"
            raise ValueError(f"cell: expected a CanonicalRNN with input and lag 1, as the layers have, got {got}")
        if "W_s" not in cls.letters and bool((cell.W_s != 0).any()):
            raise ValueError("cell: expected W_s = 0, as in the standard RNN, got another; cell.standard() drops it")
        G = as_activation(cell.activation)
        return {"nonlinearity": G.name if ACTIVATIONS.get(G.name) is G else G}

    def _refuse(self, whose: str) -> None:
        name = self.activation.name
        known = ("tanh", "relu") if whose.startswith("torch") else tuple(ACTIVATIONS)
        if name not in known or ACTIVATIONS[name] is not self.activation:
            raise ValueError(f"nonlinearity: expected {' or '.join(known)}, which {whose} has, got {name!r}")


def sampled(model: Any, dt: float, scheme: str) -> Cell:
    """discretize(model, dt, scheme), where a layer can hold it."""
    if not isinstance(model, AdditiveModel):
        raise ValueError(f"model: expected a ContinuousRNN, got {brief(model)}")
    cell = discretize(model, dt, scheme)
    if not isinstance(cell, Cell) or cell.lag != 1:
        delays = ", ".join(f"{term.delay:g}" for term in model.readout)
        raise ValueError(
            "model: expected one whose samples are a canonical RNN of lag 1, a ContinuousRNN with tau = dt (or tau = 0"
            f" and the scheme 'implicit_linear'), got the delays {delays} of the readout with dt = {dt:g}, {scheme!r}"
        )
    return cell
