"""Whoever watches the operations of a layer, transforms, traces, compiles or batches them, gets the right answer."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.functional import jacobian
from torch.fx.experimental.proxy_tensor import make_fx

from ode2rnn import nn
from ode2rnn.kernels import plain

# torch says so of its own ways of tracing
pytestmark = [
    pytest.mark.filterwarnings("ignore:.torch.jit.*is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
]
LAYERS: dict[str, Callable[..., Any]] = {
    "StandardRNN": nn.StandardRNN,
    "CanonicalRNN": nn.CanonicalRNN,
    "VanillaLSTM": nn.VanillaLSTM,
    "VanillaLSTM without peepholes": lambda *a, **k: nn.VanillaLSTM(*a, peephole=None, **k),
    "AugmentedLSTM": lambda *a, **k: nn.AugmentedLSTM(*a, context=(1, 1), proj_size=2, **k),
    "AugmentedLSTM, diagonal, stacked": lambda *a, **k: nn.AugmentedLSTM(
        *a, num_layers=2, bidirectional=True, peephole="diagonal", **k
    ),
    "GRU": nn.GRU,
}
each = pytest.mark.parametrize("name", LAYERS)


def made(name: str, dtype: torch.dtype = torch.float64) -> Any:
    torch.manual_seed(0)
    return LAYERS[name](2, 3, dtype=dtype)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


X = numbers(4, 2, 2)


def parts(last: Any) -> tuple[Tensor, ...]:
    return last if isinstance(last, tuple) else (last,)


@each
def test_second_derivatives_are_right(name: str) -> None:
    layer, x = made(name), numbers(3, 1, 2).requires_grad_()
    names = [n for n, _ in layer.named_parameters()][:12]

    def function(x: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        output, last = torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (x,))
        return output, *parts(last)

    weights = [w.detach().clone().requires_grad_() for w in layer.parameters()][:12]
    assert torch.autograd.gradgradcheck(function, (x, *weights))


@each
def test_a_gradient_penalty_and_a_product_with_the_hessian_are_those_of_plain_torch(name: str) -> None:
    layer, v = made(name), numbers(4, 2, 2, seed=1)

    def penalty() -> list[Tensor]:
        x = X.clone().requires_grad_()
        (g,) = torch.autograd.grad(layer(x)[0].square().sum(), x, create_graph=True)
        return [g.detach(), *torch.autograd.grad(g.square().sum(), list(layer.parameters()))]

    def product() -> Tensor:
        return torch.autograd.functional.hvp(lambda x: layer(x)[0].square().sum(), X, v)[1]

    fast = [*penalty(), product()]
    with plain():
        slow = [*penalty(), product()]
    for a, b in zip(fast, slow, strict=True):
        torch.testing.assert_close(a, b)


@each
def test_functional_gradients_are_those_of_backward(name: str) -> None:
    layer = made(name)

    def loss(weights: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.func.functional_call(layer, weights, (x,))[0].square().sum()

    weights = dict(layer.named_parameters())
    found = torch.func.grad(loss)(weights, X)
    layer(X)[0].square().sum().backward()
    for key, weight in weights.items():
        torch.testing.assert_close(found[key], weight.grad)


@each
def test_jacobians_by_every_way_are_one(name: str) -> None:
    layer = made(name)

    def run(x: Tensor) -> Tensor:
        return layer(x)[0]

    J = jacobian(run, X)
    torch.testing.assert_close(torch.func.jacrev(run)(X), J)
    torch.testing.assert_close(jacobian(run, X, vectorize=True), J)
    along = numbers(*X.shape, seed=2)
    torch.testing.assert_close(torch.func.jvp(run, (X,), (along,))[1], torch.tensordot(J, along, 3))
    x = X.clone().requires_grad_()
    output = run(x)
    eye = torch.eye(output.numel(), dtype=x.dtype).reshape(-1, *output.shape)
    (rows,) = torch.autograd.grad(output, x, eye, is_grads_batched=True)
    torch.testing.assert_close(rows.reshape(J.shape), J)


@pytest.mark.parametrize("name", [name for name in LAYERS if name != "GRU"])  # torch's GRU has none either
def test_a_map_over_sequences_is_a_loop(name: str) -> None:
    layer, many = made(name), numbers(3, 4, 2, 2, seed=3)
    found = torch.func.vmap(lambda x: layer(x)[0])(many)
    torch.testing.assert_close(found, torch.stack([layer(x)[0] for x in many]))
    per_sample = torch.func.vmap(torch.func.grad(lambda x: layer(x)[0].square().sum()))(many)
    for one, x in zip(per_sample, many, strict=True):
        torch.testing.assert_close(one, torch.func.grad(lambda x: layer(x)[0].square().sum())(x))


@each
def test_what_is_traced_computes_other_inputs_right(name: str) -> None:
    layer, y = made(name), numbers(4, 2, 2, seed=4)
    want = layer(y)[0]
    torch.testing.assert_close(make_fx(lambda x: layer(x)[0])(X)(y), want)
    traced = torch.jit.trace(layer, (X,), check_trace=False)
    torch.testing.assert_close(traced(y)[0], want)
    longer = numbers(5, 2, 2)
    try:
        found = traced(longer)[0]
    except RuntimeError:  # of another length: refused, not computed in part
        pass
    else:
        torch.testing.assert_close(found, layer(longer)[0])
    exported = torch.export.export(layer, (X,), dynamic_shapes=({1: torch.export.Dim("batch")},))
    wide = numbers(4, 5, 2, seed=5)
    torch.testing.assert_close(exported.module()(wide)[0], layer(wide)[0])


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # torch compiles the way there as well
@each
def test_a_compiled_layer_is_the_layer_with_its_gradients(name: str) -> None:
    layer, x = made(name), X.clone().requires_grad_()
    (2 * layer(x / 2)[0]).square().sum().backward()
    want, x.grad = x.grad, None
    torch._dynamo.reset()
    torch.compile(lambda x: 2 * layer(x / 2)[0], backend="aot_eager")(x).square().sum().backward()
    torch.testing.assert_close(x.grad, want)


@each
def test_tensors_without_numbers_give_shapes(name: str) -> None:
    layer = made(name)
    shape = layer(X)[0].shape
    assert copy.deepcopy(layer).to("meta")(X.to("meta"))[0].shape == shape
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert layer(mode.from_tensor(X))[0].shape == shape
    want = layer(X)[0]
    with torch.device("meta"):
        torch.testing.assert_close(layer(X)[0], want)


@each
def test_autocast_and_short_precisions_work(name: str) -> None:
    layer = made(name, torch.float32)
    x = X.float()
    want = layer(x)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(layer(x)[0], want)
        short = x.bfloat16()
        torch.testing.assert_close(layer(short)[0], layer(short.float())[0])
    for dtype, atol in ((torch.float16, 1e-2), (torch.bfloat16, 5e-2)):
        own = copy.deepcopy(layer).to(dtype)
        output = own(x.to(dtype))[0]
        assert output.dtype is dtype
        torch.testing.assert_close(output.float(), want, atol=atol, rtol=0)
        output.float().sum().backward()
        assert all(torch.isfinite(w.grad).all() for w in own.parameters())


@each
def test_no_result_shares_memory_with_another(name: str) -> None:
    layer, x = made(name), X.clone().requires_grad_()
    output, last = layer(x)
    kept = output.detach().clone()
    with torch.no_grad():
        for value in parts(last):
            assert value.untyped_storage().nbytes() == value.nbytes
            value[:, 0] = 7.0
            value.zero_()
    torch.testing.assert_close(output.detach(), kept)
    layer(x)[0].relu().sum().backward()
    want, x.grad = x.grad, None
    changed = layer(x)[0]
    changed.relu_().sum().backward()
    torch.testing.assert_close(x.grad, want)
    output, last = layer(x)
    for value in parts(last):
        value.detach_()
    (output.sum() + sum(value.sum() for value in parts(last))).backward()


@each
def test_the_names_that_torch_has_are_there(name: str) -> None:
    layer = made(name)
    layer.flatten_parameters()
    held = [w for weights in layer.all_weights for w in weights]
    assert all(a is b for a, b in zip(held, layer.parameters(), strict=True))
