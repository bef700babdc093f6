"""One LSTM over a sequence, its values and gradients, against automatic differentiation of the equations themselves."""

from __future__ import annotations

import gc
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from ode2rnn import kernels, nn
from ode2rnn.gated.augmented import LETTERS
from ode2rnn.kernels import engine, plain
from ode2rnn.nn.passes.compiled import gated as gated_compiled
from ode2rnn.nn.passes.gated import recur

PEEPHOLES = (None, "diagonal", "full")
SWITCHES = list(product(PEEPHOLES, (True, False), (0, 3), (False, True), (False, True)))


def draw(
    m: int, d: int, peephole: str | None, bias: bool, context: int, external: bool, d_v: int, dtype: torch.dtype
) -> dict[str, Tensor | None]:
    """Weights of every letter; ``context`` 0 stands for W_x? without a window."""
    shapes = {"x": (context, d, m) if context else (d, m), "v": (d, d_v)}
    shapes["s"] = {None: None, "diagonal": (d,), "full": (d, d)}[peephole]
    weights: dict[str, Tensor | None] = {}
    for letter in LETTERS:
        if letter == "W_qdr":
            shape = (d_v, d) if d_v != d else None
        else:
            shape = ((d,) if bias else None) if letter[0] == "b" else shapes[letter[2]]
            shape = None if letter.endswith("cx") and not external else shape
        weights[letter] = None if shape is None else torch.randn(shape, dtype=dtype) * (0.8 / shape[-1] ** 0.5)
    return weights


def loop(x: Tensor, s: Tensor, v: Tensor, weights: dict[str, Tensor | None]) -> tuple[Tensor, Tensor, Tensor]:
    """The equations as they stand (L1 to L6, X1 to X3), one tick after the other, for automatic differentiation."""

    def term(letter: str, value: Tensor) -> Tensor | float:
        W = weights[letter]
        return 0.0 if W is None else W * value if W.ndim == 1 else value @ W.T

    def bias(letter: str) -> Tensor | float:
        return 0.0 if weights[letter] is None else weights[letter]

    def xi(gate: str, n: int) -> Tensor:
        W = weights[f"W_x{gate}"]
        W = W if W.ndim == 3 else W[None]
        return sum(x[n + j] @ W[j].T for j in range(len(W)))

    def alpha(gate: str, n: int, s: Tensor) -> Tensor:
        return xi(gate, n) + term(f"W_s{gate}", s) + term(f"W_v{gate}", v) + bias(f"b_{gate}")

    V = []
    for n in range(len(x) - (len(weights["W_xcu"]) - 1 if weights["W_xcu"].ndim == 3 else 0)):
        g_cu, g_cs = torch.sigmoid(alpha("cu", n, s)), torch.sigmoid(alpha("cs", n, s))
        g_cx = 1.0 if weights["W_xcx"] is None else torch.sigmoid(alpha("cx", n, s))
        u = torch.tanh(g_cx * xi("du", n) + term("W_vdu", v) + bias("b_du"))
        s = g_cs * s + g_cu * u
        v = torch.sigmoid(alpha("cr", n, s)) * torch.tanh(s)
        v = v if weights["W_qdr"] is None else v @ weights["W_qdr"].T
        V.append(v)
    return torch.stack(V), s, v


def outcome(run: object, x: Tensor, s: Tensor, v: Tensor, weights: dict[str, Tensor | None]) -> list[Tensor]:
    """The results and every gradient of an objective of all of them."""
    x, s, v = (t.detach().requires_grad_() for t in (x, s, v))
    weights = {letter: None if W is None else W.detach().requires_grad_() for letter, W in weights.items()}
    results = run(x, s, v, weights)
    objective = sum((r * torch.linspace(-1, 2, r.numel(), dtype=r.dtype).view_as(r)).sum() for r in results)
    return [
        *(r.detach() for r in results),
        *torch.autograd.grad(objective, [x, s, v, *(W for W in weights.values() if W is not None)]),
    ]


def difference(found: list[Tensor], expected: list[Tensor]) -> float:
    """The greatest difference, each measured by its tensor's greatest entry (by 1 where that is less)."""
    pairs = list(zip(found, expected, strict=True))
    assert all(a.shape == b.shape and a.dtype == b.dtype for a, b in pairs)
    return max(float((a - b).abs().max() / b.abs().max().clamp(min=1.0)) for a, b in pairs)


