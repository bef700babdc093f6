"""Back-propagation through time of every kind of System, against automatic differentiation of its run in torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from ode2rnn import (
    AdditiveModel,
    CanonicalRNN,
    Circulant,
    ContinuousRNN,
    Sampled,
    SimulationError,
    TappedRNN,
    discretize,
    nn,
    run,
)
from ode2rnn.core.systems.map import Map
from ode2rnn.core.systems.system import System
from ode2rnn.discrete.memory import Memory
from ode2rnn.discrete.standard import StandardRNN, StandardState
from ode2rnn.discrete.unroll import Position, segments, unroll
from ode2rnn.training.gradients.bptt import bptt
from ode2rnn.training.gradients.clipping import clip, norm

D, M, N = 3, 2, 9


@dataclass
class Leaky(System):
    """s[n] = keep * s[n-1] + tanh(W x[n]), with a readout 2 s; it says its tick alone."""

    keep: Any
    W: Any
    dt: float = 0.5

    @property
    def width(self) -> int:  # type: ignore[override]
        return len(self.keep)

    @property
    def input_width(self) -> int:  # type: ignore[override]
        return int(self.W.shape[1])

    @property
    def like(self) -> Any:
        return self.keep

    def init(self, s0: Any) -> Any:
        return s0

    def step(self, state: Any, x: Any) -> Any:
        drive = x @ self.W.T
        return self.keep * state + (torch.tanh(drive) if torch.is_tensor(drive) else np.tanh(drive))

    def readout(self, state: Any) -> tuple[Any, Any]:
        return state, 2 * state


def matrices(seed: int = 0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    A = -np.diag(rng.uniform(0.5, 2.0, D)) + 0.2 * rng.standard_normal((D, D))
    return A, 0.6 * rng.standard_normal((D, D)), rng.standard_normal((D, M)), 0.2 * rng.standard_normal(D)


def network(tau: float, seed: int = 0) -> ContinuousRNN:
    return ContinuousRNN(*matrices(seed), tau=tau)


def two_delays() -> AdditiveModel:
    A, B, C, phi = matrices(1)
    return AdditiveModel([(A, 0.0), (0.3 * B, 0.4)], [(Circulant([0.5, 0.2, 0.0]), 0.2)], [(C, 0.0)], phi)


def tapped(A: Any, B: Any, C: Any, phi: Any, late: Any) -> TappedRNN:
    return TappedRNN({1: 0.3 * A}, {2: B}, {0: C, 2: late}, phi)


SYSTEMS: dict[str, Any] = {
    "its tick alone": lambda: Leaky(np.array([0.9, 0.5, -0.3]), matrices()[2]),
    "standard": lambda: StandardRNN(matrices()[1], matrices()[2], matrices()[3]),
    "tapped": lambda: tapped(*matrices(), matrices(1)[2]),
    "backward Euler": lambda: Sampled(network(0.3), 0.3),
    "backward Euler, substeps": lambda: Sampled(network(0.6), 0.3, substeps=2),
    "backward Euler, two delays": lambda: Sampled(two_delays(), 0.2),
    "backward Euler, no delay": lambda: Sampled(network(0.0), 0.3),
    "rk4": lambda: Sampled(network(0.0), 0.3, "rk4", substeps=2),
    "rk4 with a delay": lambda: Sampled(network(0.45), 0.3, "rk4", substeps=2),
}
ADAPTIVE: dict[str, Any] = {
    "tsit5": lambda: Sampled(network(0.0), 0.3, "tsit5", rtol=1e-10),
    "taylor": lambda: Sampled(network(0.0), 0.3, "taylor", rtol=1e-10),
    "spectral with a delay": lambda: Sampled(network(0.4), 0.3, "spectral", rtol=1e-10),
    "tsit5 with a delay": lambda: Sampled(network(0.4), 0.3, "tsit5", rtol=1e-10),
}


def numbers(batch: tuple[int, ...] = ()) -> tuple[np.ndarray, ...]:
    """x, s0 and weights of r and s in the objective."""
    rng = np.random.default_rng(1)
    return tuple(rng.standard_normal((*first, *batch, n)) for first, n in (((N,), M), ((), D), ((N,), D), ((N,), D)))


def in_torch(cell: System) -> tuple[System, dict[str, torch.Tensor]]:
    weights = {name: torch.tensor(value, requires_grad=True) for name, value in cell.weights().items()}
    return cell.with_weights(weights), weights


def close(got: Any, expected: Any, bound: float = 1e-11) -> None:
    got, expected = (np.asarray(value.detach() if torch.is_tensor(value) else value) for value in (got, expected))
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= bound * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("kind", [*SYSTEMS, *ADAPTIVE])
def test_the_gradients_are_those_of_automatic_differentiation(kind: str, batch: tuple[int, ...]) -> None:
    cell = (SYSTEMS | ADAPTIVE)[kind]()
    x, s0, of_r, of_s = numbers(batch)
    own, weights = in_torch(SYSTEMS[kind]() if kind in SYSTEMS else Sampled(cell.model, 0.3, "tsit5", rtol=1e-10))
    inputs = [torch.tensor(value, requires_grad=True) for value in (x, s0)]
    traj = run(own, *inputs)
    ((torch.tensor(of_r) * traj.r**2).sum() + (torch.tensor(of_s) * traj.s).sum()).backward()
    back = bptt(cell, x, lambda r: 2 * of_r * r, s0, s_bar=of_s)
    bound = 1e-11 if kind in SYSTEMS else 1e-6
    gradients = back.gradients.weights()
    assert type(back.gradients) is type(cell)
    assert gradients.keys() == weights.keys()
    for name, value in weights.items():
        close(gradients[name], value.grad, bound)
    close(back.x_bar, inputs[0].grad, bound)
    close(back.s0_bar, inputs[1].grad, bound)
    assert back.psi.shape == back.chi.shape == back.trajectory.s.shape


def test_samples_by_backward_euler_have_the_errors_of_the_canonical_rnn() -> None:
    """D2: with tau = dT both are one recursion; what reaches r[n] alone is the objective's own part."""
    model = network(0.3)
    x, s0, of_r, of_s = numbers()
    one = bptt(Sampled(model, 0.3), x, of_r, s0, s_bar=of_s)
    other = bptt(discretize(model, 0.3), x, of_r, s0, s_bar=of_s)
    close(one.psi, other.psi, 1e-13)
    close(one.x_bar, other.x_bar, 1e-13)
    close(one.s0_bar, other.s0_bar, 1e-13)
    np.testing.assert_array_equal(one.chi, of_r)


