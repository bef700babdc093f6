"""The layers compute what torch.nn.RNN and the recursion itself compute, and their gradients are those of both."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence

from ode2rnn import ACTIVATIONS, Activation, run
from ode2rnn.nn import CanonicalRNN, StandardRNN

T, B, M, D = 9, 4, 3, 5
LAYERS = (StandardRNN, CanonicalRNN)
MACKEY_GLASS = Activation("mackey_glass", lambda s: s / (1 + s**4), lambda s: (1 - 3 * s**4) / (1 + s**4) ** 2)
SHAPES = [
    dict(zip(("num_layers", "bidirectional", "batch_first", "bias", "nonlinearity"), values, strict=True))
    for values in itertools.product((1, 2), (False, True), (False, True), (False, True), ("tanh", "relu"))
]


pytestmark = pytest.mark.usefixtures("engine")  # the kernels, and their plain twins


def numbers(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def gradients(output: torch.Tensor, last: torch.Tensor, wanted: list[torch.Tensor]) -> list[torch.Tensor]:
    """Of an objective that weighs every number of a layer's results differently."""
    objective = (output * numbers(*output.shape, seed=7)).sum() + (last * numbers(*last.shape, seed=8)).sum()
    return list(torch.autograd.grad(objective, wanted))


def torch_layer(**arguments: object) -> torch.nn.RNN:
    torch.manual_seed(1)
    return torch.nn.RNN(M, D, dtype=torch.float64, **arguments)


