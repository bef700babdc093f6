"""torch's own tests of its RNN, LSTM and GRU, with the inputs of its module database, run against ours as drop-ins."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from ode2rnn import nn

pytest.importorskip("expecttest")  # which torch's own tests need

from torch.autograd import gradcheck, gradgradcheck
from torch.testing._internal.common_modules import ModuleInfo, ModuleInput, module_db

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")  # torch's own

INFOS = {info.module_cls.__name__: info for info in module_db if info.name in ("nn.RNN", "nn.GRU", "nn.LSTM")}


class Pair(NamedTuple):
    """torch's layer and ours of the same function, and what they are called with."""

    theirs: torch.nn.Module
    ours: torch.nn.Module
    args: tuple[Any, ...]


def inputs(info: ModuleInfo, training: bool = True, dtype: torch.dtype = torch.float64) -> list[ModuleInput]:
    return info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=True, training=training)


def layer_of(module: torch.nn.Module) -> torch.nn.Module:
    if isinstance(module, torch.nn.LSTM):
        if module.proj_size:
            return nn.AugmentedLSTM.from_torch(module, external_gate=False, peephole=None)
        return nn.VanillaLSTM.from_torch(module)
    return (nn.GRU if isinstance(module, torch.nn.GRU) else nn.StandardRNN).from_torch(module)


def made(info: ModuleInfo, given: ModuleInput, training: bool = True, **options: Any) -> Pair:
    torch.manual_seed(0)
    made_with = given.constructor_input
    theirs = info.module_cls(*made_with.args, **{**made_with.kwargs, "dtype": torch.float64, **options})
    theirs.train(training)
    return Pair(theirs, layer_of(theirs), given.forward_input.args)


CASES = [(name, i) for name, info in INFOS.items() for i in range(len(inputs(info)))]


@pytest.fixture(params=CASES, ids=[f"{name} {i}" for name, i in CASES])
def pair(request: pytest.FixtureRequest) -> Pair:
    name, i = request.param
    torch.manual_seed(1)
    return made(INFOS[name], inputs(INFOS[name])[i])


def flat(value: Any) -> list[Tensor]:
    return [value] if isinstance(value, Tensor) else [part for item in value for part in flat(item)]


def leaves(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments with their tensors as new leaves that need gradients."""
    return tuple(
        a.detach().clone().requires_grad_() if isinstance(a, Tensor) else leaves(a) if isinstance(a, tuple) else a
        for a in args
    )


def close(found: Any, expected: Any) -> None:
    for a, b in zip(flat(found), flat(expected), strict=True):
        torch.testing.assert_close(a, b)


def test_forward_and_gradients(pair: Pair) -> None:
    for training in (True, False):
        results = []
        for layer in (pair.theirs.train(training), pair.ours.train(training)):
            args = leaves(pair.args)
            found = layer(*args)
            gradients = torch.autograd.grad(sum((part**2).sum() for part in flat(found)), flat(args))
            results.append((found, gradients))
        close(*results)


def functional(pair: Pair) -> tuple[Any, list[Tensor]]:
    """Our layer as a function of its inputs and weights, and these."""
    args = leaves(pair.args)
    names, weights = zip(*pair.ours.named_parameters(), strict=True)
    count = len(flat(args))

    def call(*tensors: Tensor) -> tuple[Tensor, ...]:
        rest = iter(tensors[:count])
        own = tuple(tuple(next(rest) for _ in flat(arg)) if isinstance(arg, tuple) else next(rest) for arg in args)
        given = dict(zip(names, tensors[count:], strict=True))
        return tuple(flat(torch.func.functional_call(pair.ours, given, own)))

    return call, [*flat(args), *weights]


def test_gradcheck_and_batched_gradcheck(pair: Pair) -> None:
    call, tensors = functional(pair)
    assert gradcheck(call, tensors, check_batched_grad=True, fast_mode=True)


def test_gradgradcheck(pair: Pair) -> None:
    call, tensors = functional(pair)
    assert gradgradcheck(call, tensors, check_batched_grad=True, fast_mode=True)


def test_pickle_deepcopy_and_state_dict(pair: Pair) -> None:
    expected = pair.ours(*pair.args)
    close(pickle.loads(pickle.dumps(pair.ours))(*pair.args), expected)
    close(copy.deepcopy(pair.ours)(*pair.args), expected)
    other = copy.deepcopy(pair.ours)
    with torch.no_grad():
        for weight in other.parameters():
            weight.zero_()
    assert not other.load_state_dict(pair.ours.state_dict()).missing_keys
    close(other(*pair.args), expected)
    close(pair.ours.float().double()(*pair.args), pair.theirs.float().double()(*pair.args))


def laid_out_otherwise(value: Any) -> Iterator[Any]:
    """The same numbers, not contiguous, and as a negated view."""
    for change in (
        lambda t: torch.stack([t.detach()] * 2, -1)[..., 0],
        lambda t: torch._neg_view(-t.detach()),
        lambda t: t.detach().expand(2, *t.shape)[1],
    ):
        yield tuple(tuple(map(change, a)) if isinstance(a, tuple) else change(a) for a in value)


def test_other_layouts(pair: Pair) -> None:
    expected = pair.ours(*pair.args)
    for args in laid_out_otherwise(pair.args):
        args = tuple(tuple(t.requires_grad_() for t in a) if isinstance(a, tuple) else a.requires_grad_() for a in args)
        found = pair.ours(*args)
        close(found, expected)
        sum(part.sum() for part in flat(found)).backward()


def test_meta(pair: Pair) -> None:
    args = tuple(tuple(t.to("meta") for t in a) if isinstance(a, tuple) else a.to("meta") for a in pair.args)
    found, expected = pair.ours.to("meta")(*args), pair.theirs.to("meta")(*args)
    assert [(a.shape, a.device.type) for a in flat(found)] == [(b.shape, "meta") for b in flat(expected)]


ERRORS = [
    (name, i)
    for name, info in INFOS.items()
    for i in range(len(info.module_error_inputs_func(info, "cpu", torch.float64, True, True)))
]


@pytest.mark.parametrize(("name", "i"), ERRORS, ids=[f"{name} {i}" for name, i in ERRORS])
def test_error_inputs(name: str, i: int) -> None:
    info = INFOS[name]
    case = info.module_error_inputs_func(info, "cpu", torch.float64, True, True)[i]
    made_with, called_with = case.module_error_input.constructor_input, case.module_error_input.forward_input
    kind = {"RNN": nn.StandardRNN, "GRU": nn.GRU, "LSTM": nn.VanillaLSTM}[name]
    with pytest.raises((ValueError, TypeError)):
        kind(*made_with.args, **made_with.kwargs)(*(called_with.args if called_with else ()))