@pytest.mark.parametrize("kind", ["its tick alone", "tapped", "backward Euler, two delays", "rk4 with a delay"])
@pytest.mark.parametrize("K", [1, 4, 20])
def test_segments_that_start_from_zero_are_independent_sequences(kind: str, K: int) -> None:
    cell = SYSTEMS[kind]()
    x, s0, of_r, _ = numbers((2,))
    back = bptt(cell, x, lambda r: 2 * of_r * r, s0, segment=K, carry=False)
    parts = [
        bptt(cell, x[at], lambda r, at=at: 2 * of_r[at] * r, s0 if m == 0 else 0 * s0)
        for m, at in enumerate(segments(N, K))
    ]
    for name, value in back.gradients.weights().items():
        close(value, sum(part.gradients.weights()[name] for part in parts))
    close(back.psi, np.concatenate([part.psi for part in parts]))
    close(back.x_bar, np.concatenate([part.x_bar for part in parts]))
    close(back.s0_bar, parts[0].s0_bar)
    np.testing.assert_array_equal(bptt(unroll(cell, K), x, lambda r: 2 * of_r * r, s0).psi, back.psi)


@pytest.mark.parametrize("K", [1, 2, 4])
@pytest.mark.parametrize("kind", ["standard", "tapped"])
def test_a_carried_memory_passes_forward_and_no_error_passes_back(kind: str, K: int) -> None:
    """Tick by tick in torch, the whole state handed on without its history at the end of a segment."""
    cell = SYSTEMS[kind]()
    x, s0, of_r, _ = numbers()
    own, weights = in_torch(cell)
    state, total = own.init(torch.tensor(s0)), torch.zeros((), dtype=torch.float64)

    def cut(part: Any) -> Any:
        if isinstance(part, tuple):
            return type(part)(*map(cut, part)) if hasattr(part, "_fields") else tuple(map(cut, part))
        return None if part is None else part.detach()

    for n in range(N):
        state = own.step(cut(state) if n % K == 0 else state, torch.tensor(x[n]))
        total = total + (torch.tensor(of_r[n]) * own.readout(state)[1] ** 2).sum()
    total.backward()
    back = bptt(cell, x, lambda r: 2 * of_r * r, s0, segment=K)
    for name, value in weights.items():
        close(back.gradients.weights()[name], value.grad)


def test_a_memory_of_inputs_gets_its_cotangent() -> None:
    cell = SYSTEMS["tapped"]()
    x, s0, of_r, _ = numbers()
    memory = cell.init(s0)
    for n in range(4):
        memory = cell.step(memory, x[n])
    back = bptt(cell, x[4:], of_r[4:], memory)
    own, _ = in_torch(cell)
    leaves = Memory(*(tuple(torch.tensor(a, requires_grad=True) for a in part) for part in memory))
    (torch.tensor(of_r[4:]) * run(own, torch.tensor(x[4:]), leaves).r).sum().backward()
    for part, expected in zip(back.s0_bar, leaves, strict=True):
        for got, leaf in zip(part, expected, strict=True):
            close(got, 0 * leaf if leaf.grad is None else leaf.grad)


