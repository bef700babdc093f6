"""Back-propagation through time, B1 to B3, against automatic differentiation and central differences."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ode2rnn import Activation, CanonicalRNN, SimulationError, TappedRNN, run
from ode2rnn.core.activations import ACTIVATIONS
from ode2rnn.discrete.memory import Memory
from ode2rnn.discrete.unroll import segments, unroll
from ode2rnn.training.gradients.bptt import bptt

D, M, N = 3, 2, 9
NAMES = ("W_s", "W_r", "W_x", "theta_s")


def cell_of(kind: str, seed: int = 0, activation: Any = "tanh") -> CanonicalRNN | TappedRNN:
    rng = np.random.default_rng(seed)

    def matrix(columns: int = D, size: float = 0.3) -> np.ndarray:
        return size * rng.standard_normal((D, columns))

    theta = 0.3 * rng.standard_normal(D)
    canonical = CanonicalRNN(matrix(), matrix(), matrix(M), theta, dt=0.5, activation=activation)
    if kind == "standard":
        return canonical.standard()
    if kind == "canonical":
        return canonical
    if kind == "late":
        return replace(canonical, lag=3)
    if kind == "no input":
        return replace(canonical, W_x=None)
    W_s, W_x = {1: matrix(), 3: matrix(size=0.2)}, {0: matrix(M), 2: matrix(M)}
    W_r = {1: matrix(), 2: matrix(size=0.3)}
    if kind == "implicit":
        W_r = {0: -matrix() @ matrix(), **W_r}
    return TappedRNN(W_s, W_r, W_x, theta, 0.5, activation)


KINDS = ("standard", "canonical", "late", "no input", "tapped", "implicit")


def leaves(cell: CanonicalRNN | TappedRNN) -> dict[str, Any]:
    """Every parameter by name, those of a tapped cell by name and lag."""
    found = {}
    for name in NAMES:
        value = getattr(cell, name)
        if isinstance(value, dict):
            found |= {f"{name}[{lag}]": matrix for lag, matrix in value.items()}
        elif value is not None:
            found[name] = value
    return found


def in_torch(cell: CanonicalRNN | TappedRNN) -> CanonicalRNN | TappedRNN:
    """The same cell with tensors that ask for gradients."""

    def tensor(value: Any) -> Any:
        if isinstance(value, dict):
            return {lag: tensor(matrix) for lag, matrix in value.items()}
        return None if value is None else torch.tensor(value, requires_grad=True)

    return replace(cell, **{name: tensor(getattr(cell, name)) for name in NAMES})


def numbers(cell: CanonicalRNN | TappedRNN, batch: tuple[int, ...] = (), seed: int = 1) -> tuple[Any, Any, Any, Any]:
    """x, s0 and weights of r and s in the objective."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((N, *batch, cell.input_width))
    s0 = rng.standard_normal((*batch, D))
    return x, s0, rng.standard_normal((N, *batch, D)), rng.standard_normal((N, *batch, D))


def objective(s: Any, r: Any, of_r: Any, of_s: Any) -> Any:
    return (of_r * r**2).sum() + (of_s * s).sum()


def close(got: Any, expected: Any, name: str = "", bound: float = 1e-12) -> None:
    got, expected = (np.asarray(value.detach() if torch.is_tensor(value) else value) for value in (got, expected))
    assert got.shape == expected.shape, name
    assert np.abs(got - expected).max() <= bound * max(1.0, np.abs(expected).max()), name


