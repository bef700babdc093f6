"""Gradient flow through gated cells: closed-form Jacobians against automatic differentiation, and the carousel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tests.analysis.gated_cells import D, M, cells, in_torch

from ode2rnn import bptt, run
from ode2rnn.analysis import gradient_flow

N = 12
KINDS = tuple(cells())


def inputs(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((N, M))


def later_states(cell: Any, x: np.ndarray, start: int, change: torch.Tensor) -> torch.Tensor:
    """(s, v)[start], moved by ``change``, and every later one, side by side in a row each."""
    own = in_torch(cell)
    state = own.init(torch.zeros(cell.width, dtype=torch.float64))
    states = []
    for n, seen in enumerate(seen_by(own, x)):
        state = own.step(state, seen)
        if n == start:
            d = cell.width
            parts = (change,) if len(state) == 1 else (change[:d], change[d:])
            state = type(state)(*(value + part for value, part in zip(state, parts, strict=True)))
        if n >= start:
            states.append(torch.cat(tuple(state)))
    return torch.stack(states)


def seen_by(cell: Any, x: np.ndarray) -> torch.Tensor:
    """What the ticks of a cell with tensors see of the inputs."""
    return getattr(cell, "prepare", lambda inputs: inputs)(torch.tensor(x))


def state_width(cell: Any) -> int:
    return sum(len(part) for part in cell.init(np.zeros(cell.width)))


@pytest.mark.parametrize("start", [0, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_the_products_are_those_of_automatic_differentiation(kind: str, start: int) -> None:
    cell, x = cells()[kind], inputs()
    flow = gradient_flow(cell, x, start=start, singular=N)
    zero = torch.zeros(state_width(cell), dtype=torch.float64)
    exact = torch.autograd.functional.jacobian(lambda change: later_states(cell, x, start, change), zero).numpy()
    assert exact.shape == (N - start, state_width(cell), state_width(cell))
    np.testing.assert_allclose(flow.norms, np.linalg.norm(exact, axis=(1, 2)), rtol=1e-12)
    values = np.linalg.svd(exact[flow.singular_lags], compute_uv=False)
    known = np.isfinite(flow.log_singular)
    assert known[:3].any(axis=1).all()
    np.testing.assert_allclose(np.exp(flow.log_singular)[known], values[known], rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.startswith("GRU")])
def test_psi_and_chi_are_those_of_the_analytic_backward(kind: str) -> None:
    cell, x = cells()[kind], inputs(2)
    v = run(cell, x).r
    r_bar = np.random.default_rng(5).standard_normal(v.shape)
    flow, back = gradient_flow(cell, x, r_bar=r_bar), bptt(cell, x, r_bar)
    np.testing.assert_allclose(flow.psi_norms, np.linalg.norm(back.psi, axis=1), rtol=1e-13)
    np.testing.assert_allclose(flow.chi_norms, np.linalg.norm(back.chi, axis=1), rtol=1e-13)
    last = gradient_flow(cell, x)
    ones = bptt(cell, x, np.concatenate([np.zeros_like(v[1:]), np.ones_like(v[:1])]))
    np.testing.assert_allclose(last.psi_norms, np.linalg.norm(ones.psi, axis=1), rtol=1e-13)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("GRU")])
def test_psi_of_a_gru_is_that_of_automatic_differentiation(kind: str) -> None:
    cell, x = cells()[kind], inputs(2)
    r_bar = np.random.default_rng(5).standard_normal((N, D))
    own, state, seen = in_torch(cell), None, []
    state = own.init(torch.zeros(D, dtype=torch.float64))
    for row in torch.tensor(x):
        (v,) = own.step(state, row)
        v = v + torch.zeros(D, dtype=torch.float64, requires_grad=True)
        v.retain_grad()
        seen.append(v)
        state = type(state)(v)
    (torch.stack(seen) * torch.tensor(r_bar)).sum().backward()
    flow = gradient_flow(cell, x, r_bar=r_bar)
    exact = [float(torch.linalg.vector_norm(v.grad)) for v in seen]
    np.testing.assert_allclose(flow.psi_norms, exact, rtol=1e-12)
    np.testing.assert_array_equal(flow.chi_norms, flow.psi_norms)


@pytest.mark.parametrize("kind", KINDS)
def test_the_carousel_is_the_product_of_the_state_gates(kind: str) -> None:
    cell, x = cells()[kind], inputs(4)
    flow = gradient_flow(cell, x, start=2)
    gates = (cell.gates(x).z if kind.startswith("GRU") else cell.gates(x).g_cs)[3:]
    exact = np.linalg.norm(np.concatenate([np.ones((1, D)), np.cumprod(gates, axis=0)]), axis=1)
    np.testing.assert_allclose(np.exp(flow.log_carousel), exact, rtol=1e-13)


def test_where_nothing_goes_through_the_gates_the_flow_is_the_carousel() -> None:
    """T7: without peepholes and feedback d s[n] / d s[l] = prod diag g_cs[k], and v[n] passes nothing on."""
    full = cells()["none"]
    cell = replace(
        full, **{name: np.zeros((D, D)) for name in ("W_vcu", "W_vcs", "W_vdu", "W_vcr")}, b_cs=np.full(D, 5.0)
    )
    x = np.random.default_rng(6).standard_normal((400, M))
    flow = gradient_flow(cell, x, exponents=D)
    values = np.exp(flow.log_singular[-1])
    gates, now = cell.gates(x).g_cs[1:], cell.gates(x)
    through = np.prod(gates, axis=0)
    shown = now.g_cr[-1] * (1 - now.r[-1] ** 2)  # v[n] = g_cr * G_d(s[n]) sees the state too
    np.testing.assert_allclose(np.sort(values[:D]), np.sort(through * np.sqrt(1 + shown**2)), rtol=1e-10)
    assert np.isfinite(flow.log_carousel).all()
    # D tangent vectors span a volume that shrinks as the product of all gates, up to its ends
    half = len(flow.lags) // 2
    ends = np.log(1 + shown**2).sum() / (len(flow.lags) - half)
    shrinks = np.log(gates[half:]).mean(axis=0).sum()
    assert flow.exponents.sum() == pytest.approx(shrinks, abs=ends + 1e-3)
    assert abs(shrinks) > 10 * (ends + 1e-3)
    assert flow.bound == np.inf


def test_an_open_state_gate_keeps_the_error_that_a_half_open_one_loses() -> None:
    x = np.random.default_rng(7).standard_normal((200, M))
    small = {f"W_v{kind}": 0.1 * getattr(cells()["none"], f"W_v{kind}") for kind in ("cu", "cs", "du", "cr")}
    rates = {}
    for bias in (0.0, 6.0):
        cell = replace(cells()["none"], **small, W_xcs=np.zeros((D, M)), b_cs=np.full(D, bias))
        flow = gradient_flow(cell, x)
        rates[bias] = flow.rate
        carousel = np.log(1 / (1 + np.exp(-bias)))
        assert flow.log_carousel[-1] - flow.log_carousel[0] == pytest.approx(
            199 * carousel, abs=0.2 * 199 * abs(carousel) + 0.5
        )
    assert rates[0.0] < -0.3
    assert -0.05 < rates[6.0] < 0.01


def test_the_run_may_start_from_a_state_of_its_own() -> None:
    cell, x = cells()["augmented"], inputs()
    before = run(cell, x[:5])
    state = cell.State(before.s[-1], before.r[-1])
    flow = gradient_flow(cell, x, s0=state)
    np.testing.assert_array_equal(flow.log_norms[0], 0.5 * np.log(state_width(cell)))
    assert not np.allclose(flow.log_norms, gradient_flow(cell, x).log_norms)


def test_tensors_are_taken() -> None:
    cell, x = cells()["augmented"], inputs()
    tensors, plain = gradient_flow(in_torch(cell), torch.tensor(x)), gradient_flow(cell, x)
    np.testing.assert_array_equal(tensors.log_norms, plain.log_norms)
    np.testing.assert_array_equal(tensors.psi_norms, plain.psi_norms)


def test_bad_arguments_are_refused_by_name() -> None:
    cell, x = cells()["projection"], inputs()
    with pytest.raises(ValueError, match="x: expected one sequence"):
        gradient_flow(cell, np.zeros((N, 2, M)))
    with pytest.raises(ValueError, match=r"r_bar: expected shape \(12, 3\), got \(12, 4\)"):
        gradient_flow(cell, x, r_bar=np.zeros((N, D)))
    with pytest.raises(ValueError, match="x: expected at least 3 samples, got 2"):
        gradient_flow(cell, x[:2])
