"""Weights under torch's names: those put together are read only; dictionaries of torch's are taken, or refused."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from ode2rnn import nn

WRITES: dict[str, Callable[[nn.VanillaLSTM], object]] = {
    "orthogonal_": lambda layer: torch.nn.init.orthogonal_(layer.weight_hh_l0),
    "fill_ of a part of .data": lambda layer: layer.bias_ih_l0.data[4:8].fill_(1),
    "an entry": lambda layer: layer.weight_hh_l0.__setitem__(0, 1.0),
    "out=": lambda layer: torch.add(layer.W_vcu_l0.new_ones(12, 3), 1, out=layer.weight_hh_l0),
    "copy_ into .data": lambda layer: layer.weight_hh_l0.data.copy_(torch.ones(12, 3)),
    "a transposed view": lambda layer: layer.weight_hh_l0.t().zero_(),
    "a chunk": lambda layer: layer.weight_hh_l0.chunk(4)[0].zero_(),
    "an augmented assignment": lambda layer: layer.weight_hh_l0.__imul__(2),
    "an array that shares its memory": lambda layer: layer.weight_hh_l0.numpy(force=True).fill(3.0),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_writing_into_a_weight_that_is_put_together_raises(write: Callable[[nn.VanillaLSTM], object]) -> None:
    layer = nn.VanillaLSTM(2, 3)
    before = {name: W.detach().clone() for name, W in layer.named_parameters()}
    with torch.no_grad(), pytest.raises((RuntimeError, ValueError), match=r"put together from|read-only"):
        write(layer)
    assert all(torch.equal(W, before[name]) for name, W in layer.named_parameters())


def test_a_weight_that_is_put_together_is_read_as_any_tensor() -> None:
    layer = nn.VanillaLSTM(2, 3)
    W = layer.weight_hh_l0
    (W**2).sum().backward()
    torch.testing.assert_close(layer.W_vcu_l0.grad, 2 * layer.W_vcu_l0.detach())
    assert type(W + 1) is Tensor
    assert type(W.detach().clone()) is Tensor
    assert type(copy.deepcopy(W.detach())) is Tensor
    torch.testing.assert_close(pickle.loads(pickle.dumps(W.detach())), W.detach().clone())
    assert torch.nn.utils.parameters_to_vector([W]).shape == (36,)


def test_a_parameter_that_torch_has_under_its_own_name_can_be_written_into() -> None:
    layer = nn.StandardRNN(2, 3)
    with torch.no_grad():
        torch.nn.init.orthogonal_(layer.weight_hh_l0)
    torch.testing.assert_close(layer.W_r_l0 @ layer.W_r_l0.T, torch.eye(3))


LOADED: dict[str, tuple[type, Callable[..., torch.nn.Module], dict[str, Any]]] = {
    "LSTM": (torch.nn.LSTM, nn.VanillaLSTM, {}),
    "LSTM, two layers, both directions": (torch.nn.LSTM, nn.VanillaLSTM, {"num_layers": 2, "bidirectional": True}),
    "LSTM with a projection": (torch.nn.LSTM, partial(nn.AugmentedLSTM, external_gate=False), {"proj_size": 2}),
    "GRU": (torch.nn.GRU, nn.GRU, {"num_layers": 2}),
    "RNN": (torch.nn.RNN, nn.StandardRNN, {"bias": False}),
}


@pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")  # torch's own
@pytest.mark.parametrize(("theirs", "ours", "given"), LOADED.values(), ids=LOADED.keys())
@pytest.mark.parametrize("strict", [True, False])
def test_a_dictionary_of_torch_is_loaded(theirs: type, ours: Callable[..., Any], given: dict, strict: bool) -> None:
    torch.manual_seed(0)
    module = theirs(2, 3, **given)
    layer = torch.nn.Sequential(ours(2, 3, **given))
    x = torch.randn(5, 2, 2)
    found = layer.load_state_dict({f"0.{name}": W for name, W in module.state_dict().items()}, strict=strict)
    assert not found.missing_keys
    assert not found.unexpected_keys
    torch.testing.assert_close(layer(x)[0], module(x)[0])


def without(module: torch.nn.Module, name: str) -> dict[str, Tensor]:
    return {key: W for key, W in module.state_dict().items() if key != name}


REFUSED: dict[str, tuple[torch.nn.Module, dict[str, Tensor], str]] = {
    "a part is missing": (nn.VanillaLSTM(2, 3), without(torch.nn.LSTM(2, 3), "bias_hh_l0"), "bias_hh_l0.*got none"),
    "another size": (nn.VanillaLSTM(2, 4), torch.nn.LSTM(2, 3).state_dict(), r"expected shape \(16, 2\).*\(12, 2\)"),
    "a gate that torch has not": (nn.AugmentedLSTM(2, 3), torch.nn.LSTM(2, 3).state_dict(), "external_gate"),
    "another reset": (nn.GRU(2, 3, reset_after=False), torch.nn.GRU(2, 3).state_dict(), "reset_after"),
}


@pytest.mark.parametrize(("layer", "weights", "message"), REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("strict", [True, False])
def test_one_that_does_not_fit_is_refused_and_leaves_the_layer(
    layer: torch.nn.Module, weights: dict[str, Tensor], message: str, strict: bool
) -> None:
    before = copy.deepcopy(layer.state_dict())
    with pytest.raises(RuntimeError, match=message):
        layer.load_state_dict(weights, strict=strict)
    assert all(torch.equal(W, before[name]) for name, W in layer.state_dict().items())