@pytest.mark.parametrize(("peephole", "bias", "context", "external", "projected"), SWITCHES, ids=str)
def test_the_plain_passes_are_those_of_automatic_differentiation(
    peephole: str | None, bias: bool, context: int, external: bool, projected: bool
) -> None:
    torch.manual_seed(1)
    ticks, batch, m, d = 7, 5, 3, 6
    given = inputs(
        (ticks, batch, m, d), peephole=peephole, bias=bias, context=context, external=external,
        d_v=4 if projected else d,
    )  # fmt: skip
    with plain():
        assert difference(outcome(recur, *given), outcome(loop, *given)) < 1e-12


def test_peepholes_of_mixed_kinds() -> None:
    torch.manual_seed(2)
    weights = draw(3, 6, "full", True, 0, False, 6, torch.float64)
    weights["W_scs"], weights["W_scu"] = torch.randn(6, dtype=torch.float64), None
    weights["b_cr"] = None
    x, s, v = (torch.randn(shape, dtype=torch.float64) for shape in ((4, 5, 3), (5, 6), (5, 6)))
    assert difference(outcome(recur, x, s, v, weights), outcome(loop, x, s, v, weights)) < 1e-12


def test_a_window_longer_than_the_sequence() -> None:
    torch.manual_seed(3)
    given = inputs((2, 1, 3, 6), peephole=None, context=4, external=True, d_v=5)
    assert difference(outcome(recur, *given), outcome(loop, *given)) < 1e-12


def inputs(
    size: tuple[int, int, int, int], dtype: torch.dtype = torch.float64, peephole: str | None = "full", **other: object
) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor | None]]:
    """x with all that its windows see, s[-1], v[-1] and weights."""
    ticks, batch, m, d = size
    options = {"bias": True, "context": 0, "external": False, "d_v": d} | other
    weights = draw(m, d, peephole, dtype=dtype, **options)
    shapes = ((ticks + max(options["context"] - 1, 0), batch, m), (batch, d), (batch, options["d_v"]))
    return *(torch.randn(shape, dtype=dtype) for shape in shapes), weights


def check_kernels(size: tuple[int, int, int, int], dtype: torch.dtype, *switches: object) -> None:
    """The compiled passes give what the plain ones do."""
    torch.manual_seed(4)
    peephole, bias, context, external, projected = switches
    d_v = max(1, size[3] - 3) if projected else size[3]
    given = inputs(size, dtype, peephole, bias=bias, context=context, external=external, d_v=d_v)
    assert gated_compiled.fits(*given[:2])
    fast = outcome(recur, *given)
    with plain():
        assert not gated_compiled.fits(*given[:2])
        slow = outcome(recur, *given)
    # both round at every tick: a hundred units in the last place, of the greatest number of a result
    assert difference(fast, slow) <= (1e-12 if dtype is torch.float64 else 100 * torch.finfo(dtype).eps)


