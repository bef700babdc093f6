"""Windows of inputs, behind and ahead (X1): layers against the definition, a loop that torch differentiates."""

from __future__ import annotations

import pytest
import torch
from tests.nn.gated import close, gradients, numbers, parts, start
from torch import Tensor
from torch.nn.utils.rnn import pack_sequence, unpack_sequence

from ode2rnn import AugmentedLSTM as Cell
from ode2rnn import run
from ode2rnn.nn import AugmentedLSTM

CONTEXTS = {2: (0, 1), (1, 0): (1, 0), (0, 2): (0, 2), (2, 3): (2, 3), (0, 0): (0, 0), (11, 9): (11, 9)}  # of 7 inputs
TICKS, BATCH, M, D = 7, 3, 4, 5


pytestmark = pytest.mark.usefixtures("engine")  # the kernels, and their plain twins


def make(context: object, **options: object) -> AugmentedLSTM:
    torch.manual_seed(0)
    return AugmentedLSTM(M, D, context=context, **{"proj_size": 2, "dtype": torch.float64} | options)


def recursion(
    layer: AugmentedLSTM, suffix: str, x: list[Tensor], v: Tensor, s: Tensor, reach: tuple[int, int]
) -> tuple[list[Tensor], Tensor, Tensor]:
    """L1 to L6 with X1 to X3 as they are written, over the samples x[0], x[1], ..."""
    behind, ahead = reach

    def weight(letter: str) -> Tensor:
        return getattr(layer, letter + suffix)

    def xi(gate: str, n: int) -> Tensor:
        W, total = weight(f"W_x{gate}"), torch.zeros_like(s)
        if behind == ahead == 0:
            return x[n] @ W.T
        for lead in range(-behind, ahead + 1):
            if 0 <= n + lead < len(x):
                total = total + x[n + lead] @ W[lead + behind].T
        return total

    def gate(name: str, n: int) -> Tensor:
        inner = s @ weight(f"W_s{name}").T + v @ weight(f"W_v{name}").T + weight(f"b_{name}")
        return torch.sigmoid(xi(name, n) + inner)

    readouts = []
    for n in range(len(x)):
        g_cu, g_cs, g_cx = gate("cu", n), gate("cs", n), gate("cx", n)
        u = torch.tanh(g_cx * xi("du", n) + v @ weight("W_vdu").T + weight("b_du"))
        s = g_cs * s + g_cu * u
        v = (gate("cr", n) * torch.tanh(s)) @ weight("W_qdr").T
        readouts.append(v)
    return readouts, v, s


def by_definition(layer: AugmentedLSTM, x: Tensor, hx: tuple[Tensor, Tensor], reach: tuple[int, int]) -> tuple:
    """The whole stack over x (N, batch, m), as the layer would return it."""
    rows, ends, directions = list(x), [], 2 if layer.bidirectional else 1
    for k in range(layer.num_layers):
        outputs = []
        for i in range(directions):
            row, suffix = k * directions + i, f"_l{k}{'_reverse' * i}"
            found, v, s = recursion(layer, suffix, rows[::-1] if i else rows, hx[0][row], hx[1][row], reach)
            outputs.append(found[::-1] if i else found)
            ends.append((v, s))
        rows = [torch.cat(parts, -1) for parts in zip(*outputs, strict=True)]
    return torch.stack(rows), tuple(torch.stack(values) for values in zip(*ends, strict=True))


@pytest.mark.parametrize("ticks", [TICKS, 1])
@pytest.mark.parametrize("stack", [{}, {"num_layers": 2, "bidirectional": True}], ids=["one", "stack"])
@pytest.mark.parametrize("context", CONTEXTS, ids=str)
def test_outputs_and_gradients_are_those_of_the_definition(context: object, stack: dict, ticks: int) -> None:
    layer = make(context, **stack)
    x, hx = numbers(ticks, BATCH, M).requires_grad_(), start(layer, BATCH)
    got, want = layer(x, hx), by_definition(layer, x, hx, CONTEXTS[context])
    wanted = [x, *parts(hx), *layer.parameters()]
    for a, b in zip([got[0], *got[1]], [want[0], *want[1]], strict=True):
        close(a, b)
    for a, b in zip(gradients(*got, wanted), gradients(*want, wanted), strict=True):
        close(a, b)


