"""What must hold for a gated cell of any size, with any of its parts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gated.cells import in_torch, leaves

from ode2rnn import AugmentedLSTM, LSTMState, bptt, carousel_flow, run
from ode2rnn.gated.augmented import EXTERNAL, LETTERS

PEEPHOLES = st.sampled_from(["full", "diagonal", None])


@st.composite
def problems(draw: Any) -> tuple[AugmentedLSTM, np.ndarray, LSTMState, np.ndarray]:
    """A cell, inputs, a start and weights of v in an objective."""
    sizes = {name: draw(st.integers(1, most)) for name, most in (("N", 7), ("m", 3), ("d", 4), ("d_v", 4), ("L", 5))}
    batch = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    N, m, d, L = (sizes[name] for name in ("N", "m", "d", "L"))
    gated, projected, windowed = (draw(st.booleans()) for _ in range(3))
    d_v = sizes["d_v"] if projected else d
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([0.1, 1.0, 3.0]))
    weights: dict[str, Any] = {}
    for name in LETTERS:
        shape: tuple[int, ...] = {"W_x": (L, d, m) if windowed else (d, m), "W_v": (d, d_v), "W_q": (d_v, d)}.get(
            name[:3], (d,)
        )
        if name.startswith("W_s"):
            kind = draw(PEEPHOLES)
            shape = (d, d) if kind == "full" else (d,)
        absent = name.startswith("W_s") and kind is None
        absent |= (name in EXTERNAL and not gated) or (name == "W_qdr" and not projected)
        weights[name] = None if absent else scale * rng.standard_normal(shape)
    x = rng.standard_normal((N, *batch, m))
    s0 = LSTMState(rng.standard_normal((*batch, d)), rng.standard_normal((*batch, d_v)))
    return AugmentedLSTM(**weights), x, s0, rng.standard_normal((N, *batch, d_v))


@settings(max_examples=60, deadline=None)
@given(problems())
def test_the_backward_pass_is_automatic_differentiation(problem: Any) -> None:
    cell, x, s0, of_v = problem

    def by_autograd(x: Any) -> dict[str, Any]:
        own, inputs = in_torch(cell, grad=True), torch.tensor(x, requires_grad=True)
        start = LSTMState(*(torch.tensor(value, requires_grad=True) for value in s0))
        (torch.tensor(of_v) * run(own, inputs, start).r).sum().backward()
        found = {name: W.grad for name, W in leaves(own).items()}
        return found | {"x": inputs.grad, "s": start.s.grad, "v": start.v.grad}

    # large weights amplify rounding: what a change of the inputs in their last digit does is not to be told apart
    expected, nearby = by_autograd(x), by_autograd(x * (1 + 2.0**-52))
    back = bptt(cell, x, of_v, s0)
    got = {name: getattr(back.gradients, name) for name in leaves(cell)}
    got |= {"x": back.x_bar, "s": back.s0_bar.s, "v": back.s0_bar.v}
    for name, want in expected.items():
        assert got[name].shape == tuple(want.shape), name
        bound = 1e-12 * max(1.0, float(want.abs().max())) + 8 * float((nearby[name] - want).abs().max())
        np.testing.assert_allclose(got[name], want, rtol=0, atol=bound)


@settings(max_examples=60, deadline=None)
@given(problems(), st.integers(0, 6))
def test_a_run_in_two_parts_is_the_run(problem: Any, cut: int) -> None:
    cell, x, s0, _ = problem
    if cell.context > 1 or not 0 < cut < len(x):
        return
    whole, first = run(cell, x, s0), run(cell, x[:cut], s0)
    rest = run(cell, x[cut:], LSTMState(first.s[-1], first.r[-1]))
    np.testing.assert_array_equal(whole.s, np.concatenate([first.s, rest.s]))
    np.testing.assert_array_equal(whole.r, np.concatenate([first.r, rest.r]))


@settings(max_examples=60, deadline=None)
@given(problems())
def test_states_grow_by_one_a_tick_and_the_carousel_never_amplifies(problem: Any) -> None:
    cell, x, s0, _ = problem
    traj = run(cell, x, s0)
    ticks = np.arange(1, len(x) + 1).reshape((-1, *(1,) * (traj.s.ndim - 1)))
    assert (np.abs(traj.s) <= np.abs(s0.s) + ticks).all()
    flow = carousel_flow(cell.gates(x, s0))
    assert (flow >= 0).all()
    assert (flow <= 1).all()
    assert (np.diff(flow, axis=0) >= 0).all()


@settings(max_examples=30, deadline=None)
@given(problems())
def test_inputs_past_the_end_are_zeros(problem: Any) -> None:
    cell, x, s0, _ = problem
    longer = run(cell, np.concatenate([x, np.zeros((cell.context, *x.shape[1:]))]), s0)
    np.testing.assert_allclose(longer.s[: len(x)], run(cell, x, s0).s, rtol=0, atol=1e-14)
    one = replace(cell, dt=0.25)
    np.testing.assert_array_equal(run(one, x, s0).t, 0.25 * np.arange(len(x)))
