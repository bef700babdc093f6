"""The gated layers: weights by letter and under torch's names, first draws, cells, torch's layers, what is refused."""

from __future__ import annotations

import copy
import inspect
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.utils.prune
from tests.nn.gated import KINDS, TORCH, B, D, M, T, close, make, numbers, parts, reference

import ode2rnn
from ode2rnn import run
from ode2rnn.nn import GRU, AugmentedLSTM, StandardRNN, VanillaLSTM

SIZE = {"input_size": 2, "hidden_size": 3}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", TORCH)
def test_the_same_seed_draws_the_weights_of_torch(name: str, bias: bool) -> None:
    arguments = {"num_layers": 2, "bidirectional": True, "bias": bias}
    torch.manual_seed(6)
    layer = make(name, **arguments)
    torch.manual_seed(6)
    theirs = reference(name, **arguments)
    close(layer(numbers(T, B, M))[0], theirs(numbers(T, B, M))[0], 1e-14)
    for key, value in theirs.named_parameters():
        if not key.startswith("bias"):  # of two biases only the sum is kept
            assert torch.equal(getattr(layer, key), value)


def test_what_torch_has_not_is_drawn_after_the_rest_and_alike() -> None:
    layers, present = [], [0, 0, 0, 0, 0, 1]  # where x[n] stands in a window
    for name in ("plain", "full", "diagonal", "context", "external gate", "behind"):
        torch.manual_seed(6)
        layers.append(make(name, num_layers=2))
    for layer, at in zip(layers[1:], present[1:], strict=True):
        for letter in ("W_xcu", "W_vdu", "b_cr"):
            for end in ("_l0", "_l1"):
                own, first = getattr(layer, letter + end), getattr(layers[0], letter + end)
                assert torch.equal(own[at] if own.ndim == 3 else own, first)
    gate, behind = layers[4:]
    drawn = (layers[1].W_scr, layers[2].W_scs_l1, layers[3].W_xcu[1:], gate.W_xcx, gate.W_vcx_l1, behind.W_xcr_l1[0])
    for weight in drawn:
        assert weight.abs().min() > 0
        assert weight.abs().max() <= 1 / np.sqrt(D)
    assert 0 < gate.b_cx.abs().max() <= 2 / np.sqrt(D)


def test_the_state_gate_may_start_open() -> None:
    layer = VanillaLSTM(2, 3, num_layers=2, bidirectional=True, forget_bias=1)
    assert all((getattr(layer, f"b_cs{suffix}") == 1).all() for suffix, _ in layer.places())
    assert (layer.bias_ih_l1_reverse[3:6] == 1).all()
    assert (layer.b_cu != 1).all()
    with torch.no_grad():
        layer.b_cs.zero_()
    layer.reset_parameters()
    assert (layer.b_cs == 1).all()
    with pytest.raises(ValueError, match="forget_bias: expected None with bias=False"):
        AugmentedLSTM(2, 3, bias=False, forget_bias=1.0)


@pytest.mark.parametrize("name", KINDS)
def test_weights_are_reached_by_letter_and_named_by_place(name: str) -> None:
    layer = make(name, num_layers=2, bidirectional=True)
    held = [letter for letter in layer.letters if getattr(layer, letter) is not None]
    names = [f"{letter}_l{k}{end}" for k in range(2) for end in ("", "_reverse") for letter in held]
    assert [name for name, _ in layer.named_parameters()] == names
    for letter in held:
        assert getattr(layer, letter) is getattr(layer, f"{letter}_l0")
    assert not any(key.startswith("b_") for key, _ in make(name, bias=False).named_parameters())
    with pytest.raises(AttributeError, match="W_xxx"):
        layer.W_xxx


