"""What is wrong with a tensor is told before a kernel runs; what is only laid out otherwise gives the same result."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch

from ode2rnn.kernels import door
from ode2rnn.nn import AugmentedLSTM, CanonicalRNN, StandardRNN, VanillaLSTM

LAYERS: dict[str, Callable[[], torch.nn.Module]] = {
    "StandardRNN": lambda: StandardRNN(3, 4),
    "CanonicalRNN": lambda: CanonicalRNN(3, 4),
    "VanillaLSTM": lambda: VanillaLSTM(3, 4, peephole="full"),
    "diagonal peepholes": lambda: VanillaLSTM(3, 4, peephole="diagonal"),
    "AugmentedLSTM": lambda: AugmentedLSTM(3, 4),
}


def weights(layer: torch.nn.Module) -> list[torch.nn.Parameter]:
    """Those that are not None, by name."""
    return list(layer.parameters())


# A kernel that believed these would read what is not its own: in a child process, where a crash is told apart
CHILD = """
import sys, torch
from tests.nn.test_door import LAYERS, weights
layer, x = LAYERS[sys.argv[1]](), torch.randn(5, 2, 3)
for what in sys.argv[2].split(","):
    layer = LAYERS[sys.argv[1]]()
    for parameter in weights(layer):
        if what == "one number":
            parameter.data = torch.zeros((1,) * parameter.ndim)
        elif what == "one row more":
            parameter.data = torch.zeros([n + 1 for n in parameter.shape])
        elif what == "storage gone":
            parameter.untyped_storage().resize_(0)
        elif what == "storage cut":
            parameter.untyped_storage().resize_(4)
    try:
        layer(x)
    except (ValueError, RuntimeError) as error:
        print("told:", str(error).splitlines()[0])
    else:
        print("taken")
"""


def child(*arguments: str, script: str = CHILD, **variables: str) -> subprocess.CompletedProcess[str]:
    """A run of Python of its own."""
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True, text=True, timeout=300, check=False, env=os.environ | variables,
    )  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_weights_that_are_not_there_or_of_another_shape_are_refused(name: str) -> None:
    run = child(name, "one number,one row more,storage gone,storage cut")
    assert run.returncode == 0, run.stderr
    assert [line[:5] for line in run.stdout.splitlines()] == ["told:"] * 4, run.stdout


@pytest.mark.parametrize("name", LAYERS)
def test_every_weight_alone_of_another_shape_is_refused_by_name(name: str) -> None:
    x = torch.randn(5, 2, 3)
    for i in range(len(weights(LAYERS[name]()))):
        layer = LAYERS[name]()
        weights(layer)[i].data = torch.zeros((1,) * weights(layer)[i].ndim)
        with pytest.raises(ValueError, match=r"^\w+: expected shape \(.*\), got \(1,"):
            layer(x)


def test_a_transposed_weight_is_refused() -> None:
    layer = VanillaLSTM(3, 4)
    weight = next(p for p in layer.parameters() if p.shape == (4, 3))
    weight.data = weight.data.T.contiguous()
    with pytest.raises(ValueError, match=r"expected shape \(4, 3\), got \(3, 4\)"):
        layer(torch.randn(5, 2, 3))


def misaligned(tensor: torch.Tensor) -> torch.Tensor:
    """The same numbers one byte after a multiple of their size."""
    memory = np.empty(tensor.numel() * 4 + 1, np.uint8)
    inside = memory[1:].view(np.float32).reshape(tuple(tensor.shape))
    inside[:] = tensor.numpy()
    return torch.from_numpy(inside)


LAID_OUT: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "negative view": lambda x: torch._neg_view(-x),
    "imaginary part of a conjugate": lambda x: torch.complex(x, -x).conj().imag,
    "every second": lambda x: torch.stack([x, -x], -1).flatten(-2)[..., ::2],
    "transposed": lambda x: x.mT.contiguous().mT,
    "misaligned": misaligned,
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("kind", LAID_OUT)
def test_what_is_laid_out_otherwise_gives_the_same(name: str, kind: str) -> None:
    layer, x = LAYERS[name](), torch.randn(5, 2, 3)
    expected = layer(x)[0]
    other = LAID_OUT[kind](x)
    assert torch.equal(other, x)
    torch.testing.assert_close(layer(other)[0], expected)
    with torch.no_grad():
        for parameter in layer.parameters():
            if parameter.ndim > 1:
                parameter.data = LAID_OUT[kind](parameter.data)
    torch.testing.assert_close(layer(x)[0], expected)
    bar = torch.randn_like(expected)
    grads = torch.autograd.grad(expected, list(layer.parameters()), bar)
    again = torch.autograd.grad(layer(x)[0], list(layer.parameters()), LAID_OUT[kind](bar))
    torch.testing.assert_close(again, grads)


@pytest.mark.parametrize("name", LAYERS)
def test_expanded_inputs_and_gradients(name: str) -> None:
    layer, x = LAYERS[name](), torch.randn(1, 1, 3).expand(5, 2, 3)
    out = layer(x)[0]
    torch.testing.assert_close(layer(x.contiguous())[0], out)
    one = torch.autograd.grad(out.sum(), list(layer.parameters()), retain_graph=True)
    two = torch.autograd.grad(out, list(layer.parameters()), torch.ones(out.shape))
    torch.testing.assert_close(one, two)


@pytest.mark.parametrize("name", LAYERS)
def test_zeros_without_memory_are_zeros(name: str) -> None:
    layer, zero = LAYERS[name](), torch._efficientzerotensor((5, 2, 3))
    torch.testing.assert_close(layer(zero)[0], layer(torch.zeros(5, 2, 3))[0])


@pytest.mark.parametrize("name", LAYERS)
def test_another_default_device_changes_nothing(name: str) -> None:
    script = """