@pytest.mark.parametrize("batch", [(), (2,), (2, 2)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_gradients_are_those_of_automatic_differentiation(kind: str, batch: tuple[int, ...]) -> None:
    cell = cell_of(kind)
    x, s0, of_r, of_s = numbers(cell, batch)
    if kind == "no input":
        x = x[:, ..., :0]
    own = in_torch(cell)
    tensors = [torch.tensor(value, requires_grad=True) for value in (x, s0)]
    traj = run(own, *tensors)
    for state in (traj.s, traj.r):
        state.retain_grad()
    objective(traj.s, traj.r, torch.tensor(of_r), torch.tensor(of_s)).backward()

    back = bptt(cell, x, lambda r: 2 * of_r * r, s0, s_bar=of_s)
    assert type(back.gradients) is type(cell)
    assert (back.gradients.dt, back.gradients.activation) == (cell.dt, cell.activation)
    for name, value in leaves(own).items():
        close(leaves(back.gradients)[name], value.grad, name)
    close(back.s0_bar, tensors[1].grad, "s0")
    if kind == "no input":
        assert back.x_bar is None
    else:
        close(back.x_bar, tensors[0].grad, "x")
    np.testing.assert_array_equal(back.trajectory.s, run(cell, x, s0).s)


@pytest.mark.parametrize("kind", ["standard", "canonical", "tapped"])
def test_psi_and_chi_are_the_derivatives_by_every_state_and_readout(kind: str) -> None:
    """One number is added to s[n] (psi) or to r[n] (chi) as the recursion goes by."""
    cell = cell_of(kind)
    x, s0, of_r, of_s = numbers(cell)
    back = bptt(cell, x, lambda r: 2 * of_r * r, s0, s_bar=of_s)
    eps = 1e-6

    def value(n: int, ds: np.ndarray, dr: np.ndarray) -> float:
        memory = cell.init(s0)
        total = 0.0
        for k in range(N):
            memory = cell.step(memory, x[k])
            if k == n:
                s = memory.s[0] + ds
                r = np.tanh(s) + dr
                memory = Memory((s, *memory.s[1:]), (r, *memory.r[1:]), memory.x)
            total += objective(memory.s[0], memory.r[0], of_r[k], of_s[k])
        return total

    for n in (0, 4, N - 1):
        for i in range(D):
            step = eps * np.eye(D)[i]
            by_s = (value(n, step, 0 * step) - value(n, -step, 0 * step)) / (2 * eps)
            by_r = (value(n, 0 * step, step) - value(n, 0 * step, -step)) / (2 * eps)
            assert back.psi[n, i] == pytest.approx(by_s, rel=1e-8, abs=1e-8)
            assert back.chi[n, i] == pytest.approx(by_r, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradients_are_central_differences(kind: str) -> None:
    cell = cell_of(kind, seed=3)
    x, s0, of_r, of_s = numbers(cell, (2,), seed=4)
    back = bptt(cell, x, lambda r: 2 * of_r * r, s0, s_bar=of_s)
    gradients, eps = leaves(back.gradients), 1e-3

    def value(changed: CanonicalRNN | TappedRNN) -> float:
        traj = run(changed, x, s0)
        return float(objective(traj.s, traj.r, of_r, of_s))

    for name, gradient in gradients.items():
        letter, _, lag = name.partition("[")
        key = int(lag[:-1]) if lag else None
        for index in np.ndindex(gradient.shape):
            total = 0.0
            for move, weight in ((1, 8), (-1, -8), (2, -1), (-2, 1)):  # the error is of order eps^4
                step = np.zeros(gradient.shape)
                step[index] = move * eps
                old = getattr(cell, letter)
                new = old + step if key is None else old | {key: old[key] + step}
                total += weight * value(replace(cell, **{letter: new})) / (12 * eps)
            assert gradient[index] == pytest.approx(total, rel=1e-8, abs=1e-8), name


@pytest.mark.parametrize(
    "activation", [*ACTIVATIONS, Activation("cubic", lambda s: s - s**3 / 9, lambda s: 1 - s**2 / 3)]
)
def test_every_activation_has_its_gradient(activation: Any) -> None:
    cell = cell_of("canonical", activation=activation)
    x, s0, of_r, of_s = numbers(cell)
    own = in_torch(cell)
    traj = run(own, torch.tensor(x), torch.tensor(s0))
    objective(traj.s, traj.r, torch.tensor(of_r), torch.tensor(of_s)).backward()
    back = bptt(cell, x, lambda r: 2 * of_r * r, s0, s_bar=of_s)
    for name, value in leaves(own).items():
        close(leaves(back.gradients)[name], value.grad, name)


@pytest.mark.parametrize("kind", KINDS)
def test_tensors_give_tensors_with_the_same_numbers(kind: str) -> None:
    cell = cell_of(kind)
    x, s0, of_r, _ = numbers(cell, (2,))
    arrays = bptt(cell, x, of_r, s0)
    tensors = bptt(in_torch(cell), torch.tensor(x), torch.tensor(of_r), torch.tensor(s0))
    for name, value in leaves(arrays.gradients).items():
        assert torch.is_tensor(leaves(tensors.gradients)[name])
        close(leaves(tensors.gradients)[name], value, name)
    for name in ("psi", "chi", "s0_bar"):
        close(getattr(tensors, name), getattr(arrays, name), name)
    gradients, x_bar, psi = tensors
    assert gradients is tensors.gradients
    assert x_bar is tensors.x_bar
    assert psi is tensors.psi


def test_the_gradients_of_tensors_can_be_differentiated_again() -> None:
    cell = in_torch(cell_of("canonical"))
    x, s0, of_r, _ = (torch.tensor(value) for value in numbers(cell_of("canonical")))
    direction = torch.ones_like(cell.W_r)
    own = (bptt(cell, x, lambda r: 2 * of_r * r, s0).gradients.W_r * direction).sum()
    (first,) = torch.autograd.grad((of_r * run(cell, x, s0).r ** 2).sum(), cell.W_r, create_graph=True)
    expected = torch.autograd.grad((first * direction).sum(), cell.W_r)[0]
    close(torch.autograd.grad(own, cell.W_r)[0], expected)


@pytest.mark.parametrize("K", [1, 3, 4, 8, 20])
@pytest.mark.parametrize("kind", ["canonical", "late", "tapped", "implicit", "no input"])
def test_segments_that_start_from_zero_are_independent_sequences(kind: str, K: int) -> None:
    cell = cell_of(kind)
    x, s0, of_r, _ = numbers(cell, (2,))
    if kind == "no input":
        x = x[..., :0]
    back = bptt(cell, x, lambda r: 2 * of_r * r, s0, segment=K, carry=False)
    parts = []
    for m, at in enumerate(segments(N, K)):
        parts.append(bptt(cell, x[at], lambda r, at=at: 2 * of_r[at] * r, s0 if m == 0 else 0 * s0))
    for name, value in leaves(back.gradients).items():
        close(value, sum(leaves(part.gradients)[name] for part in parts), name)
    close(back.psi, np.concatenate([part.psi for part in parts]))
    close(back.chi, np.concatenate([part.chi for part in parts]))
    close(back.s0_bar, parts[0].s0_bar)
    np.testing.assert_array_equal(bptt(unroll(cell, K), x, lambda r: 2 * of_r * r, s0).psi, back.psi)
    if back.x_bar is not None:
        close(back.x_bar, np.concatenate([part.x_bar for part in parts]))


@pytest.mark.parametrize("K", [1, 2, 4, 9])
@pytest.mark.parametrize("kind", ["standard", "canonical"])
def test_a_carried_state_passes_forward_and_no_error_passes_back(kind: str, K: int) -> None:
    """Segment by segment in torch, the state handed on without its history."""
    cell = cell_of(kind)
    x, s0, of_r, _ = numbers(cell, (2,))
    own = in_torch(cell)
    state = torch.tensor(s0)
    for at in segments(N, K):
        traj = run(own, torch.tensor(x[at]), state.detach())
        (torch.tensor(of_r[at]) * traj.r**2).sum().backward()
        state = traj.s[-1]
    back = bptt(cell, x, lambda r: 2 * of_r * r, s0, segment=K)
    for name, value in leaves(own).items():
        close(leaves(back.gradients)[name], value.grad, name)
    np.testing.assert_array_equal(back.trajectory.s, run(cell, x, s0).s)


@pytest.mark.parametrize("kind", ["canonical", "late", "tapped"])
def test_a_memory_can_be_the_start_and_gets_its_cotangent(kind: str) -> None:
    """A run in two halves, the second started from the memory of the first, has the gradients of one run."""
    cell = cell_of(kind)
    x, s0, of_r, _ = numbers(cell)
    half = 5
    memory = cell.init(s0)
    for n in range(half):
        memory = cell.step(memory, x[n])
    second = bptt(cell, x[half:], of_r[half:], memory)
    whole = bptt(cell, x, np.concatenate([0 * of_r[:half], of_r[half:]]), s0)
    close(second.psi, whole.psi[half:])
    # the parts of the memory are s[half - 1], r[half - 1] ...: together they are psi just before
    slope = 1 - np.tanh(memory.s[0]) ** 2
    assert isinstance(second.s0_bar, Memory)
    close(second.s0_bar.s[0] + slope * second.s0_bar.r[0], whole.psi[half - 1])


def test_inputs_and_starts_that_are_shared_by_a_batch_get_the_sum_over_it() -> None:
    cell = cell_of("canonical")
    x, _, _, _ = numbers(cell)
    s0 = np.random.default_rng(5).standard_normal((4, D))
    of_r = np.random.default_rng(6).standard_normal((N, 4, D))
    back = bptt(cell, x, of_r, s0)
    parts = [bptt(cell, x, of_r[:, k], s0[k]) for k in range(4)]
    close(back.x_bar, sum(part.x_bar for part in parts))
    shared = bptt(cell, np.stack([x] * 4, axis=1), of_r, s0[0])
    parts = [bptt(cell, x, of_r[:, k], s0[0]) for k in range(4)]
    close(shared.s0_bar, sum(part.s0_bar for part in parts))
    close(bptt(cell, np.stack([x] * 4, axis=1), of_r, s0[:1]).s0_bar, shared.s0_bar[None])


def test_scalars_stand_for_one_unit() -> None:
    cell = CanonicalRNN(0.5, 0.5, 1.0, 0.0)
    back = bptt(cell, [1.0, 2.0], [0.0, 1.0], 0.3)
    assert back.x_bar.shape == (2, 1)
    assert back.s0_bar.shape == ()


def test_bad_arguments_are_refused_by_name() -> None:
    cell = cell_of("canonical")
    x, s0, of_r, _ = numbers(cell)
    with pytest.raises(ValueError, match=r"r_bar: expected shape \(9, 3\), that of the run, got \(8, 3\)"):
        bptt(cell, x, of_r[1:], s0)
    with pytest.raises(ValueError, match="s_bar: expected shape"):
        bptt(cell, x, of_r, s0, s_bar=of_r[:, :1])
    with pytest.raises(ValueError, match="r_bar: expected finite numbers"):
        bptt(cell, x, np.nan * of_r, s0)
    with pytest.raises(ValueError, match="segment: expected a whole number >= 1"):
        bptt(cell, x, of_r, s0, segment=0)
    with pytest.raises(ValueError, match="carry: expected True or False"):
        bptt(cell, x, of_r, s0, segment=2, carry="no")
    with pytest.raises(ValueError, match="cell: expected a System, got str"):
        bptt("cell", x, of_r)
    with pytest.raises(ValueError, match="x: expected shape"):
        bptt(cell, x[:, :1], of_r)


def test_a_gradient_that_overflows_is_told() -> None:
    # the state rests at 0, where the slope is 1; the error doubles at every tick
    cell = CanonicalRNN(0.0, 2.0, 1.0, 0.0, activation="identity")
    r_bar = np.zeros(1100)
    r_bar[-1] = 1.0
    with pytest.raises(SimulationError, match="the gradients overflowed"):
        bptt(cell, np.zeros(1100), r_bar)


def test_the_record_of_gradients_has_a_gradient_for_every_field() -> None:
    record = bptt(cell_of("canonical"), *numbers(cell_of("canonical"))[0::2]).gradients
    assert {field.name for field in fields(record)} == {*NAMES, "dt", "activation", "lag"}


@settings(max_examples=40, deadline=None)
@given(
    d=st.integers(1, 4),
    m=st.integers(1, 3),
    ticks=st.integers(1, 12),
    lag=st.integers(1, 4),
    batch=st.sampled_from([(), (1,), (3,), (2, 1)]),
    K=st.integers(1, 14),
    seed=st.integers(0, 10**6),
)
def test_any_cell_any_length_any_segment(
    d: int, m: int, ticks: int, lag: int, batch: tuple[int, ...], K: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    W_s, W_r = 0.5 * rng.standard_normal((2, d, d))
    W_x, theta = rng.standard_normal((d, m)), rng.standard_normal(d)
    cell = CanonicalRNN(W_s, W_r, W_x, theta, lag=lag)
    x, of_r = rng.standard_normal((ticks, *batch, m)), rng.standard_normal((ticks, *batch, d))
    own = in_torch(cell)
    total = sum((torch.tensor(of_r[at]) * run(own, torch.tensor(x[at])).r ** 2).sum() for at in segments(ticks, K))
    total.backward()
    back = bptt(cell, x, lambda r: 2 * of_r * r, segment=K, carry=False)
    for name, value in leaves(own).items():
        close(leaves(back.gradients)[name], value.grad, name)
    assert back.x_bar.shape == x.shape
    assert back.psi.shape == back.chi.shape == (ticks, *batch, d)