@pytest.mark.parametrize("name", ["plain", "full", "projection", "GRU", "GRU of 2014"])
def test_weights_under_the_names_of_torch_have_gradients_and_are_read_only(name: str) -> None:
    layer = make(name, num_layers=2, bidirectional=True)
    blocks = 3 if name.startswith("GRU") else 4
    assert layer.weight_ih_l0.shape == (blocks * D, M)
    assert layer.weight_hh_l1_reverse.shape == (blocks * D, layer.output_size)
    assert layer.bias_ih_l1.shape == layer.bias_hh_l0.shape == (blocks * D,)
    letter = layer.fused["weight_ih"][1]
    assert torch.equal(layer.weight_ih_l0[D : 2 * D], getattr(layer, letter))
    layer.weight_ih_l0.sum().backward()
    assert (getattr(layer, letter).grad == 1).all()
    assert layer.bias_hh_l0.any() == (name == "GRU")
    for missing in ("weight_ih_l2", "weight_xx_l0", "weight_ih"):
        with pytest.raises(AttributeError, match=missing):
            getattr(layer, missing)
    for taken in ("weight_ih_l0", letter):
        with pytest.raises(AttributeError, match=f"{taken}: a name to read weights by"):
            setattr(layer, taken, torch.zeros(3))
    assert not hasattr(make(name, bias=False), "bias_ih_l0")
    assert hasattr(layer, "weight_hr_l0") == (name == "projection")
    assert StandardRNN(2, 3).weight_hh_l0.shape == (3, 3)
    assert not hasattr(make("context"), "weight_ih_l0")  # torch has no context windows


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", TORCH)
def test_torch_to_layer_to_torch_keeps_the_function_and_every_argument(name: str, bias: bool) -> None:
    theirs = reference(name, num_layers=2, bias=bias, batch_first=True, dropout=0.5, bidirectional=True).eval()
    layer = make(name).from_torch(theirs)
    back = layer.to_torch()
    assert type(back) is type(theirs)
    assert not layer.training
    assert not back.training
    assert (back.dropout, back.batch_first, back.proj_size) == (0.5, True, theirs.proj_size)
    for module in (layer, back):
        close(module(numbers(B, T, M))[0], theirs(numbers(B, T, M))[0])
    with torch.no_grad():
        theirs.weight_hh_l0.zero_()
    assert layer.weight_hh_l0.any()
    assert back.weight_hh_l0.any()


@pytest.mark.parametrize("name", ["full", "diagonal", "context", "behind", "behind and ahead", "all, diagonal"])
def test_what_torch_has_not_starts_from_zero_and_is_then_trained(name: str) -> None:
    theirs = torch.nn.LSTM(M, D, dtype=torch.float64, proj_size=KINDS[name][1].get("proj_size", 0))
    kind, own = KINDS[name]
    options = {key: own[key] for key in ("context", "peephole") if key in own} or {"peephole": "full"}
    layer = kind.from_torch(theirs, **options)
    x = numbers(T, B, M)
    close(layer(x)[0], theirs(x)[0])
    layer(x)[0].square().sum().backward()
    windows = {"context": [1, 2], "behind": [0], "behind and ahead": [0, 1, 3, 4, 5], "all, diagonal": [1]}
    new = layer.W_xcu[windows[name]] if name in windows else layer.W_scu
    assert not new.any()
    assert (layer.W_xcu.grad[windows[name]] if name in windows else layer.W_scu.grad).any()