@pytest.mark.parametrize(("peephole", "bias", "context", "external", "projected"), SWITCHES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_compiled_and_plain_agree(dtype: torch.dtype, *, peephole, bias, context, external, projected) -> None:
    check_kernels((4, 3, 5, 35), dtype, peephole, bias, context, external, projected)


# whole panels, a panel and more of inputs, one sequence, one tick, more sequences than are summed at once
@pytest.mark.parametrize("size", [(9, 30, 33, 48), (300, 1, 8, 32), (3, 300, 64, 16), (1, 1, 2, 1)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("extended", [False, True])
def test_compiled_and_plain_agree_at_every_size(extended: bool, dtype: torch.dtype, size: tuple) -> None:
    check_kernels(size, dtype, "full", True, 2 * extended, extended, extended)


# more inputs and ticks than a window is long and fewer, windows that end within a block, many and few sequences
@pytest.mark.parametrize("size", [(9, 30, 33, 48), (130, 1, 16, 7), (3, 140, 17, 6), (1, 2, 40, 5), (18, 8, 16, 64)])
@pytest.mark.parametrize("context", [3, 9])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("extended", [False, True])
def test_compiled_and_plain_agree_on_windows(extended: bool, dtype: torch.dtype, context: int, size: tuple) -> None:
    check_kernels(size, dtype, "full" if extended else None, extended, context, extended, extended)


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "plain"])
class TestBothPasses:
    @pytest.fixture(autouse=True)
    def choose(self, compiled: bool):
        if compiled:
            yield
        else:
            with plain():
                yield

    def test_values_that_do_not_lie_in_a_row(self) -> None:
        torch.manual_seed(5)
        x, s, v, weights = inputs((6, 4, 3, 5), peephole="diagonal")
        strange = {letter: W.mT.contiguous().mT for letter, W in weights.items() if W is not None and W.ndim == 2}
        other = (x.transpose(0, 2).contiguous().transpose(0, 2), s.T.contiguous().T, v.expand(4, 5).T.contiguous().T)
        results = outcome(recur, *other, weights | strange)
        assert difference(results, outcome(recur, x, s, v, weights)) < 1e-14

    def test_a_gradient_that_is_one_number(self) -> None:
        torch.manual_seed(6)
        x, s, v, weights = inputs((6, 4, 3, 5))
        x.requires_grad_()
        (one,) = torch.autograd.grad(recur(x, s, v, weights)[0].sum(), x)
        V = recur(x, s, v, weights)[0]
        (many,) = torch.autograd.grad(V, x, torch.ones_like(V))
        assert torch.equal(one, many)

    @pytest.mark.parametrize("which", [0, 1, 2])
    def test_an_objective_of_one_result_alone(self, which: int) -> None:
        torch.manual_seed(7)
        x, s, v, weights = inputs((6, 4, 3, 5))
        x.requires_grad_()
        (found,) = torch.autograd.grad(recur(x, s, v, weights)[which].square().sum(), x)
        (expected,) = torch.autograd.grad(loop(x, s, v, weights)[which].square().sum(), x)
        assert difference([found], [expected]) < 1e-12

    def test_only_the_gradients_asked_for(self) -> None:
        torch.manual_seed(8)
        x, s, v, weights = inputs((6, 4, 3, 5), external=True, d_v=3, context=2)
        everything = outcome(recur, x, s, v, weights)[3:]
        names = ["x", "s", "v", *(letter for letter in LETTERS if weights[letter] is not None)]
        for name, expected in zip(names, everything, strict=True):
            values = {"x": x, "s": s, "v": v} | weights
            values[name] = values[name].detach().requires_grad_()
            results = recur(values["x"], values["s"], values["v"], {letter: values[letter] for letter in LETTERS})
            objective = sum((r * torch.linspace(-1, 2, r.numel(), dtype=r.dtype).view_as(r)).sum() for r in results)
            objective.backward()
            assert difference([values[name].grad], [expected]) < 1e-13, name

    def test_a_graph_that_is_kept_gives_the_same_again(self) -> None:
        torch.manual_seed(9)
        x, s, v, weights = inputs(LARGE)
        x.requires_grad_()
        V = recur(x, s, v, weights)[0]
        (first,) = torch.autograd.grad(V.sum(), x, retain_graph=True)
        recur(x + 1, s, v, weights)[0].sum().backward()
        (second,) = torch.autograd.grad(V.sum(), x)
        assert torch.equal(first, second)
        with pytest.raises(RuntimeError, match="second time"):
            torch.autograd.grad(V.sum(), x)

    def test_graphs_that_are_alive_at_once_do_not_share_memory(self) -> None:
        torch.manual_seed(10)
        given = [inputs(LARGE, peephole=kind) for kind in (None, "full", "diagonal")]
        expected = []
        for x, s, v, weights in given:
            expected += torch.autograd.grad(recur(x.requires_grad_(), s, v, weights)[0].sum(), x)
            gc.collect()  # so that the next takes the memory of this
        outputs = [recur(x, s, v, weights)[0] for x, s, v, weights in given]
        for i in (1, 0, 2):
            (found,) = torch.autograd.grad(outputs[i].sum(), given[i][0])
            assert torch.equal(found, expected[i])

    def test_without_gradients_the_results_are_the_same(self) -> None:
        torch.manual_seed(11)
        x, s, v, weights = inputs((50, 2, 3, 5), external=True, d_v=4)
        with torch.no_grad():
            free = recur(x, s, v, weights)
        assert all(torch.equal(a, b) for a, b in zip(free, recur(x.requires_grad_(), s, v, weights), strict=True))

    def test_gradients_against_differences(self) -> None:
        torch.manual_seed(12)
        x, s, v, weights = inputs((3, 2, 2, 3), external=True, d_v=2, context=2)
        letters = [letter for letter in LETTERS if weights[letter] is not None]
        given = [t.requires_grad_() for t in (x, s, v, *(weights[letter] for letter in letters))]

        def run(x: Tensor, s: Tensor, v: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
            return recur(x, s, v, weights | dict(zip(letters, values, strict=True)))

        assert torch.autograd.gradcheck(run, given)

    def test_what_is_not_a_number_spreads_as_it_must(self) -> None:
        torch.manual_seed(13)
        x, s, v, weights = inputs((6, 4, 3, 37))
        x[2, 1, 0], x[3, 2, 1] = float("nan"), float("inf")
        found, expected = (run(x, s, v, weights)[0] for run in (recur, loop))
        assert torch.equal(found.isnan(), expected.isnan())
        assert found[:2].isfinite().all()
        assert found[2:, 1].isnan().all()

    def test_second_derivatives_are_those_of_automatic_differentiation(self) -> None:
        torch.manual_seed(14)
        x, s, v, weights = inputs((3, 2, 3, 5), external=True, d_v=4, context=2)
        letters = [letter for letter in LETTERS if weights[letter] is not None]
        found = []
        for run in (recur, loop):
            own = [t.detach().requires_grad_() for t in (x, s, v, *(weights[letter] for letter in letters))]
            # v[-1] is made of s[-1]: its gradient is not to be counted twice
            V, s_last, _ = run(
                own[0], own[1], own[2] * own[1][:, :4], weights | dict(zip(letters, own[3:], strict=True))
            )
            first = torch.autograd.grad(V.square().sum() + s_last.sum(), own, create_graph=True)
            objective = sum((g * torch.linspace(-1, 2, g.numel(), dtype=g.dtype).view_as(g)).sum() for g in first)
            found.append([*(g.detach() for g in first), *torch.autograd.grad(objective, own)])
        assert difference(*found) < 1e-12


LARGE = (200, 4, 3, 40)  # the memory of which the allocator gives back and hands out again


PARTS = {
    "full peepholes": lambda: nn.VanillaLSTM(3, 5),
    "diagonal peepholes": lambda: nn.VanillaLSTM(3, 5, peephole="diagonal"),
    "a projection and a window": lambda: nn.AugmentedLSTM(3, 5, proj_size=2, context=2),
    "a window ahead": lambda: nn.AugmentedLSTM(3, 5, context=(1, 1)),
}


@pytest.mark.parametrize("make", PARTS.values(), ids=PARTS.keys())
@pytest.mark.parametrize("last_alone", [False, True])
def test_a_long_pass_in_parts_is_the_whole_pass(make: Any, last_alone: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    layer, x = make().double(), torch.randn(23, 2, 3, dtype=torch.float64, requires_grad=True)

    def passes() -> list[torch.Tensor]:
        output, (h, c) = layer(x)
        loss = c.square().sum() if last_alone else (output.cos().sum() + h.square().sum() + c.sum())
        found = torch.autograd.grad(loss, [x, *layer.parameters()], allow_unused=True)
        return [output, h, c, *(gradient for gradient in found if gradient is not None)]

    whole = passes()
    for most in (5000.0, 1.0):  # some ticks at once, and one
        monkeypatch.setattr(engine, "AT_ONCE", most)
        assert all(torch.equal(a, b) for a, b in zip(passes(), whole, strict=True))


def test_a_long_pass_is_interrupted_between_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = iter([None, None])

    def forward(*given: Any) -> None:
        if next(parts, 0) is not None:
            raise KeyboardInterrupt

    monkeypatch.setattr(engine, "AT_ONCE", 1.0)
    monkeypatch.setattr(kernels, "gated_forward", forward)
    with pytest.raises(KeyboardInterrupt):
        nn.VanillaLSTM(3, 5)(torch.zeros(23, 2, 3))
    assert next(parts, 0) == 0
