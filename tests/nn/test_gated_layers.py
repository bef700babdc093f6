"""The gated layers compute what torch's layers and the cells compute, and their gradients are those of both."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from tests.nn.gated import KINDS, LSTMS, TORCH, B, D, M, T, V, close, gradients, make, numbers, parts, reference, start
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, unpack_sequence

from ode2rnn import LSTMState, run
from ode2rnn.nn import AugmentedLSTM, VanillaLSTM

SHAPES = [
    dict(zip(("num_layers", "bidirectional", "batch_first", "bias"), values, strict=True))
    for values in itertools.product((1, 2), (False, True), (False, True), (False, True))
]


pytestmark = pytest.mark.usefixtures("engine")  # the kernels, and their plain twins


@pytest.mark.parametrize("arguments", SHAPES, ids=lambda a: "-".join(str(v) for v in a.values()))
@pytest.mark.parametrize("name", TORCH)
def test_outputs_states_and_gradients_are_those_of_torch(name: str, arguments: dict) -> None:
    theirs = reference(name, **arguments)
    layer = make(name, **arguments).from_torch(theirs)
    x = numbers(*((B, T) if arguments["batch_first"] else (T, B)), M).requires_grad_()
    for hx in (None, start(layer, B)):
        got, want = layer(x, hx), theirs(x, hx)
        assert got[0].shape == want[0].shape
        close(got[0], want[0])
        for a, b in zip(parts(got[1]), parts(want[1]), strict=True):
            close(a, b)
    sources = [x, *parts(hx)]
    letters = {name for name, value in layer.named_parameters() if value is not None}
    weights = dict(theirs.named_parameters())
    ours = gradients(*got, [*sources, *(layer.get_parameter(letter) for letter in sorted(letters))])
    wanted = gradients(*want, [*sources, *weights.values()])
    for a, b in zip(ours[: len(sources)], wanted[: len(sources)], strict=True):
        close(a, b, 1e-11)
    by_letter = dict(zip(sorted(letters), ours[len(sources) :], strict=True))
    by_name = dict(zip(weights, wanted[len(sources) :], strict=True))
    for end, _ in layer.places():
        for kind, block in layer.fused.items():
            if kind + end in by_name and None not in block:
                close(torch.cat([by_letter[letter + end] for letter in block]), by_name[kind + end], 1e-11)
        if name == "GRU" and arguments["bias"]:  # its two biases of the candidate are kept apart
            close(by_letter["b_vh" + end], by_name["bias_hh" + end][2 * D :], 1e-11)


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("name", KINDS)
def test_a_layer_is_its_cell_run_and_differentiated_by_torch(name: str, batch: int) -> None:
    torch.manual_seed(3)
    layer = make(name)
    x, hx = numbers(T, batch, M).requires_grad_(), start(layer, batch)
    output, last = layer(x, hx)
    path = run(layer.cell(), x, LSTMState(hx[1][0], hx[0][0]) if name in LSTMS else hx[0])
    close(output, path.r)
    end = (path.r[-1:], path.s[-1:]) if name in LSTMS else path.s[-1:]
    for a, b in zip(parts(last), parts(end), strict=True):
        close(a, b)
    wanted = [x, *parts(hx), *layer.parameters()]
    for a, b in zip(gradients(output, last, wanted), gradients(path.r, end, wanted), strict=True):
        close(a, b)
    close(layer(x)[0], run(layer.cell(), x).r)


@pytest.mark.parametrize("name", KINDS)
def test_gradcheck_passes(name: str) -> None:
    kind, own = KINDS[name]
    torch.manual_seed(1)
    layer = kind(1, 3, dtype=torch.float64, **own)
    x, hx = numbers(3, 2, 1).requires_grad_(), start(layer, 2)
    names = [name for name, _ in layer.named_parameters()]

    def function(x: torch.Tensor, *values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        state, weights = values[: len(parts(hx))], values[len(parts(hx)) :]
        given = (x, state if len(state) > 1 else state[0])
        output, last = torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), given)
        return output, *parts(last)

    assert torch.autograd.gradcheck(function, (x, *parts(hx), *layer.parameters()))


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("arguments", SHAPES[::3], ids=lambda a: "-".join(str(v) for v in a.values()))
@pytest.mark.parametrize("name", TORCH)
def test_packed_sequences_are_those_of_torch(name: str, arguments: dict, ordered: bool) -> None:
    theirs = reference(name, **arguments)
    layer = make(name, **arguments).from_torch(theirs)
    lengths = torch.tensor([7, 4, 4, 1] if ordered else [4, 7, 1, 4])
    packed = pack_padded_sequence(numbers(B, 7, M), lengths, batch_first=True, enforce_sorted=ordered)
    hx = start(layer, B)
    got, want = layer(packed, hx), theirs(packed, hx)
    assert isinstance(got[0], PackedSequence)
    assert torch.equal(got[0].batch_sizes, want[0].batch_sizes)
    close(got[0].data, want[0].data)
    for a, b in zip(parts(got[1]), parts(want[1]), strict=True):
        close(a, b)
    ours, wanted = (gradients(r[0].data, r[1], list(parts(hx))) for r in (got, want))
    for a, b in zip(ours, wanted, strict=True):
        close(a, b, 1e-11)


@pytest.mark.parametrize("name", KINDS)
def test_packed_sequences_run_as_if_alone_each_to_its_own_end(name: str) -> None:
    layer = make(name, num_layers=2, bidirectional=True)
    sequences = [numbers(n, M, seed=n).requires_grad_() for n in (3, 8, 1, 5)]
    hx = start(layer, 4)
    output, last = layer(pack_sequence(sequences, enforce_sorted=False), hx)
    weights, loss = list(layer.parameters()), 0.0
    for k, (sequence, readouts) in enumerate(zip(sequences, unpack_sequence(output), strict=True)):
        own = [value[:, k] for value in parts(hx)]
        alone, end = layer(sequence, own[0] if len(own) == 1 else tuple(own))
        close(readouts, alone)
        for a, b in zip(parts(last), parts(end), strict=True):
            close(a[:, k], b)
        loss = loss + (alone.square()).sum()
    ours = torch.autograd.grad(output.data.square().sum(), [*sequences, *weights])
    for a, b in zip(ours, torch.autograd.grad(loss, [*sequences, *weights]), strict=True):
        close(a, b)


@pytest.mark.parametrize("name", KINDS)
def test_the_backward_direction_is_the_layer_on_the_reversed_sequence(name: str) -> None:
    layer = make(name, bidirectional=True)
    other = make(name)
    other.load_state_dict({key.removesuffix("_reverse"): w for key, w in layer.state_dict().items() if "_rev" in key})
    x = numbers(T, B, M)
    output, last = layer(x)
    forward, end = other(x.flip(0))
    close(output[..., layer.output_size :], forward.flip(0), 1e-15)
    for a, b in zip(parts(last), parts(end), strict=True):
        close(a[1:], b, 1e-15)


def test_a_context_looks_ahead_and_no_further_than_it_says() -> None:
    layer, x = make("context"), numbers(T, B, M)
    other = x.clone()
    other[6] += 1.0
    change = (layer(x)[0] != layer(other)[0]).any(-1).any(-1)
    assert change.tolist() == [n >= 4 for n in range(T)]  # L = 3: the tick n sees x[n], x[n+1] and x[n+2]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("batch_first", [False, True])
def test_without_a_batch_the_result_is_that_of_a_batch_of_one(name: str, batch_first: bool) -> None:
    layer = make(name, num_layers=2, bidirectional=True, batch_first=batch_first)
    x, hx = numbers(T, M), start(layer)
    output, last = layer(x, hx)
    batch = 0 if batch_first else 1
    wide = tuple(value.unsqueeze(1) for value in parts(hx))
    other, end = layer(x.unsqueeze(batch), wide if len(wide) > 1 else wide[0])
    assert output.shape == (T, 2 * layer.output_size)
    close(output, other.squeeze(batch), 1e-15)
    for a, b in zip(parts(last), parts(end), strict=True):
        close(a, b.squeeze(1), 1e-15)


@pytest.mark.parametrize("name", [name for name, (_, own) in KINDS.items() if "context" not in own])
def test_a_run_goes_on_where_another_ended(name: str) -> None:
    layer, x = make(name, num_layers=2), numbers(T, B, M)
    whole, end = layer(x)
    first, middle = layer(x[:4])
    second, last = layer(x[4:], middle)
    close(torch.cat([first, second]), whole, 1e-15)
    for a, b in zip(parts(last), parts(end), strict=True):
        close(a, b, 1e-15)


@pytest.mark.parametrize("name", TORCH)
def test_dropout_between_the_layers_is_that_of_torch_while_training(name: str) -> None:
    theirs = reference(name, num_layers=3, dropout=0.4)
    layer = make(name).from_torch(theirs)
    x, outputs = numbers(T, B, M), []
    for module in (layer, theirs):
        torch.manual_seed(11)
        outputs.append(module(x)[0])
    close(*outputs)
    assert not torch.equal(outputs[0], layer(x)[0])
    close(layer.eval()(x)[0], theirs.eval()(x)[0])


@pytest.mark.parametrize("name", KINDS)
def test_single_precision_agrees_with_double_precision(name: str) -> None:
    layer = make(name, num_layers=2)
    narrow, x = copy.deepcopy(layer).float(), numbers(T, B, M)
    wide, output = layer(x)[0], narrow(x.float())[0]
    assert output.dtype is torch.float32
    tolerance = 40 * torch.finfo(torch.float32).eps
    close(output.double(), wide, tolerance)
    wide.square().sum().backward()
    output.square().sum().backward()
    for a, b in zip(narrow.parameters(), layer.parameters(), strict=True):
        assert a.grad.dtype is torch.float32
        assert (a.grad.double() - b.grad).abs().max() <= tolerance * b.grad.abs().max()


@pytest.mark.parametrize("name", KINDS)
def test_autocast_leaves_the_precision_of_the_weights(name: str) -> None:
    layer, x = make(name, dtype=torch.float32), numbers(T, B, M).float()
    want = layer(x)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, _ = layer(x)
    assert output.dtype is torch.float32
    close(output, want, 1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_an_empty_batch_and_a_single_tick_run(name: str) -> None:
    layer = make(name)
    output, last = layer(numbers(T, 0, M))
    assert output.shape == (T, 0, layer.output_size)
    assert [tuple(value.shape) for value in parts(last)] == [(1, 0, width) for width in layer._widths()]
    x = numbers(1, B, M)
    close(layer(x)[0], run(layer.cell(), x).r)


@pytest.mark.parametrize("name", LSTMS)
def test_frozen_weights_get_no_gradient_and_the_others_do(name: str) -> None:
    layer = make(name)
    layer.W_vcs.requires_grad_(False)
    layer(numbers(T, B, M))[0].sum().backward()
    assert layer.W_vcs.grad is None
    assert all(weight.grad is not None for weight in layer.parameters() if weight is not layer.W_vcs)
    with torch.no_grad():
        assert not layer(numbers(T, B, M))[0].requires_grad


@pytest.mark.parametrize("name", KINDS)
def test_second_derivatives_are_those_of_finite_differences(name: str, engine: None) -> None:
    layer = make(name)
    assert torch.autograd.gradgradcheck(lambda x: layer(x)[0], numbers(3, 2, M).requires_grad_())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", KINDS)
def test_a_gpu_gives_the_same_outputs_and_gradients(name: str) -> None:
    layer, x = make(name, num_layers=2, bidirectional=True), numbers(T, B, M)
    other = copy.deepcopy(layer).cuda()
    ours, theirs = layer(x)[0], other(x.cuda())[0]
    close(ours, theirs.cpu())
    ours.square().sum().backward()
    theirs.square().sum().backward()
    for a, b in zip(layer.parameters(), other.parameters(), strict=True):
        close(a.grad, b.grad.cpu())


def test_projected_outputs_have_the_width_of_the_projection() -> None:
    layer = make("all extensions", num_layers=2, bidirectional=True)
    output, (h, c) = layer(numbers(T, B, M))
    assert output.shape == (T, B, 2 * V)
    assert h.shape == (4, B, V)
    assert c.shape == (4, B, D)
    assert layer.W_xcu_l1.shape == (4, D, 2 * V)


def test_the_peepholes_may_be_told_by_place_after_the_arguments_of_torch() -> None:
    for kind in (VanillaLSTM, AugmentedLSTM):
        layer = kind(M, D, 2, True, True, 0.0, True, "diagonal")
        assert repr(layer) == repr(kind(M, D, 2, batch_first=True, bidirectional=True, peephole="diagonal"))
        assert layer.W_scu.shape == (D,)
    with pytest.raises(ValueError, match="peephole: expected 'full', 'diagonal' or None, got int 2"):
        AugmentedLSTM(M, D, 1, True, False, 0.0, False, 2)  # where torch.nn.LSTM has proj_size