@pytest.mark.parametrize("context", CONTEXTS, ids=str)
def test_single_precision_is_the_definition_in_double_precision(context: object) -> None:
    layer = make(context).float()
    x, hx = numbers(TICKS, BATCH, M).float().requires_grad_(), tuple(value.float() for value in start(layer, BATCH))
    sources = [x, *layer.parameters()]
    ours = [*(layer(x, hx)[0],), *torch.autograd.grad(layer(x, hx)[0].square().sum(), sources)]
    layer, wide = layer.double(), x.detach().double().requires_grad_()
    output, _ = by_definition(layer, wide, tuple(value.double() for value in hx), CONTEXTS[context])
    theirs = [output, *torch.autograd.grad(output.square().sum(), [wide, *layer.parameters()])]
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype is torch.float32
        assert (a.double() - b).abs().max() <= 40 * torch.finfo(torch.float32).eps * b.abs().max()


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("context", CONTEXTS, ids=str)
def test_packed_sequences_see_nothing_of_one_another(context: object, bidirectional: bool) -> None:
    layer = make(context, bidirectional=bidirectional)
    sequences = [numbers(n, M, seed=n).requires_grad_() for n in (3, 8, 1, 3, 5)]
    hx = start(layer, len(sequences))
    output, last = layer(pack_sequence(sequences, enforce_sorted=False), hx)
    weights, loss = list(layer.parameters()), 0.0
    for k, (sequence, readouts) in enumerate(zip(sequences, unpack_sequence(output), strict=True)):
        own = tuple(value[:, k : k + 1] for value in hx)
        alone, end = by_definition(layer, sequence[:, None], own, CONTEXTS[context])
        close(readouts, alone[:, 0])
        for a, b in zip(last, end, strict=True):
            close(a[:, k : k + 1], b)
        loss = loss + alone.square().sum()
    ours = torch.autograd.grad(output.data.square().sum(), [*sequences, *weights])
    for a, b in zip(ours, torch.autograd.grad(loss, [*sequences, *weights]), strict=True):
        close(a, b)


def test_a_number_and_the_pair_that_says_the_same_give_the_same_layer() -> None:
    x = numbers(TICKS, BATCH, M)
    for context, pair in ((1, (0, 0)), (3, (0, 2))):
        one, other = make(context), make(pair)
        assert (one.context, other.context) == (context, pair)
        assert one.state_dict().keys() == other.state_dict().keys()
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
        assert torch.equal(one(x)[0], other(x)[0])
    assert make((0, 0)).W_xcu.shape == (D, M)
    assert make((2, 3)).W_xcu.shape == (6, D, M)


@pytest.mark.parametrize(("behind", "deep", "context"), [(0, 1, 1), (0, 3, 3), (2, 3, (2, 0)), (1, 4, (1, 2))])
def test_a_cell_says_how_far_its_windows_reach(behind: int, deep: int, context: object) -> None:
    own = {name.removesuffix("_l0"): weight for name, weight in make(4, external_gate=False).named_parameters()}
    own |= {letter: weight[:deep] for letter, weight in own.items() if letter.startswith("W_x")}
    layer = AugmentedLSTM.from_cell(Cell(**own, behind=behind))
    assert layer.context == context
    assert layer.cell().behind == behind
    close(layer(numbers(TICKS, BATCH, M))[0], run(Cell(**own, behind=behind), numbers(TICKS, BATCH, M)).r)


def test_a_window_behind_is_felt_later_and_no_longer_than_it_says() -> None:
    layer, x = make((2, 1), peephole=None, proj_size=0), numbers(TICKS, BATCH, M)
    with torch.no_grad():
        for name, weight in layer.named_parameters():
            if name.startswith(("W_v", "b_cs", "W_xcs")):
                weight.zero_()
        layer.b_cs_l0.fill_(-1e4)  # no state is kept, so that what is felt comes through the window
    other = x.clone()
    other[3] += 1.0
    change = (layer(x)[0] != layer(other)[0]).any(-1).any(-1)
    assert change.tolist() == [2 <= n <= 5 for n in range(TICKS)]
