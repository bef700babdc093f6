"""The backward passes L7 to L11 and X4 to X7 against automatic differentiation and central differences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tests.gated.cells import BATCH, D, M, N, augmented_cell, cells, in_torch, leaves, numbers, vanilla_cell

from ode2rnn import bptt, run
from ode2rnn.discrete.unroll import Position, segments, unroll

CELLS = cells()


def close(got: Any, expected: Any, name: str, bound: float = 1e-12) -> None:
    got, expected = (np.asarray(value.detach() if torch.is_tensor(value) else value) for value in (got, expected))
    assert got.shape == expected.shape, name
    assert np.abs(got - expected).max() <= bound * max(1.0, np.abs(expected).max()), name


def by_autograd(cell: Any, x: Any, s0: Any, of_v: Any, of_s: Any, ticks: Any = None) -> tuple[dict[str, Any], Any, Any]:
    """Gradients of sum of_v v^2 + of_s s by every weight, by x, and by s[-1] and v[-1]: torch through plain steps."""
    own = in_torch(cell, grad=True)
    inputs, *start = (torch.tensor(np.array(value), requires_grad=True) for value in (x, *s0))
    state, seen, total = cell.State(*start), own.prepare(inputs), torch.zeros(())
    for n in range(len(x)):
        state = own.step(state, seen[n])
        total = total + (torch.tensor(of_v[n]) * state.v**2).sum() + (torch.tensor(of_s[n]) * state.s).sum()
    total.backward()
    return {name: W.grad for name, W in leaves(own).items()}, inputs.grad, [value.grad for value in start]


@pytest.mark.parametrize("batch", [(), (BATCH,), (2, 3)])
@pytest.mark.parametrize("name", CELLS)
def test_the_gradients_are_those_of_automatic_differentiation(name: str, batch: tuple[int, ...]) -> None:
    cell = CELLS[name]
    x, s0, of_v, of_s = numbers(cell, batch)
    weights, x_bar, start_bar = by_autograd(cell, x, s0, of_v, of_s)
    back = bptt(cell, x, lambda v: 2 * of_v * v, s0, s_bar=of_s)
    assert type(back.gradients) is type(cell)
    assert back.gradients.dt == cell.dt
    assert leaves(back.gradients).keys() == leaves(cell).keys()
    for letter, expected in weights.items():
        close(getattr(back.gradients, letter), expected, letter)
    close(back.x_bar, x_bar, "x")
    for got, expected, which in zip(back.s0_bar, start_bar, "sv", strict=True):
        close(got, expected, f"s0.{which}")


@pytest.mark.parametrize("name", CELLS)
def test_psi_and_chi_are_the_derivatives_by_every_state_and_readout(name: str) -> None:
    """One number is added to s[n] before the readout of that tick (psi), or to v[n] after it (chi)."""
    cell = in_torch(CELLS[name])
    x, s0, of_v, of_s = (torch.tensor(np.array(a)) if not isinstance(a, tuple) else a for a in numbers(cell))
    s0 = cell.State(*(torch.tensor(value) for value in s0))
    back = bptt(cell, x, lambda v: 2 * of_v * v, s0, s_bar=of_s)
    seen = cell.prepare(x)
    for n in (0, N // 2, N - 1):
        ds = torch.zeros(BATCH, cell.width, dtype=torch.float64, requires_grad=True)
        dv = torch.zeros(BATCH, cell.readout_width, dtype=torch.float64, requires_grad=True)
        state, total = s0, torch.zeros(())
        for k in range(N):
            past, state = state, cell.step(state, seen[k])
            if k == n:
                state = cell.State(*_moved(cell, past, state, seen[k], ds))
                state = cell.State(state.s, state.v + dv)
            total = total + (of_v[k] * state.v**2).sum() + (of_s[k] * state.s).sum()
        psi, chi = torch.autograd.grad(total, (ds, dv))
        close(back.psi[n], psi, "psi")
        close(back.chi[n], chi, "chi")


def _moved(cell: Any, past: Any, state: Any, x: Any, ds: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """s[n] + ds, and the readout v[n] of that state, written out again (L4 to L6, X3)."""
    s = state.s + ds
    rows = [x] if cell.W_xcr.ndim == 2 else list(x.unbind(-2))
    inputs = [cell.W_xcr] if cell.W_xcr.ndim == 2 else list(cell.W_xcr)
    alpha = sum((row @ W.T for row, W in zip(rows, inputs, strict=True)), cell.b_cr + past.v @ cell.W_vcr.T)
    if cell.W_scr is not None:
        alpha = alpha + (s @ cell.W_scr.T if cell.W_scr.ndim == 2 else s * cell.W_scr)
    q = torch.sigmoid(alpha) * torch.tanh(s)
    projection = getattr(cell, "W_qdr", None)
    return s, q if projection is None else q @ projection.T


@pytest.mark.parametrize("name", CELLS)
def test_the_gradients_are_central_differences(name: str) -> None:
    """Along a random direction of all weights, the input and the start together."""
    cell = CELLS[name]
    x, s0, of_v, of_s = numbers(cell, seed=3)
    rng = np.random.default_rng(5)
    way = {letter: rng.standard_normal(W.shape) for letter, W in leaves(cell).items()}
    to_x, to_s, to_v = (rng.standard_normal(value.shape) for value in (x, *s0))

    def E(t: float) -> float:
        moved = replace(cell, **{letter: W + t * way[letter] for letter, W in leaves(cell).items()})
        traj = run(moved, x + t * to_x, cell.State(s0.s + t * to_s, s0.v + t * to_v))
        return float((of_v * traj.r**2).sum() + (of_s * traj.s).sum())

    h = 3e-4
    difference = (8 * (E(h) - E(-h)) - (E(2 * h) - E(-2 * h))) / (12 * h)
    back = bptt(cell, x, lambda v: 2 * of_v * v, s0, s_bar=of_s)
    own = sum(float((W * way[letter]).sum()) for letter, W in leaves(back.gradients).items())
    own += float((back.x_bar * to_x).sum() + (back.s0_bar.s * to_s).sum() + (back.s0_bar.v * to_v).sum())
    assert own == pytest.approx(difference, rel=1e-9, abs=1e-8)


@pytest.mark.parametrize("name", ["vanilla, full peepholes", "augmented, all"])
def test_numpy_and_torch_give_the_same_gradients(name: str) -> None:
    cell = CELLS[name]
    x, s0, of_v, _ = numbers(cell)
    one = bptt(cell, x, of_v, s0)
    other = bptt(in_torch(cell), torch.tensor(x), torch.tensor(of_v), cell.State(*map(torch.tensor, s0)))
    for letter, W in leaves(one.gradients).items():
        assert isinstance(getattr(other.gradients, letter), torch.Tensor)
        close(getattr(other.gradients, letter), W, letter, 1e-13)
    close(other.x_bar, one.x_bar, "x", 1e-13)


def test_the_start_of_a_state_alone_and_shared_inputs_get_cotangents_of_their_own_shape() -> None:
    cell = vanilla_cell()
    x, s0, of_v, _ = numbers(cell)
    shared = bptt(cell, x[:, 0], of_v, s0.s)
    assert shared.x_bar.shape == (N, M)
    assert shared.s0_bar.shape == (BATCH, D)
    alone = [bptt(cell, x[:, 0], of_v[:, k], s0.s[k]) for k in range(BATCH)]
    close(shared.x_bar, sum(b.x_bar for b in alone), "x")
    close(shared.s0_bar, np.stack([b.s0_bar for b in alone]), "s0")
    one_start = cell.State(s0.s[0], s0.v)
    assert bptt(cell, x, of_v, one_start).s0_bar.s.shape == (D,)


@pytest.mark.parametrize("name", ["vanilla, full peepholes", "vanilla, None peepholes", "augmented, gate"])
@pytest.mark.parametrize("torched", [False, True])
def test_the_unrolled_network_is_its_segments_one_by_one(name: str, torched: bool) -> None:
    cell = CELLS[name]
    x, s0, of_v, of_s = numbers(cell)
    if torched:
        cell = in_torch(cell)
        x, of_v, of_s = map(torch.tensor, (x, of_v, of_s))
        s0 = cell.State(*map(torch.tensor, s0))
    whole = bptt(cell, x, of_v, s0, s_bar=of_s, segment=4, carry=False)
    parts = [
        bptt(cell, x[part], of_v[part], s0 if part.start == 0 else None, s_bar=of_s[part]) for part in segments(N, 4)
    ]
    for letter in leaves(cell):
        close(getattr(whole.gradients, letter), sum(getattr(p.gradients, letter) for p in parts), letter, 1e-13)
    join = torch.cat if torched else np.concatenate
    for field in ("x_bar", "psi", "chi"):
        close(getattr(whole, field), join([getattr(p, field) for p in parts]), field, 1e-13)
    close(whole.s0_bar.s, parts[0].s0_bar.s, "s0", 1e-13)


@pytest.mark.parametrize("name", ["vanilla, full peepholes", "augmented, all"])
def test_truncated_errors_stop_at_the_segments_while_the_state_goes_on(name: str) -> None:
    cell = CELLS[name]
    x, s0, of_v, of_s = numbers(cell)
    short = bptt(cell, x, of_v, s0, s_bar=of_s, segment=4)
    np.testing.assert_array_equal(short.trajectory.s, run(cell, x, s0).s)
    later = of_v.copy(), of_s.copy()
    later[0][4:8] = later[1][4:8] = 0.0  # errors outside the second segment cannot reach it, and it is now silent
    assert np.abs(bptt(cell, x, later[0], s0, s_bar=later[1], segment=4).psi[4:8]).max() == 0.0
    np.testing.assert_array_equal(
        bptt(cell, x, of_v, s0, s_bar=of_s, segment=N).psi, bptt(cell, x, of_v, s0, s_bar=of_s).psi
    )
    assert np.abs(short.psi - bptt(cell, x, of_v, s0, s_bar=of_s).psi)[:8].max() > 1e-3


def test_what_does_not_fit_is_refused() -> None:
    cell = augmented_cell("all")
    x, _, of_v, _ = numbers(cell)
    with pytest.raises(ValueError, match=r"r_bar: expected shape \(11, 2, 4\), that of the run, got \(11, 2, 5\)"):
        bptt(cell, x, np.zeros((N, BATCH, D)))
    with pytest.raises(ValueError, match=r"segment: expected a whole number >= 1, got 0"):
        bptt(cell, x, of_v, segment=0)


@pytest.mark.parametrize("behind", [0, 2, 5])
def test_windows_of_an_unrolled_network_see_the_inputs_beyond_their_segment(behind: int) -> None:
    """Against automatic differentiation of a loop that starts every segment from zero and knows all inputs (U3, X1)."""
    cell = in_torch(replace(augmented_cell("all"), behind=behind), grad=True)
    x, s0, of_v, of_s = (torch.tensor(a) if isinstance(a, np.ndarray) else a for a in numbers(cell))
    x.requires_grad_()
    state, total, states = cell.State(*map(torch.tensor, s0)), torch.zeros(()), []
    zero = torch.zeros(BATCH, M, dtype=x.dtype)
    for n in range(N):
        if n and n % 4 == 0:
            state = cell.State(0 * state.s, 0 * state.v)
        window = [x[n + j] if 0 <= n + j < N else zero for j in range(-behind, cell.context - behind)]
        state = cell.step(state, torch.stack(window, -2))
        states.append(state.s)
        total = total + (of_v[n] * state.v).sum() + (of_s[n] * state.s).sum()
    expected = torch.autograd.grad(total, [x, *leaves(cell).values()])
    plain = replace(augmented_cell("all"), behind=behind)
    in_numpy = run(unroll(plain, 4), x.detach().numpy(), Position(0, s0))
    close(in_numpy.s, torch.stack(states), "s in NumPy")
    for back in (
        bptt(unroll(cell, 4), x, of_v, Position(0, cell.State(*map(torch.tensor, s0))), s_bar=of_s),
        bptt(cell, x, of_v, cell.State(*map(torch.tensor, s0)), s_bar=of_s, segment=4, carry=False),
    ):
        close(back.trajectory.s, torch.stack(states), "s")
        for letter, got, want in zip(
            ["x", *leaves(cell)], [back.x_bar, *leaves(back.gradients).values()], expected, strict=True
        ):
            close(got, want, letter)