def close(got: torch.Tensor, want: torch.Tensor, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(got, want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("arguments", SHAPES, ids=lambda a: "-".join(str(v) for v in a.values()))
@pytest.mark.parametrize("layer_type", LAYERS)
def test_outputs_and_gradients_are_those_of_torch(layer_type: type, arguments: dict) -> None:
    reference = torch_layer(**arguments)
    layer = layer_type.from_torch(reference)
    x = numbers(*((B, T) if arguments["batch_first"] else (T, B)), M).requires_grad_()
    rows = arguments["num_layers"] * (2 if arguments["bidirectional"] else 1)
    hx = numbers(rows, B, D, seed=2).requires_grad_()
    given = hx if layer_type is StandardRNN else None  # the canonical RNN starts from s, not from r
    for start in (None, given):
        got, want = layer(x, start), reference(x, start)
        for ours, theirs in zip(got, want, strict=True):
            assert ours.shape == theirs.shape
        close(got[0], want[0])
        if layer_type is StandardRNN:
            close(got[1], want[1])
        else:
            close(layer.activation.value(got[1]), want[1])
    sources = [x] if layer_type is CanonicalRNN else [x, hx]
    if layer_type is CanonicalRNN:
        got = got[0], layer.activation.value(got[1])
    pairs = [("W_x", "weight_ih"), ("W_r", "weight_hh")] + [("theta_s", "bias_hh")] * arguments["bias"]
    places = [suffix for suffix, _ in layer.places()]
    ours = gradients(*got, [*sources, *(getattr(layer, a + suffix) for suffix in places for a, _ in pairs)])
    theirs = gradients(*want, [*sources, *(getattr(reference, b + suffix) for suffix in places for _, b in pairs)])
    for a, b in zip(ours, theirs, strict=True):
        close(a, b, 1e-11)


@pytest.mark.parametrize("nonlinearity", [*ACTIVATIONS, MACKEY_GLASS], ids=lambda G: getattr(G, "name", G))
@pytest.mark.parametrize("batch", [1, 4, 5, 19])
@pytest.mark.parametrize("layer_type", LAYERS)
def test_a_layer_is_its_cell_run_and_differentiated_by_torch(
    layer_type: type, batch: int, nonlinearity: object
) -> None:
    torch.manual_seed(3)
    layer = layer_type(M, D, nonlinearity=nonlinearity, dtype=torch.float64)
    x, s0 = numbers(T, batch, M).requires_grad_(), numbers(batch, D, seed=5).requires_grad_()
    start = layer.activation.value(s0) if layer_type is StandardRNN else s0
    output, last = layer(x, start[None])
    path = run(layer.cell(), x, s0)
    close(output, path.r)
    close(last[0], path.r[-1] if layer_type is StandardRNN else path.s[-1])
    wanted = [x, s0, *layer.parameters()]
    end = (path.r if layer_type is StandardRNN else path.s)[-1]
    for ours, theirs in zip(gradients(output, last, wanted), gradients(path.r, end[None], wanted), strict=True):
        close(ours, theirs)
    rested, _ = layer(x)
    close(rested, run(layer.cell(), x).r)


@pytest.mark.parametrize("layer_type", LAYERS)
@pytest.mark.parametrize("part", ["output", "last"])
def test_an_objective_of_one_result_alone_has_its_gradient(layer_type: type, part: str) -> None:
    layer = layer_type(M, D, dtype=torch.float64)
    x = numbers(T, B, M).requires_grad_()
    results, path = layer(x), run(layer.cell(), x)
    end = path.r[-1] if layer_type is StandardRNN else path.s[-1]
    ours, theirs = (results[0], path.r) if part == "output" else (results[1][0], end)
    wanted = [x, *layer.parameters()]
    for a, b in zip(torch.autograd.grad(ours.sum(), wanted), torch.autograd.grad(theirs.sum(), wanted), strict=True):
        close(a, b)


@pytest.mark.parametrize("nonlinearity", ["tanh", "sigmoid"])
@pytest.mark.parametrize("layer_type", LAYERS)
@pytest.mark.parametrize("batch", [1, 5])
def test_gradcheck_passes(layer_type: type, nonlinearity: str, batch: int) -> None:
    layer = layer_type(1, 2, nonlinearity=nonlinearity, dtype=torch.float64)
    x, hx = numbers(3, batch, 1).requires_grad_(), numbers(1, batch, 2, seed=4).requires_grad_()
    names = [name for name, _ in layer.named_parameters()]

    def function(x: torch.Tensor, hx: torch.Tensor, *weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (x, hx))

    assert torch.autograd.gradcheck(function, (x, hx, *layer.parameters()))


@pytest.mark.parametrize("layer_type", LAYERS)
def test_second_derivatives_are_those_of_finite_differences(layer_type: type) -> None:
    layer = layer_type(M, 2, num_layers=2, dtype=torch.float64)
    names = [name for name, _ in layer.named_parameters()]

    def function(x: torch.Tensor, hx: torch.Tensor, *weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (x, hx))

    x, hx = numbers(3, 2, M).requires_grad_(), numbers(2, 2, 2, seed=4).requires_grad_()
    assert torch.autograd.gradgradcheck(function, (x, hx, *layer.parameters()))


@pytest.mark.parametrize("layer_type", LAYERS)
def test_a_graph_that_is_kept_gives_the_same_gradient_twice(layer_type: type) -> None:
    layer = layer_type(M, D, dtype=torch.float64)
    x = numbers(T, B, M).requires_grad_()
    output, _ = layer(x)
    (first,) = torch.autograd.grad(output.sum(), x, retain_graph=True)
    layer(numbers(T, B, M, seed=9).requires_grad_())[0].square().sum().backward()  # another run in between
    (second,) = torch.autograd.grad(output.sum(), x)
    assert torch.equal(first, second)


@pytest.mark.parametrize("arguments", SHAPES[::3], ids=lambda a: "-".join(str(v) for v in a.values()))
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("layer_type", LAYERS)
def test_packed_sequences_are_those_of_torch(layer_type: type, ordered: bool, arguments: dict) -> None:
    reference = torch_layer(**arguments)
    layer = layer_type.from_torch(reference)
    lengths = torch.tensor([7, 4, 4, 1] if ordered else [4, 7, 1, 4])
    x = numbers(B, 7, M)
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=ordered)
    rows = arguments["num_layers"] * (2 if arguments["bidirectional"] else 1)
    hx = numbers(rows, B, D, seed=2).requires_grad_() if layer_type is StandardRNN else None
    got, want = layer(packed, hx), reference(packed, hx)
    assert isinstance(got[0], PackedSequence)
    assert torch.equal(got[0].batch_sizes, want[0].batch_sizes)
    if layer_type is CanonicalRNN:
        got = got[0], layer.activation.value(got[1])
    close(got[0].data, want[0].data)
    close(got[1], want[1])
    sources = [] if hx is None else [hx]
    ours = gradients(got[0].data, got[1], [*sources, layer.W_x, layer.W_r])
    theirs = gradients(want[0].data, want[1], [*sources, reference.weight_ih_l0, reference.weight_hh_l0])
    for a, b in zip(ours, theirs, strict=True):
        close(a, b, 1e-11)


def test_packed_canonical_sequences_run_as_if_alone() -> None:
    layer = CanonicalRNN(M, D, bidirectional=True, dtype=torch.float64)
    sequences = [numbers(n, M, seed=n) for n in (3, 8, 5)]
    hx = numbers(2, 3, D, seed=1)
    _, last = layer(pack_sequence(sequences, enforce_sorted=False), hx)
    for k, sequence in enumerate(sequences):
        close(last[:, k], layer(sequence, hx[:, k])[1])


@pytest.mark.parametrize("layer_type", LAYERS)
@pytest.mark.parametrize("batch_first", [False, True])
def test_without_a_batch_the_result_is_that_of_a_batch_of_one(layer_type: type, batch_first: bool) -> None:
    layer = layer_type(M, D, 2, batch_first=batch_first, bidirectional=True, dtype=torch.float64)
    x, hx = numbers(T, M), numbers(4, D, seed=1)
    output, last = layer(x, hx)
    batch = 0 if batch_first else 1
    other, end = layer(x.unsqueeze(batch), hx.unsqueeze(1))
    assert output.shape == (T, 2 * D)
    assert last.shape == (4, D)
    close(output, other.squeeze(batch), 1e-15)
    close(last, end.squeeze(1), 1e-15)


@pytest.mark.parametrize("layer_type", LAYERS)
def test_a_run_goes_on_where_another_ended(layer_type: type) -> None:
    layer = layer_type(M, D, 2, dtype=torch.float64)
    x = numbers(T, B, M)
    whole, end = layer(x)
    first, middle = layer(x[:4])
    second, last = layer(x[4:], middle)
    close(torch.cat([first, second]), whole, 1e-15)
    close(last, end, 1e-15)


@pytest.mark.parametrize("layer_type", LAYERS)
def test_dropout_between_the_layers_is_that_of_torch_while_training(layer_type: type) -> None:
    reference = torch_layer(num_layers=3, dropout=0.4)
    layer = layer_type.from_torch(reference)
    x = numbers(T, B, M)
    outputs = []
    for module in (layer, reference):
        torch.manual_seed(11)
        outputs.append(module(x)[0])
    close(*outputs)
    assert not torch.equal(outputs[0], layer(x)[0])
    close(layer.eval()(x)[0], reference.eval()(x)[0])


@pytest.mark.parametrize("layer_type", LAYERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("batch", [1, B])
def test_other_dtypes_agree_with_double_precision(layer_type: type, dtype: torch.dtype, batch: int) -> None:
    torch.manual_seed(2)
    layer = layer_type(M, D, dtype=torch.float64)
    narrow = copy.deepcopy(layer).to(dtype)
    x = numbers(T, batch, M)
    wide, _ = layer(x)
    output, _ = narrow(x.to(dtype))
    assert output.dtype is dtype
    tolerance = 20 * torch.finfo(dtype).eps
    close(output.double(), wide, tolerance)
    wide.square().sum().backward()
    output.square().sum().backward()
    for a, b in zip(narrow.parameters(), layer.parameters(), strict=True):
        assert a.grad.dtype is dtype
        assert (a.grad.double() - b.grad).abs().max() <= tolerance * b.grad.abs().max()


@pytest.mark.parametrize("layer_type", LAYERS)
def test_the_layout_of_the_arguments_does_not_matter(layer_type: type) -> None:
    layer = layer_type(M, D, dtype=torch.float64)
    x = numbers(B, M, T).permute(2, 0, 1)
    hx = numbers(D, B, seed=1).T[None]
    output, _ = layer(x, hx)
    close(output, layer(x.contiguous(), hx.contiguous())[0], 1e-15)
    ours = torch.autograd.grad(output.sum(), layer.W_r)  # its gradient is an expanded number
    dense = torch.autograd.grad(layer(x, hx)[0], layer.W_r, torch.ones(T, B, D, dtype=torch.float64))
    close(ours[0], dense[0], 1e-14)


@pytest.mark.parametrize("layer_type", LAYERS)
def test_an_empty_batch_and_a_single_tick_run(layer_type: type) -> None:
    layer = layer_type(M, D, dtype=torch.float64)
    output, last = layer(numbers(T, 0, M))
    assert output.shape == (T, 0, D)
    assert last.shape == (1, 0, D)
    (gradient,) = torch.autograd.grad(output.sum() + last.sum(), layer.W_x)
    assert not gradient.any()
    x = numbers(1, B, M).requires_grad_()
    close(layer(x)[0], run(layer.cell(), x).r)
    a, b = (torch.autograd.grad(r.sum(), [*layer.parameters()]) for r in (layer(x)[0], run(layer.cell(), x).r))
    for ours, theirs in zip(a, b, strict=True):
        close(ours, theirs)


@pytest.mark.parametrize("layer_type", LAYERS)
def test_frozen_weights_get_no_gradient_and_the_others_do(layer_type: type) -> None:
    layer = layer_type(M, D, dtype=torch.float64)
    layer.W_r.requires_grad_(False)
    layer(numbers(T, B, M))[0].sum().backward()
    assert layer.W_r.grad is None
    assert all(weight.grad is not None for weight in layer.parameters() if weight is not layer.W_r)
    with torch.no_grad():
        assert not layer(numbers(T, B, M))[0].requires_grad


@pytest.mark.parametrize("layer_type", LAYERS)
def test_not_a_number_stays_and_stays_in_its_sequence(layer_type: type) -> None:
    layer = layer_type(M, D, dtype=torch.float64)
    x = numbers(T, B, M)
    clean, _ = layer(x)
    x[3, 1, 0] = float("nan")
    output, _ = layer(x)
    assert output[3:, 1].isnan().all()
    close(output[:3], clean[:3], 1e-15)
    close(output[:, [0, 2, 3]], clean[:, [0, 2, 3]], 1e-15)


@pytest.mark.parametrize("layer_type", LAYERS)
def test_inputs_and_starts_can_be_parameters(layer_type: type) -> None:
    layer = layer_type(M, D, dtype=torch.float64)
    x, hx = (torch.nn.Parameter(numbers(*shape)) for shape in ((T, B, M), (1, B, D)))
    close(layer(x, hx)[0], layer(x.detach(), hx.detach())[0], 1e-15)
    layer(x, hx)[0].square().sum().backward()
    assert x.grad.any()
    assert hx.grad.any()


@pytest.mark.parametrize("layer_type", LAYERS)
def test_autocast_leaves_the_precision_of_the_weights(layer_type: type) -> None:
    layer, x = layer_type(M, D), numbers(T, B, M, dtype=torch.float32)
    (want,) = gradients(*(result.double() for result in layer(x)), [layer.W_r])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, last = layer(x)
    assert output.dtype is torch.float32
    close(output, layer(x)[0], 1e-6)
    (got,) = gradients(output.double(), last.double(), [layer.W_r])
    close(got, want, 1e-5)


@pytest.mark.parametrize("layer_type", LAYERS)
def test_an_output_that_is_overwritten_is_found_out_or_does_no_harm(layer_type: type) -> None:
    layer, x = layer_type(M, D), numbers(T, B, M, dtype=torch.float32)
    right = torch.autograd.grad(layer(x)[0].sum(), layer.W_r_l0)[0]
    output, _ = layer(x)
    objective = output.sum()
    output.detach().mul_(2)
    try:
        got = torch.autograd.grad(objective, layer.W_r_l0)[0]
    except RuntimeError as error:
        assert "modified by an inplace operation" in str(error)
    else:
        assert torch.equal(got, right)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("layer_type", LAYERS)
def test_a_gpu_gives_the_same_outputs_and_gradients(layer_type: type) -> None:
    layer, x = layer_type(M, D, 2, bidirectional=True, dtype=torch.float64), numbers(T, B, M)
    other = copy.deepcopy(layer).cuda()
    ours, theirs = layer(x), other(x.cuda())
    for a, b in zip(ours, theirs, strict=True):
        close(a, b.cpu())
    ours[0].square().sum().backward()
    theirs[0].square().sum().backward()
    for a, b in zip(layer.parameters(), other.parameters(), strict=True):
        close(a.grad, b.grad.cpu())