def test_a_state_in_the_middle_of_a_segment_can_be_the_start() -> None:
    cell = SYSTEMS["standard"]()
    x, _, of_r, _ = numbers()
    h = np.random.default_rng(8).standard_normal(D)
    back = bptt(unroll(cell, 4), x, of_r, Position(2, StandardState(h)))
    first = bptt(cell, x[:2], of_r[:2], StandardState(h))
    assert isinstance(back.s0_bar, Position)
    close(back.s0_bar.memory.h, first.s0_bar.h)
    close(back.psi[:2], first.psi)


def test_a_map_is_learned_by_its_parameters() -> None:
    def F(s: Any, x: Any, *, gain: Any, leak: Any) -> Any:
        warp = torch.tanh if torch.is_tensor(s) else np.tanh
        return leak * s + gain * warp(s) + x

    rng = np.random.default_rng(3)
    x, s0, of_r = rng.standard_normal((N, D)), rng.standard_normal(D), rng.standard_normal((N, D))
    cell = Map(F, D, input_width=D, parameters={"gain": 0.7, "leak": 0.2})
    back = bptt(cell, x, of_r, s0)
    gain, leak = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.7, 0.2))
    own = Map(F, D, input_width=D, parameters={"gain": gain, "leak": leak})
    inputs = [torch.tensor(value, requires_grad=True) for value in (x, s0)]
    (run(own, *inputs).r * torch.tensor(of_r)).sum().backward()
    close(back.gradients.weights()["gain"], gain.grad, 1e-9)
    close(back.gradients.weights()["leak"], leak.grad, 1e-9)
    close(back.x_bar, inputs[0].grad, 1e-9)
    close(back.s0_bar, inputs[1].grad, 1e-9)


def test_a_torch_module_is_learned_as_torch_learns_it() -> None:
    module = torch.nn.GRUCell(M, D).double()
    cell = Map.from_module(module)
    x, s0, of_r, _ = numbers((2,))
    back = bptt(cell, torch.tensor(x), torch.tensor(of_r), torch.tensor(s0))
    h, total = torch.tensor(s0), torch.zeros((), dtype=torch.float64)
    for n in range(N):
        h = module(torch.tensor(x[n]), h)
        total = total + (torch.tensor(of_r[n]) * h).sum()
    total.backward()
    for name, value in module.named_parameters():
        close(back.gradients.weights()[name], value.grad)


@pytest.mark.parametrize("kind", ["its tick alone", "standard", "backward Euler"])
def test_the_gradients_of_tensors_can_be_differentiated_again(kind: str) -> None:
    own, weights = in_torch(SYSTEMS[kind]())
    x, s0, of_r, _ = (torch.tensor(value) for value in numbers())
    name, leaf = next(iter(weights.items()))
    value = bptt(own, x, lambda r: 2 * of_r * r, s0).gradients.weights()[name].sum()
    (first,) = torch.autograd.grad((of_r * run(own, x, s0).r ** 2).sum(), leaf, create_graph=True)
    close(torch.autograd.grad(value, leaf)[0], torch.autograd.grad(first.sum(), leaf)[0], 1e-9)


def test_a_gradient_that_overflows_is_told() -> None:
    cell = StandardRNN(2.0, 1.0, 0.0, activation="identity")
    r_bar = np.zeros(1100)
    r_bar[-1] = 1.0
    with pytest.raises(SimulationError, match="the gradients overflowed"):
        bptt(cell, np.zeros(1100), r_bar)


def test_the_gradients_of_samples_are_clipped_too() -> None:
    x, s0, of_r, _ = numbers()
    gradients = bptt(SYSTEMS["backward Euler"](), x, 100 * of_r, s0).gradients
    shorter, before = clip(gradients, 0.5)
    assert before > 0.5
    assert norm(shorter) == pytest.approx(0.5)
    np.testing.assert_allclose(shorter.model.B, 0.5 / before * gradients.model.B, rtol=1e-14)


def test_what_has_no_cotangent_says_why() -> None:
    x, s0, of_r, _ = numbers()
    with pytest.raises(ValueError, match=r"cell: expected a System, got a layer, StandardRNN; its cell\(\) is one"):
        bptt(nn.StandardRNN(M, D), x, of_r)
    with pytest.raises(ValueError, match="r_bar: expected finite numbers, got an array that holds NaN"):
        bptt(SYSTEMS["standard"](), x, np.nan * of_r, s0)

    class InNumpy(Leaky):
        def step(self, state: Any, x: Any) -> Any:
            return np.asarray(self.keep, dtype=float) * state + np.asarray(x, dtype=float) @ np.asarray(self.W).T

    with pytest.raises(ValueError, match="cell: expected a step that runs on tensors, or a step_vjp of its own"):
        bptt(InNumpy(np.ones(D), matrices()[2]), x, of_r, s0)
    assert isinstance(SYSTEMS["tapped"]().settled(), CanonicalRNN)
