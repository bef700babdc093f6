"""A trained layer as a System: its ticks are those of torch, its tangents and cotangents those of autograd."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from ode2rnn import VanillaLSTM, bptt, nn, run
from ode2rnn.core.systems.flat import Flat
from ode2rnn.nn.systems import system_of
from ode2rnn.nn.systems.stack import Stack

LAYERS: dict[str, Callable[[], torch.nn.Module]] = {
    "RNN": lambda: torch.nn.RNN(3, 4, num_layers=2),
    "relu, no bias": lambda: torch.nn.RNN(3, 4, nonlinearity="relu", bias=False),
    "LSTM": lambda: torch.nn.LSTM(3, 4, num_layers=2),
    "LSTM, projected": lambda: torch.nn.LSTM(3, 4, num_layers=2, proj_size=2),
    "GRU": lambda: torch.nn.GRU(3, 4, num_layers=3),
    "StandardRNN": lambda: nn.StandardRNN(3, 4, num_layers=2),
    "CanonicalRNN": lambda: nn.CanonicalRNN(3, 4, num_layers=2, dt=0.5),
    "VanillaLSTM": lambda: nn.VanillaLSTM(3, 4, num_layers=2, peephole="full"),
    "AugmentedLSTM": lambda: nn.AugmentedLSTM(3, 4, num_layers=2, proj_size=3),
    "ode2rnn GRU": lambda: nn.GRU(3, 4, num_layers=2, reset_after=False),
}
CELLS: dict[str, Callable[[], torch.nn.Module]] = {
    "RNNCell": lambda: torch.nn.RNNCell(3, 4, nonlinearity="relu"),
    "LSTMCell": lambda: torch.nn.LSTMCell(3, 4),
    "GRUCell": lambda: torch.nn.GRUCell(3, 4, bias=False),
}


def made(kind: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    torch.manual_seed(1)
    return kind().double()


def one_tick(layer: torch.nn.Module, vector: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """torch's own call for one tick, on hx as a vector: h of every layer and then c."""
    stack = system_of(layer)
    parts = [p[None] for p in vector.split([length for _, length in stack.parts()])]
    if isinstance(layer, torch.nn.RNNCellBase):
        hx = (parts[0], parts[1]) if len(parts) == 2 else parts[0]
        out = layer(x[None], hx)
        return torch.cat([v.flatten() for v in (out if isinstance(out, tuple) else (out,))])
    count = len(stack.cells)
    h = torch.stack(parts[:count])
    hx = (h, torch.stack(parts[count:])) if len(parts) > count else h
    last = layer(x[None, None], hx)[1]
    return torch.cat([v.flatten() for v in (last if isinstance(last, tuple) else (last,))])


@pytest.mark.parametrize("name", [*LAYERS, *CELLS])
def test_a_tick_and_its_derivative_are_those_of_torch(name: str) -> None:
    layer = made((LAYERS | CELLS)[name])
    flat = Flat(system_of(layer))
    rng = np.random.default_rng(0)
    S, x = rng.normal(size=(5, flat.size)), rng.normal(size=3)
    u = flat.constant(x)
    for k, s in enumerate(S):
        given, seen = torch.tensor(s), torch.tensor(x)
        np.testing.assert_allclose(flat.advance(S, u)[k], one_tick(layer, given, seen).detach(), atol=1e-14)
        jacobian = torch.autograd.functional.jacobian(lambda v, seen=seen: one_tick(layer, v, seen), given)
        np.testing.assert_allclose(flat.jacobian(S, u)[k], jacobian, atol=1e-13)


@pytest.mark.parametrize("name", LAYERS)
def test_bptt_of_a_stack_is_autograd_of_its_layer(name: str) -> None:
    layer = made(LAYERS[name])
    x = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    output = layer(x)[0]
    r_bar = torch.randn_like(output)
    (expected,) = torch.autograd.grad((output * r_bar).sum(), x)
    back = bptt(system_of(layer), x.detach().numpy(), r_bar.numpy())
    np.testing.assert_allclose(back.x_bar, expected, atol=1e-12)
    np.testing.assert_allclose(run(system_of(layer), x.detach().numpy()).r, output.detach(), atol=1e-14)


def test_gradients_of_a_stack_are_those_of_the_weights_by_their_letters() -> None:
    layer = made(LAYERS["VanillaLSTM"])
    x = torch.randn(6, 3, dtype=torch.float64)
    output = layer(x)[0]
    r_bar = torch.randn_like(output)
    (output * r_bar).sum().backward()
    gradients = bptt(system_of(layer), x.numpy(), r_bar.numpy()).gradients.weights()
    for letter, weight in layer.named_parameters():
        np.testing.assert_allclose(gradients[letter], weight.grad, atol=1e-12)


def test_windows_of_the_lowest_layer_are_seen_and_those_above_refused() -> None:
    layer = made(lambda: nn.AugmentedLSTM(3, 4, context=(1, 2)))
    x = torch.randn(9, 3, dtype=torch.float64)
    np.testing.assert_allclose(run(system_of(layer), x.numpy()).r, layer(x)[0].detach(), atol=1e-14)
    with pytest.raises(ValueError, match=r"above the lowest .* got a window \(1, 2\)"):
        system_of(made(lambda: nn.AugmentedLSTM(3, 4, num_layers=2, context=(1, 2))))


def test_what_has_no_ticks_is_refused_with_the_reason() -> None:
    for module, match in (
        (torch.nn.GRU(3, 4, bidirectional=True), "one direction"),
        (torch.nn.Linear(3, 4), r"say Map.from_module\(module\)"),
    ):
        with pytest.raises(ValueError, match=match):
            system_of(module)
    with pytest.raises(ValueError, match="as wide as the readout below"):
        Stack((made(lambda: nn.VanillaLSTM(3, 4)).cell(), made(lambda: nn.GRU(5, 2)).cell()))


def test_a_stack_of_cells_of_ones_own_is_a_system() -> None:
    low, top = made(lambda: nn.VanillaLSTM(3, 4)).cell().plain(), made(lambda: nn.GRU(4, 2)).cell().plain()
    assert isinstance(low, VanillaLSTM)
    x = np.random.default_rng(0).normal(size=(8, 3))
    both = run(Stack((low, top)), x)
    np.testing.assert_array_equal(both.r, run(top, run(low, x).r).r)
