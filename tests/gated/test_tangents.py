"""The tangent and the cotangent that every gated cell writes beside its tick, against automatic differentiation."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from tests.gated.cells import (
    D,
    close,
    in_tensors,
    leaves,
    random_input,
    random_state,
    systems,
    tensors,
    vanilla_cell,
)

from ode2rnn import AugmentedLSTM
from ode2rnn.core.systems import states
from ode2rnn.core.systems.system import System

SYSTEMS = systems()
BATCHES: list[tuple[int, ...]] = [(), (2,), (2, 3)]


def entries(state: Any, *place: int) -> Any:
    """One of a batch."""
    return states.mapped(lambda a: a[place], state)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", SYSTEMS)
def test_the_tangent_of_a_tick_is_that_of_forward_differentiation(name: str, batch: tuple[int, ...]) -> None:
    cell = SYSTEMS[name]
    state, along, x = random_state(cell, batch, 1), random_state(cell, batch, 2), random_input(cell, batch)
    d_x = random_input(cell, batch, 6)
    own = in_tensors(cell)
    for given in (None, d_x):
        duals = None if given is None else torch.tensor(given)
        expected = System.step_jvp(own, tensors(state), torch.tensor(x), tensors(along), duals)
        close(cell.step_jvp(state, x, along, given), expected)
        close(own.step_jvp(tensors(state), torch.tensor(x), tensors(along), duals), expected)
    assert type(cell).step_jvp is not System.step_jvp


@pytest.mark.parametrize("name", SYSTEMS)
def test_many_directions_go_with_one_state(name: str) -> None:
    cell = SYSTEMS[name]
    state, along, x = random_state(cell, (4, 1), 1), random_state(cell, (4, 3), 2), random_input(cell, ())
    got = cell.step_jvp(state, x, along)
    for i, k in product(range(4), range(3)):
        one = cell.step_jvp(entries(state, i, 0), x, entries(along, i, k))
        close(entries(got, i, k), one, 1e-14)
    # and with one state and no directions of it, many of the input
    state, still = random_state(cell, (), 1), states.mapped(lambda a: 0 * a, random_state(cell, (2,), 1))
    d_x = random_input(cell, (2,), 6)
    got = cell.step_jvp(state, x, still, d_x)
    for k in range(2):
        close(entries(got, k), cell.step_jvp(state, x, entries(still, k), d_x[k]), 1e-14)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", SYSTEMS)
def test_the_cotangent_of_a_tick_is_that_of_automatic_differentiation(
    name: str, batch: tuple[int, ...], shared: bool
) -> None:
    """By the state, by what the tick sees of the input, and by every weight; with an input that the batch shares."""
    cell = SYSTEMS[name]
    state, bar, x = (
        random_state(cell, batch, 1),
        random_state(cell, batch, 2),
        random_input(cell, () if shared else batch),
    )
    own = in_tensors(cell, grad=True)
    before, row = (
        tensors(state, grad=True),
        torch.tensor(np.broadcast_to(x, (*batch, *x.shape[len(x.shape) - seen(cell) :])).copy(), requires_grad=True),
    )
    after = own.step(before, row)
    total = sum((a * b).sum() for a, b in zip(states.arrays_of(after), states.arrays_of(tensors(bar)), strict=True))
    leaves_ = [*states.arrays_of(before), row, *own.weights().values()]
    found = iter(torch.autograd.grad(total, leaves_, materialize_grads=True, allow_unused=True))
    expected = states.rebuilt(state, found), next(found), dict(zip(own.weights(), found, strict=True))
    for which, (s, v, b) in {
        "numpy": (state, x, bar),
        "torch": (tensors(state), torch.tensor(x), tensors(bar)),
    }.items():
        stepped = cell if which == "numpy" else in_tensors(cell)
        s_bar, x_bar, record = stepped.step_vjp(s, v, b)
        close(s_bar, expected[0])
        close(x_bar, expected[1])
        assert type(record) is type(cell)
        assert list(record.weights()) == list(cell.weights())
        for letter, W in record.weights().items():
            close(W, expected[2][letter])
    assert type(cell).step_vjp is not System.step_vjp


def seen(cell: Any) -> int:
    """The axes of what a tick sees of the input."""
    return 1 if cell.window == (0, 0) else 2


DIFFERENTIATED = ["vanilla, full peepholes", "augmented, all", "augmented, window (2, 3)", "T3", "T5", "T6"]
DIFFERENTIATED += ["GRU, reset_after=True", "GRU, reset_after=False", "sampled, exponential of backward_euler"]


@pytest.mark.parametrize("name", DIFFERENTIATED)
def test_tangent_and_cotangent_can_be_differentiated_again(name: str) -> None:
    cell = SYSTEMS[name]
    state, along, x = random_state(cell, (), 1), random_state(cell, (), 2), random_input(cell, ())
    names = list(cell.weights())

    def both(*given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        rest = iter(given)
        at, way = states.rebuilt(state, rest), states.rebuilt(along, rest)
        row = next(rest)
        own = cell.with_weights(dict(zip(names, rest, strict=True)))
        before, x_bar, record = own.step_vjp(at, row, way)
        moved = own.step_jvp(at, row, way)
        psi, chi = own.errors(at, row, way)
        return (*states.arrays_of(moved), *states.arrays_of(before), x_bar, psi, chi, *record.weights().values())

    arrays = [*states.arrays_of(state), *states.arrays_of(along), x, *cell.weights().values()]
    given = [torch.tensor(a, requires_grad=True) for a in arrays]
    assert torch.autograd.gradcheck(both, given, fast_mode=True)


@pytest.mark.parametrize("name", SYSTEMS)
def test_psi_and_chi_are_the_derivatives_by_the_new_state_and_the_new_readout(name: str) -> None:
    """What is added to s[n] goes into v[n] of the same tick, what is added to v[n] does not come back."""
    cell = SYSTEMS[name]
    state, bar, x = random_state(cell, (2,), 1), random_state(cell, (2,), 2), random_input(cell, (2,))
    psi, chi = cell.errors(state, x, bar)
    if name.startswith("GRU"):
        close((psi, chi), (bar.v, bar.v))
        return
    of_s, of_v = (bar.s[0], bar.v[0]) if name.startswith("sampled") else bar
    close(chi, of_v)
    own, before, row = in_tensors(cell), tensors(state), torch.tensor(x)
    ds = torch.zeros(2, D, dtype=torch.float64, requires_grad=True)
    after = own.step(before, row)
    s = (after.s[0] if name.startswith("sampled") else after.s) + ds
    total = (torch.tensor(of_s) * s).sum() + (torch.tensor(of_v) * shown(own, before, row, s)).sum()
    close(psi, torch.autograd.grad(total, ds))


def shown(cell: Any, before: Any, x: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """v[n] of a state s[n], written out (T5, L5, L6, X1, X3)."""
    if hasattr(cell, "show") and not hasattr(cell, "vanilla"):
        return cell.show(s)
    own = cell.vanilla() if hasattr(cell, "vanilla") else getattr(getattr(cell, "model", None), "cell", cell)
    v = before.v[-1] if isinstance(before.v, tuple) else before.v
    W = own.W_xcr if own.W_xcr.ndim == 3 else own.W_xcr[None]
    rows = x if own.W_xcr.ndim == 3 else x[..., None, :]
    alpha = torch.einsum("ldm,...lm->...d", W, rows) + v @ own.W_vcr.T + own.b_cr
    if own.W_scr is not None:
        alpha = alpha + (s @ own.W_scr.T if own.W_scr.ndim == 2 else s * own.W_scr)
    q = own.recurrent_activation.value(alpha) * own.activation.value(s)
    return q if own.W_qdr is None else q @ own.W_qdr.T


def test_with_no_extension_the_augmented_lstm_is_the_vanilla_lstm_to_the_last_digit() -> None:
    for peephole in ("full", "diagonal", None):
        cell = vanilla_cell(peephole)
        other = AugmentedLSTM.of(cell)
        one = AugmentedLSTM.of(cell, **{k: W[None] for k, W in leaves(cell).items() if k.startswith("W_x")})
        state, along, x = random_state(cell, (2,), 1), random_state(cell, (2,), 2), random_input(cell, (2,))
        for same in (other, one):
            np.testing.assert_array_equal(same.step(state, x), cell.step(state, x))
            np.testing.assert_array_equal(same.step_jvp(state, x, along), cell.step_jvp(state, x, along))
            got, expected = same.step_vjp(state, x, along), cell.step_vjp(state, x, along)
            np.testing.assert_array_equal(got[0], expected[0])
            np.testing.assert_array_equal(got[1], expected[1])
            for letter, W in expected[2].weights().items():
                np.testing.assert_array_equal(getattr(got[2], letter).reshape(W.shape), W)


def test_the_readout_of_the_sampled_lstm_has_its_cotangent() -> None:
    for name in ("sampled, exponential of exponential", "T5", "augmented, all", "GRU, reset_after=True"):
        cell = SYSTEMS[name]
        state, along = random_state(cell, (2,), 1), random_state(cell, (2,), 2)
        rng = np.random.default_rng(3)
        ds, dr = cell.readout_jvp(state, along)
        s_bar, r_bar = rng.standard_normal(ds.shape), rng.standard_normal(dr.shape)
        for of_s in (s_bar, None):
            back = cell.readout_vjp(state, of_s, r_bar)
            pairs = zip(states.arrays_of(back), states.arrays_of(along), strict=True)
            expected = (dr * r_bar).sum() + (0.0 if of_s is None else (ds * of_s).sum())
            assert sum(float((a * b).sum()) for a, b in pairs) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_start_has_its_cotangent(name: str) -> None:
    cell = SYSTEMS[name]
    s0, bar = np.random.default_rng(1).standard_normal((2, D)), random_state(cell, (2,), 2)
    start = torch.tensor(s0, requires_grad=True)
    arrays = states.arrays_of(in_tensors(cell).init(start))
    total = sum((a * b).sum() for a, b in zip(arrays, states.arrays_of(tensors(bar)), strict=True))
    close(cell.init_vjp(s0, bar), torch.autograd.grad(total, start))
