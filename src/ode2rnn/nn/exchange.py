"""Layers from cells, equations and torch's own layers, and back.  Uses: D4, D8, D11."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.core.activations import ACTIVATIONS, as_activation
from ode2rnn.core.arrays import as_like, brief, is_torch
from ode2rnn.discrete.canonical import CanonicalRNN as Cell
from ode2rnn.discrete.schemes import discretize
from ode2rnn.nn.layer import RecurrentLayer

SHARED = ("input_size", "hidden_size", "num_layers", "nonlinearity", "bias", "batch_first", "dropout", "bidirectional")


def bottom(letter: str) -> Any:
    """The weight of that letter in the lowest layer, forward direction."""

    def get(layer: RecurrentLayer) -> Tensor | None:
        return getattr(layer, f"{letter}_l0")

    return property(get, doc=f"{letter} of the lowest layer, forward direction; None where there is none.")


def copy_into(layer: RecurrentLayer, suffix: str, **values: Any) -> None:
    """Set the weights of one recursion, by letter; those that the layer has not are passed over."""
    with torch.no_grad():
        for letter, value in values.items():
            parameter = getattr(layer, letter + suffix)
            if parameter is not None:
                parameter.copy_(as_like(value, parameter))


def weights_of(layer: RecurrentLayer, suffix: str) -> tuple[Tensor, Tensor, Tensor]:
    """W_r, W_x and theta_s of one recursion, zero where it has no bias."""
    W_r, W_x, theta_s = (getattr(layer, letter + suffix) for letter in ("W_r", "W_x", "theta_s"))
    return W_r, W_x, W_r.new_zeros(len(W_r)) if theta_s is None else theta_s


def check_cell(cell: Any) -> dict[str, Any]:
    """The arguments of the layer that can hold ``cell``: a canonical RNN with input and the lag 1."""
    if not isinstance(cell, Cell):
        raise ValueError(f"cell: expected a CanonicalRNN, got {brief(cell)}")
    if cell.lag != 1 or cell.W_x is None:
        got = "one without input" if cell.W_x is None else f"lag {cell.lag}"
        raise ValueError(f"cell: expected a CanonicalRNN with input and lag 1, as the layers have, got {got}")
    like = cell.like if is_torch(cell.like) else torch.zeros((), dtype=torch.float64)
    G = as_activation(cell.activation)
    return {
        "input_size": cell.input_width,
        "hidden_size": cell.width,
        "nonlinearity": G.name if ACTIVATIONS.get(G.name) is G else G,
        "device": like.device,
        "dtype": like.dtype,
    }


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


def check_torch(module: Any) -> dict[str, Any]:
    """The arguments of the layer that computes what ``module`` does."""
    if not isinstance(module, torch.nn.RNN):
        raise ValueError(f"module: expected a torch.nn.RNN, got {brief(module)}")
    weight = module.weight_ih_l0
    return {name: getattr(module, name) for name in SHARED} | {"device": weight.device, "dtype": weight.dtype}


def copy_torch(layer: RecurrentLayer, module: torch.nn.RNN) -> None:
    """Copy the weights of ``module`` to W_r, W_x and theta_s, and its mode."""
    for suffix, _ in layer.places():
        biases = [getattr(module, name + suffix) for name in ("bias_ih", "bias_hh")] if module.bias else []
        W_x, W_r = getattr(module, "weight_ih" + suffix), getattr(module, "weight_hh" + suffix)
        copy_into(layer, suffix, W_r=W_r, W_x=W_x, theta_s=sum(biases, 0 * W_r[0]))
    layer.train(module.training)


def as_torch(layer: RecurrentLayer) -> torch.nn.RNN:
    """The torch.nn.RNN with the weights W_r, W_x and theta_s of ``layer``."""
    name = layer.activation.name
    if name not in ("tanh", "relu") or ACTIVATIONS[name] is not layer.activation:
        raise ValueError(f"nonlinearity: expected tanh or relu, which torch.nn.RNN has, got {name!r}")
    like = next(layer.parameters())
    arguments = {key: getattr(layer, key) for key in SHARED} | {"nonlinearity": name}
    module = torch.nn.RNN(**arguments, device=like.device, dtype=like.dtype)
    with torch.no_grad():
        for suffix, _ in layer.places():
            W_r, W_x, theta_s = weights_of(layer, suffix)
            values = {"weight_ih": W_x, "weight_hh": W_r}
            if layer.bias:
                values |= {"bias_ih": theta_s, "bias_hh": 0 * theta_s}
            for key, value in values.items():
                getattr(module, key + suffix).copy_(value)
    return module.train(layer.training)
