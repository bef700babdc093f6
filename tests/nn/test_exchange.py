"""Layers from cells, equations and torch's layers, and back; the weights by letter; what is refused."""

from __future__ import annotations

import copy
import io
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

import ode2rnn
from ode2rnn import Activation, ContinuousRNN, discretize, quasi_static, run
from ode2rnn.nn import CanonicalRNN, StandardRNN

LAYERS = (StandardRNN, CanonicalRNN)
SIZE = {"input_size": 2, "hidden_size": 3}


def network(tau: float = 0.25, activation: str | Activation = "tanh", m: int | None = 2) -> ContinuousRNN:
    rng = np.random.default_rng(4)
    A = -np.eye(3) + 0.2 * rng.normal(size=(3, 3))
    C = None if m is None else rng.normal(size=(3, m))
    return ContinuousRNN(A, rng.normal(size=(3, 3)), C, rng.normal(size=3), tau, activation)


def inputs(ticks: int = 12) -> np.ndarray:
    return np.random.default_rng(5).normal(size=(ticks, 4, 2))


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", Activation("half", lambda s: s / 2, lambda s: 0 * s + 0.5)])
def test_a_layer_runs_the_samples_of_the_equation(activation: str | Activation) -> None:
    model = network(activation=activation)
    layer = CanonicalRNN.from_continuous(model, 0.25)
    output, last = layer(torch.from_numpy(inputs()))
    path = run(discretize(model, 0.25), inputs())
    np.testing.assert_allclose(output.detach().numpy(), path.r, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(last[0].detach().numpy(), path.s[-1], rtol=1e-12, atol=1e-14)


def test_the_equation_comes_back_from_the_layer() -> None:
    model = network()
    back = CanonicalRNN.from_continuous(model, 0.25).to_continuous()
    assert back.tau == model.tau
    for letter in ("A", "B", "C", "phi"):
        got = getattr(back, letter)
        assert got.requires_grad
        np.testing.assert_allclose(got.detach().numpy(), getattr(model, letter), rtol=1e-12, atol=1e-13)


def test_a_new_canonical_layer_is_a_sampled_leaky_network() -> None:
    layer = CanonicalRNN(**SIZE, num_layers=2, dt=0.1, dtype=torch.float64)
    for k in range(2):
        model = layer.to_continuous(k)
        np.testing.assert_allclose(model.A.detach().numpy(), -np.eye(3), atol=1e-12)
        assert 0 < model.B.abs().max() <= 1 / np.sqrt(3)
        assert model.tau == 0.1


@pytest.mark.parametrize("scheme", ["backward_euler", "exponential", "implicit_linear"])
def test_the_standard_layer_runs_the_samples_without_the_state_memory(scheme: str) -> None:
    layer = StandardRNN.from_continuous(network(), 0.25, scheme, batch_first=True)
    output, _ = layer(torch.from_numpy(inputs()).transpose(0, 1))
    path = run(discretize(network(), 0.25, scheme).standard(), inputs())
    np.testing.assert_allclose(output.transpose(0, 1).detach().numpy(), path.r, rtol=1e-12, atol=1e-14)


def test_the_long_step_limit_is_a_standard_layer() -> None:
    cell = quasi_static(network())
    layer = StandardRNN.from_cell(cell)
    np.testing.assert_array_equal(layer.W_r.detach().numpy(), cell.W_r)
    np.testing.assert_array_equal(layer.cell().W_x.detach().numpy(), cell.W_x)


@pytest.mark.parametrize("layer_type", LAYERS)
def test_a_cell_and_its_layer_share_the_weights(layer_type: type) -> None:
    layer = layer_type(**SIZE, num_layers=2, bidirectional=True, dtype=torch.float64)
    cell = layer.cell(1, reverse=True)
    assert cell.W_r is layer.W_r_l1_reverse
    assert cell.W_x.shape == (3, 6)
    assert not layer_type(**SIZE, bias=False).cell().theta_s.any()


@pytest.mark.parametrize("layer_type", LAYERS)
def test_weights_are_reached_by_letter_and_named_by_place(layer_type: type) -> None:
    layer = layer_type(**SIZE, num_layers=2, bidirectional=True)
    letters = ["W_s"] * (layer_type is CanonicalRNN) + ["W_r", "W_x", "theta_s"]
    names = [f"{a}_l{k}{end}" for k in range(2) for end in ("", "_reverse") for a in letters]
    assert [name for name, _ in layer.named_parameters()] == names
    for letter in letters:
        assert getattr(layer, letter) is getattr(layer, f"{letter}_l0")
    assert layer_type(**SIZE, bias=False).theta_s is None


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_same_seed_gives_the_function_of_torch(bias: bool, bidirectional: bool) -> None:
    arguments = {**SIZE, "num_layers": 2, "bias": bias, "bidirectional": bidirectional}
    torch.manual_seed(6)
    layer = StandardRNN(**arguments)
    torch.manual_seed(6)
    reference = torch.nn.RNN(**arguments)
    assert torch.equal(layer.W_r, reference.weight_hh_l0)
    x = torch.from_numpy(inputs()).float()
    torch.testing.assert_close(layer(x)[0], reference(x)[0])


@pytest.mark.parametrize("layer_type", LAYERS)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_torch_to_layer_to_torch_keeps_the_function(layer_type: type, bias: bool, nonlinearity: str) -> None:
    reference = torch.nn.RNN(2, 3, 2, nonlinearity, bias, True, 0.5, True, dtype=torch.float64).eval()
    layer = layer_type.from_torch(reference)
    back = layer.to_torch()
    assert not layer.training
    assert not back.training
    assert (back.nonlinearity, back.dropout, back.batch_first) == (nonlinearity, 0.5, True)
    x = torch.from_numpy(inputs()).transpose(0, 1)
    for module in (layer, back):
        torch.testing.assert_close(module(x)[0], reference(x)[0], rtol=1e-12, atol=1e-12)
    with torch.no_grad():
        reference.weight_hh_l0.zero_()
    assert layer.W_r.any()
    assert back.weight_hh_l0.any()


@pytest.mark.parametrize("layer_type", LAYERS)
def test_a_layer_is_copied_saved_and_loaded_as_any_module(layer_type: type) -> None:
    layer, other = layer_type(**SIZE), layer_type(**SIZE)
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    x = torch.from_numpy(inputs()).float()
    for twin in (other, copy.deepcopy(layer)):
        assert torch.equal(twin(x)[0], layer(x)[0])
    assert layer.double()(x.double())[0].dtype is torch.float64


def test_layers_show_what_they_were_made_with() -> None:
    assert repr(StandardRNN(2, 3)) == "StandardRNN(2, 3)"
    assert repr(CanonicalRNN(2, 3, 2, "relu", dt=0.5)) == (
        "CanonicalRNN(2, 3, num_layers=2, nonlinearity='relu', dt=0.5)"
    )


def test_dropout_on_one_layer_is_remarked_on_as_in_torch() -> None:
    with pytest.warns(UserWarning, match="num_layers=1"):
        StandardRNN(2, 3, dropout=0.5)


BAD_ARGUMENTS = [
    ({"input_size": 0}, "input_size: expected a whole number >= 1, got 0"),
    ({"hidden_size": 2.0}, "hidden_size: expected a whole number >= 1, got 2.0"),
    ({"num_layers": 0}, "num_layers: expected"),
    ({"nonlinearity": "tahn"}, "did you mean 'tanh'"),
    ({"bias": 1}, "bias: expected True or False, got int 1"),
    ({"batch_first": None}, "batch_first: expected True or False"),
    ({"dropout": 1.5, "num_layers": 2}, "dropout: expected a probability in [0, 1], got 1.5"),
    ({"dropout": True, "num_layers": 2}, "dropout: expected"),
    ({"bidirectional": "yes"}, "bidirectional: expected"),
    ({"dtype": torch.int64}, "dtype: expected a floating-point dtype"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_ARGUMENTS, ids=lambda v: v if isinstance(v, str) else "")
@pytest.mark.parametrize("layer_type", LAYERS)
def test_bad_arguments_are_refused_by_name(layer_type: type, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        layer_type(**{**SIZE, **arguments})


def test_a_step_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="dt: expected a number > 0"):
        CanonicalRNN(2, 3, dt=0.0)


BAD_CALLS = [
    ((np.zeros((4, 2)),), "input: expected a tensor"),
    ((torch.zeros(4),), "input: expected shape (N, batch, 2) or (N, 2), got (4,)"),
    ((torch.zeros(4, 1, 3),), "got (4, 1, 3)"),
    ((torch.zeros(0, 1, 2),), "got (0, 1, 2)"),
    ((torch.zeros(4, 1, 2, dtype=torch.float64),), "input: expected torch.float32 on cpu, as the weights"),
    ((torch.zeros(4, 1, 2), torch.zeros(1, 2, 3)), "hx: expected a tensor of shape (1, 1, 3), got (1, 2, 3)"),
    ((torch.zeros(4, 2), torch.zeros(1, 1, 3)), "hx: expected a tensor of shape (1, 3), got (1, 1, 3)"),
    ((torch.zeros(4, 1, 2), "zero"), "hx: expected a tensor of shape"),
    ((torch.zeros(4, 1, 2), torch.zeros(1, 1, 3, dtype=torch.float64)), "hx: expected torch.float32"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_CALLS, ids=[message for _, message in BAD_CALLS])
@pytest.mark.parametrize("layer_type", LAYERS)
def test_bad_input_is_refused_by_name(layer_type: type, arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        layer_type(**SIZE)(*arguments)


def test_no_tick_is_refused_batch_first_too() -> None:
    with pytest.raises(ValueError, match="at least one tick"):
        StandardRNN(**SIZE, batch_first=True)(torch.zeros(3, 0, 2))


@pytest.mark.parametrize("layer_type", LAYERS)
def test_what_no_layer_can_hold_is_refused(layer_type: type) -> None:
    model = network()
    for cell, message in (
        (model, "cell: expected a CanonicalRNN"),
        (discretize(network(tau=0.5), 0.25), "got lag 2"),
        (discretize(network(m=None), 0.25), "got one without input"),
    ):
        with pytest.raises(ValueError, match=message):
            layer_type.from_cell(cell)
    for other in (network(tau=0.5), network(tau=0.0)):
        with pytest.raises(ValueError, match="canonical RNN of lag 1"):
            layer_type.from_continuous(other, 0.25)
    with pytest.raises(ValueError, match="model: expected a ContinuousRNN"):
        layer_type.from_continuous(discretize(model, 0.25), 0.25)
    with pytest.raises(ValueError, match=r"module: expected a torch\.nn\.RNN"):
        layer_type.from_torch(torch.nn.GRU(2, 3))
    layer = layer_type.from_cell(discretize(network(activation="sigmoid"), 0.25).standard())
    with pytest.raises(ValueError, match=r"nonlinearity: expected tanh or relu, .* got 'sigmoid'"):
        layer.to_torch()
    with pytest.raises(ValueError, match="layer: expected a number below num_layers = 1, got 1"):
        layer_type(**SIZE).cell(1)
    with pytest.raises(ValueError, match="reverse: expected False"):
        layer_type(**SIZE).cell(0, reverse=True)


def test_a_state_memory_is_not_dropped_silently() -> None:
    with pytest.raises(ValueError, match="cell: expected W_s = 0"):
        StandardRNN.from_cell(discretize(network(), 0.25))
    with pytest.raises(ValueError, match="W_s_l0: expected 0"):
        CanonicalRNN(**SIZE).to_torch()
    layer = CanonicalRNN.from_torch(torch.nn.RNN(2, 3))
    with pytest.raises(ValueError, match="W_s: expected an invertible matrix"):
        layer.to_continuous()


def test_the_layers_are_loaded_when_they_are_asked_for() -> None:
    code = "import sys, ode2rnn; print('torch' in sys.modules); ode2rnn.nn.StandardRNN; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == ["False", "True"]
    with pytest.raises(AttributeError, match="no attribute 'nnn'"):
        ode2rnn.nnn