REFUSED = [
    (lambda: make("full").to_torch(), "W_scu_l0: expected 0, since torch.nn.LSTM has no such weight, got another"),
    (lambda: make("diagonal").to_keras(), "W_scu_l0: expected 0, since Keras has no such weight"),
    (lambda: make("context").to_torch(), "context: expected 1, since torch.nn.LSTM looks at x[n] alone, got 3"),
    (lambda: make("behind").to_torch(), "context: expected 1, since torch.nn.LSTM looks at x[n] alone, got (1, 0)"),
    (lambda: make("external gate").to_torch(), "external_gate: expected False, since torch.nn.LSTM has none, got True"),
    (
        lambda: make("projection", proj_size=D).to_torch(),
        "proj_size: expected at most 4, as torch.nn.LSTM has it, got 5",
    ),
    (lambda: make("projection").to_keras(), "proj_size: expected at most 0, as Keras has it, got 2"),
    (lambda: make("GRU of 2014").to_torch(), "reset_after: expected True, as torch.nn.GRU has it, got False"),
    (lambda: VanillaLSTM.from_torch(torch.nn.GRU(2, 3)), "module: expected a torch.nn.LSTM, got GRU"),
    (
        lambda: VanillaLSTM.from_torch(torch.nn.LSTM(2, 3, proj_size=1)),
        "module: expected proj_size 0, as AugmentedLSTM",
    ),
    (lambda: GRU.from_torch(torch.nn.LSTM(2, 3)), "module: expected a torch.nn.GRU, got LSTM"),
    (lambda: GRU.from_torch(torch.nn.GRU(2, 3), reset_after=False), "reset_after: expected True"),
    (lambda: AugmentedLSTM.from_torch("LSTM"), "module: expected a torch.nn.LSTM, got str 'LSTM'"),
    (lambda: AugmentedLSTM.from_torch(torch.nn.LSTM(2, 3), external_gate=True), "external_gate: expected False"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_the_other_side_has_not_is_refused_by_name(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


def test_peepholes_that_are_zero_go_to_torch() -> None:
    layer = VanillaLSTM.from_torch(torch.nn.LSTM(M, D, dtype=torch.float64), peephole="full")
    close(layer.to_torch()(numbers(T, B, M))[0], layer(numbers(T, B, M))[0])


@pytest.mark.parametrize("name", KINDS)
def test_a_cell_and_its_layer_share_the_weights_and_a_layer_comes_back_from_it(name: str) -> None:
    layer = make(name, num_layers=2, bidirectional=True, dt=0.25)
    cell = layer.cell(1, reverse=True)
    letter = layer.letters[0]
    assert getattr(cell, letter) is getattr(layer, f"{letter}_l1_reverse")
    back = type(layer).from_cell(cell, batch_first=True)
    own = {"num_layers": 1, "bidirectional": False, "batch_first": True, "input_size": layer.output_size * 2}
    assert back.arguments() == layer.arguments() | own
    x = numbers(T, B, layer.output_size * 2)
    close(back(x.transpose(0, 1))[0].transpose(0, 1), run(cell, x).r)
    with pytest.raises(ValueError, match="layer: expected a number below num_layers = 2, got 2"):
        layer.cell(2)
    without = make(name, bias=False)
    close(without(numbers(T, B, M))[0], run(without.cell(), numbers(T, B, M)).r)


def test_a_cell_in_numpy_becomes_a_layer_in_double_precision() -> None:
    rng = np.random.default_rng(2)
    shapes = {"W_x": (3, 2), "W_s": (3, 3), "W_v": (3, 3)}
    weights = {letter: rng.normal(size=shapes.get(letter[:3], 3)) for letter in VanillaLSTM.letters}
    cell = ode2rnn.VanillaLSTM(**weights)
    mixed = replace(cell, W_scu=None, W_scs=rng.normal(size=3))  # becomes matrices
    diagonal = replace(mixed, W_scr=rng.normal(size=3))
    x = rng.normal(size=(7, 4, 2))
    for own, peephole in ((cell, "full"), (mixed, "full"), (diagonal, "diagonal")):
        layer = VanillaLSTM.from_cell(own)
        assert layer.peephole == peephole
        np.testing.assert_allclose(layer(torch.from_numpy(x))[0].detach(), run(own, x).r, rtol=1e-12, atol=1e-14)
    for kind, wrong in ((AugmentedLSTM, cell), (GRU, cell), (VanillaLSTM, "cell"), (StandardRNN, cell)):
        with pytest.raises(ValueError, match="cell: expected a "):
            kind.from_cell(wrong)


@pytest.mark.parametrize("name", KINDS)
def test_a_layer_is_copied_and_its_state_dict_loaded_as_any_module(name: str) -> None:
    layer, other = make(name), make(name)
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    x = numbers(T, B, M)
    for twin in (other, copy.deepcopy(layer)):
        assert torch.equal(twin(x)[0], layer(x)[0])
    assert layer.float()(x.float())[0].dtype is torch.float32


def test_with_every_extension_off_it_is_the_vanilla_lstm_to_the_last_digit() -> None:
    torch.manual_seed(2)
    vanilla = make("full", num_layers=2, bidirectional=True)
    torch.manual_seed(2)
    augmented = AugmentedLSTM(M, D, 2, bidirectional=True, external_gate=False, dtype=torch.float64)
    assert vanilla.state_dict().keys() == augmented.state_dict().keys()
    x = numbers(T, B, M)
    assert torch.equal(vanilla(x)[0], augmented(x)[0])


def test_layers_show_what_they_were_made_with() -> None:
    assert repr(VanillaLSTM(2, 3)) == "VanillaLSTM(2, 3)"
    assert repr(VanillaLSTM(2, 3, 2, False, peephole=None)) == (
        "VanillaLSTM(2, 3, num_layers=2, bias=False, peephole=None)"
    )
    assert repr(AugmentedLSTM(2, 3, context=4, proj_size=1)) == "AugmentedLSTM(2, 3, context=4, proj_size=1)"
    assert repr(AugmentedLSTM(2, 3, context=[2, 1])) == "AugmentedLSTM(2, 3, context=(2, 1))"
    assert repr(GRU(2, 3, reset_after=False)) == "GRU(2, 3, reset_after=False)"


def test_the_signatures_are_those_of_torch_and_what_it_has_not() -> None:
    shared = ["input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional"]
    own = {VanillaLSTM: {"peephole"}, AugmentedLSTM: {"peephole", "context", "external_gate", "proj_size"}, GRU: set()}
    for kind, names in own.items():
        parameters = list(inspect.signature(kind).parameters)
        assert parameters[: len(shared)] == shared
        assert names | {"device", "dtype", "dt"} <= set(parameters)
    assert list(inspect.signature(StandardRNN).parameters)[:4] == [*shared[:3], "nonlinearity"]


BAD_ARGUMENTS = [
    (VanillaLSTM, {"input_size": 0}, "input_size: expected a whole number >= 1, got 0"),
    (VanillaLSTM, {"peephole": "fully"}, "peephole: expected 'full', 'diagonal' or None, got str 'fully'"),
    (VanillaLSTM, {"peephole": True}, "peephole: expected 'full', 'diagonal' or None, got bool True"),
    (VanillaLSTM, {"forget_bias": float("nan")}, "forget_bias: expected finite numbers"),
    (AugmentedLSTM, {"context": 0}, "context: expected a whole number >= 1, got 0"),
    (AugmentedLSTM, {"context": True}, "context: expected a whole number >= 1, got True"),
    (AugmentedLSTM, {"context": (-1, 2)}, "context: behind: expected a whole number >= 0, got -1"),
    (AugmentedLSTM, {"context": (1, False)}, "context: ahead: expected a whole number >= 0, got False"),
    (AugmentedLSTM, {"context": (1, 2.0)}, "context: ahead: expected a whole number >= 0, got 2.0"),
    (AugmentedLSTM, {"context": (1, 2, 3)}, "context: expected a whole number or two, (behind, ahead), got (1, 2, 3)"),
    (AugmentedLSTM, {"external_gate": 1}, "external_gate: expected True or False, got int 1"),
    (AugmentedLSTM, {"proj_size": -1}, "proj_size: expected a whole number >= 0, got -1"),
    (GRU, {"reset_after": "yes"}, "reset_after: expected True or False, got str 'yes'"),
    (GRU, {"dt": 0.0}, "dt: expected a number > 0"),
    (GRU, {"dtype": torch.int64}, "dtype: expected a floating-point dtype"),
]


@pytest.mark.parametrize(("kind", "arguments", "message"), BAD_ARGUMENTS, ids=lambda v: v if isinstance(v, str) else "")
def test_bad_arguments_are_refused_by_name(kind: type, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        kind(**{**SIZE, **arguments})


def pair(*shape: int, **kind: object) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(*shape, 3, **kind), torch.zeros(*shape, 3, **kind)


X = torch.zeros(4, 5, 2)
BAD_CALLS = [
    ((torch.zeros(4, 5, 3),), {}, "input: expected shape (N, batch, 2) or (N, 2), got (4, 5, 3)"),
    ((X.double(),), {}, "input: expected torch.float32 on cpu, as the weights, got torch.float64 on cpu"),
    ((X.to("meta"),), {}, "input: expected torch.float32 on cpu, as the weights, got torch.float32 on meta"),
    ((X, torch.zeros(1, 5, 3)), {}, "hx: expected a tuple (h_0, c_0) of tensors, got (1, 5, 3)"),
    ((X, (torch.zeros(1, 5, 3),)), {}, "hx: expected a tuple (h_0, c_0) of tensors, got 1 of them"),
    ((X, "zero"), {}, "hx: expected a tuple (h_0, c_0) of tensors, got str 'zero'"),
    ((X, (torch.zeros(1, 5, 3), None)), {}, "c_0: expected a tensor of shape (1, 5, 3), got NoneType None"),
    ((X, pair(1, 4)), {}, "h_0: expected a tensor of shape (1, 5, 3), got (1, 4, 3)"),
    ((X[:, 0], pair(1, 1)), {}, "h_0: expected a tensor of shape (1, 3), got (1, 1, 3)"),
    ((X, pair(1, 5, dtype=torch.float64)), {}, "h_0: expected torch.float32 on cpu, as the weights"),
    ((X, (pair(1, 5)[0], pair(1, 5, device="meta")[1])), {}, "c_0: expected torch.float32 on cpu"),
    (
        (X, pair(4, 1)),
        {"batch_first": True},
        "h_0: expected a tensor of shape (1, 4, 3), the batch second with batch_first too, got (4, 1, 3)",
    ),
    ((torch.zeros(4, 0, 2),), {"batch_first": True}, "input: expected at least one tick, got shape (4, 0, 2)"),
]


@pytest.mark.parametrize(("given", "arguments", "message"), BAD_CALLS, ids=[message for _, _, message in BAD_CALLS])
@pytest.mark.parametrize("kind", [VanillaLSTM, AugmentedLSTM])
def test_bad_input_is_refused_by_name(kind: type, given: tuple, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        kind(**SIZE, **arguments)(*given)


def test_a_gru_takes_one_state_and_a_projected_lstm_two_widths() -> None:
    with pytest.raises(ValueError, match=r"hx: expected a tensor of shape \(1, 5, 3\), got tuple"):
        GRU(**SIZE)(X, pair(1, 5))
    layer = AugmentedLSTM(**SIZE, proj_size=1)
    output, last = layer(X, (torch.zeros(1, 5, 1), torch.zeros(1, 5, 3)))
    assert [value.shape[-1] for value in (output, *parts(last))] == [1, 1, 3]
    with pytest.raises(ValueError, match=r"h_0: expected a tensor of shape \(1, 5, 1\), got \(1, 5, 3\)"):
        layer(X, pair(1, 5))


@pytest.mark.filterwarnings("ignore")  # torch.compile's own
@pytest.mark.parametrize("name", ["full", "GRU"])
def test_a_layer_compiled_by_torch_computes_the_same(name: str) -> None:
    layer, x = make(name), numbers(T, B, M)
    close(torch.compile(layer, backend="eager")(x)[0], layer(x)[0], 1e-14)


def test_weights_of_mixed_kinds_are_refused_by_name() -> None:
    for move, got in ((torch.Tensor.double, "torch.float64 on cpu"), (lambda W: W.to("meta"), "torch.float32 on meta")):
        layer = VanillaLSTM(**SIZE)
        layer.W_vcs_l0 = torch.nn.Parameter(move(layer.W_vcs_l0.detach()))
        with pytest.raises(ValueError, match=f"W_vcs_l0: expected torch.float32 on cpu, as W_xcu_l0, got {got}"):
            layer(X)


@pytest.mark.parametrize("name", ["full", "GRU"])
def test_weights_can_be_parametrized(name: str, tmp_path: Path) -> None:
    layer, x = make(name), numbers(T, B, M)
    letter = "W_vcu" if name == "full" else "W_vz"
    want = layer(x)[0]
    torch.nn.utils.parametrizations.weight_norm(layer, f"{letter}_l0")
    close(layer(x)[0], want)
    close(getattr(layer, letter), getattr(layer, f"{letter}_l0"), 0)
    layer(x)[0].sum().backward()
    assert layer.parametrizations[f"{letter}_l0"].original0.grad.any()
    with pytest.raises(ValueError, match=r"layer: expected one of ode2rnn\.nn, got Parametrized"):
        layer.save(tmp_path / "layer.safetensors")
    pruned = make(name)
    torch.nn.utils.prune.random_unstructured(pruned, f"{letter}_l0", 0.5)
    assert (getattr(pruned, letter) == 0).any()
    close(run(pruned.cell(), x).r, pruned(x)[0])
    with pytest.raises(ValueError, match=f"layer: expected its own weights alone, got '{letter}_l0_mask'"):
        pruned.save(tmp_path / "layer.safetensors")


def test_a_layer_refuses_a_cell_with_other_warpings() -> None:
    for layer in (VanillaLSTM(2, 3), AugmentedLSTM(2, 3), GRU(2, 3)):
        for other in ({"activation": "relu"}, {"recurrent_activation": "tanh"}):
            cell = replace(layer.cell(), **other)
            with pytest.raises(ValueError, match="cell: expected one with activation 'tanh'"):
                type(layer).from_cell(cell)