import sys, torch
from tests.nn.test_door import LAYERS
layer, x = LAYERS[sys.argv[1]](), torch.randn(5, 2, 3, requires_grad=True)
out = layer(x)[0]
(expected,) = torch.autograd.grad(out.sum(), x)
torch.set_default_device("meta")
again = layer(x)[0]
(got,) = torch.autograd.grad(again, x, torch.ones(again.shape, device="cpu"))
torch.set_default_device("cpu")
torch.testing.assert_close(again, out)
torch.testing.assert_close(got, expected)
"""
    run = child(name, script=script)
    assert run.returncode == 0, run.stderr


def test_arrays_of_every_layout_are_taken_in_order() -> None:
    plain = np.arange(12.0).reshape(3, 4)
    read_only = plain.copy()
    read_only.flags.writeable = False
    memory = np.empty(12 * 8 + 1, np.uint8)[1:].view(float).reshape(3, 4)
    memory[:] = plain
    for given in (plain, np.asfortranarray(plain), plain.astype(">f8"), read_only, memory, plain[:, ::-1][:, ::-1]):
        taken = door.array("A", given, (3, 4), float)
        np.testing.assert_array_equal(taken, plain)
        assert taken.flags.carray
        assert taken.dtype.isnative
    np.testing.assert_array_equal(door.array("A", np.broadcast_to(2.0, (3, 4)), (3, 4), float), np.full((3, 4), 2.0))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (np.zeros((4, 3)), r"A: expected shape \(3, 4\), got \(4, 3\)"),
        (np.zeros((3, 4), np.float32), "A: expected float64 numbers, got float32"),
        (np.zeros((3, 4), int), "A: expected float64 numbers, got int64"),
        (torch.zeros(3, 4), "A: expected float64 numbers, got float32"),
        (torch.zeros(3, 4, dtype=torch.float64, device="meta"), "A: expected dense float64 numbers on the processor"),
        (torch.zeros(3, 4, dtype=torch.float64).to_sparse(), "A: expected dense float64 numbers on the processor"),
    ],
)
def test_what_is_no_such_array_is_refused(given: object, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        door.array("A", given, (3, 4), float)
