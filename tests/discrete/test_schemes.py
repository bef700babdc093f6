"""discretize: D1 to D4 and D10, each scheme against its formula, scipy and the properties all of them share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import inv
from scipy.signal import cont2discrete
from tests.discrete.networks import random_network, several_delays, weights_by_hand

from ode2rnn import (
    ALIASES,
    SCHEMES,
    AdditiveModel,
    CanonicalRNN,
    Circulant,
    ContinuousRNN,
    TappedRNN,
    discretize,
    run,
)

NAMES = sorted({*SCHEMES, *ALIASES})
# what scipy calls each of our own names; its names are ours
SCIPY = {"backward_euler": "backward_diff", "implicit_linear": "backward_diff", "forward_euler": "euler"}
SCIPY |= {"exponential": "zoh", "tustin": "bilinear", "trapezoidal": "bilinear"}
# zoh holds u[n] forward, so that it acts one sample later than our x[n], which holds on (t[n-1], t[n]]
ADVANCE = {"zoh": 1}


def alpha_for(name: str) -> float | None:
    return 0.3 if name == "gbt" else None


def by_lag(W: Any) -> dict[int, np.ndarray]:
    return W if isinstance(W, dict) else {0: W}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dt", [0.01, 0.5, 3.0])
def test_backward_euler_is_the_formula_of_d4(seed: int, dt: float) -> None:
    model = random_network(seed, tau=dt)
    cell = discretize(model, dt)
    W_s = inv(np.eye(3) - dt * model.A)
    assert isinstance(cell, CanonicalRNN)
    assert cell.lag == 1
    assert cell.dt == dt
    for got, want in (
        (cell.W_s, W_s),
        (cell.W_r, dt * W_s @ model.B),
        (cell.W_x, dt * W_s @ model.C),
        (cell.theta_s, dt * W_s @ model.phi),
    ):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-15 * max(1.0, np.abs(want).max()) * 4)


@pytest.mark.parametrize("seed", range(3))
def test_the_canonical_recursion_solves_d1_at_every_sample(seed: int) -> None:
    dt = 0.4
    model = random_network(seed, tau=dt)
    x = np.random.default_rng(seed).standard_normal((30, 2))
    s = np.concatenate([np.zeros((1, 3)), run(discretize(model, dt), x).s])
    rate = s[1:] @ model.A.T + np.tanh(s[:-1]) @ model.B.T + x @ model.C.T + model.phi
    np.testing.assert_allclose((s[1:] - s[:-1]) / dt, rate, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dt", [0.05, 0.7])
def test_linear_weights_are_those_of_scipys_cont2discrete(name: str, dt: float) -> None:
    # the response to one input sample, lag by lag: C A^k B of scipy's realisation, which has another state
    model = random_network(7)
    method = SCIPY.get(name, name)
    A, B, C, D, _ = cont2discrete((model.A, model.C, np.eye(3), np.zeros((3, 2))), dt, method, alpha_for(name))
    expected = [D, *(C @ np.linalg.matrix_power(A, k) @ B for k in range(6))][ADVANCE.get(method, 0) :]
    linear = AdditiveModel(state=[(model.A, 0.0)], input=[(model.C, 0.0)])
    cell = discretize(linear, dt, name, alpha_for(name))
    np.testing.assert_allclose(cell.W_s[1], A, rtol=0, atol=1e-15)
    response, responses = np.zeros((3, 2)), []
    for k in range(5):
        response = cell.W_s[1] @ response + cell.W_x.get(k, 0.0)
        responses.append(response)
    np.testing.assert_allclose(responses, expected[:5], rtol=0, atol=2e-15)


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_an_alias_gives_the_same_cell_as_the_name(alias: str) -> None:
    model = random_network(1, tau=0.2)
    one, other = discretize(model, 0.1, alias), discretize(model, 0.1, ALIASES[alias])
    for field in ("W_s", "W_r", "W_x", "theta_s"):
        np.testing.assert_equal(getattr(one, field), getattr(other, field))


@pytest.mark.parametrize("weight", ["0", "0.5", "1"])
def test_gbt_contains_forward_euler_tustin_and_backward_euler(weight: str) -> None:
    model = random_network(2, tau=0.2)
    named = {"0": "forward_euler", "0.5": "tustin", "1": "backward_euler"}[weight]
    one, other = discretize(model, 0.1, "gbt", alpha=float(weight)), discretize(model, 0.1, named)
    assert type(one) is type(other)
    for field in ("W_s", "W_r", "W_x", "theta_s"):
        np.testing.assert_equal(getattr(one, field), getattr(other, field))


# the contract of the registry: a new scheme meets all of these


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("dt", [0.1, 1.0])
def test_every_scheme_has_the_weights_of_its_formula(name: str, dt: float) -> None:
    A = random_network(3).A
    got = SCHEMES[name].rule(A, dt, 0.3)
    for part, want in zip(got, weights_by_hand(name, A, dt, 0.3), strict=True):
        np.testing.assert_allclose(np.zeros((3, 3)) if part is None else part, want, rtol=0, atol=2e-15)


@pytest.mark.parametrize("name", SCHEMES)
def test_every_scheme_rests_where_the_differential_equation_rests(name: str) -> None:
    # I - W_s = -(P_0 + P_1) A: with u = -A s constant, s stays
    A, dt = random_network(4).A, 0.6
    W_s, P_0, P_1 = SCHEMES[name].rule(A, dt, 0.3)
    total = sum(P for P in (P_0, P_1) if P is not None)
    np.testing.assert_allclose(np.eye(3) - W_s, -total @ A, rtol=0, atol=2e-15)


@pytest.mark.parametrize("name", SCHEMES)
def test_every_scheme_takes_a_singular_a(name: str) -> None:
    # pure integration: the sum of both weights of u is dt
    W_s, P_0, P_1 = SCHEMES[name].rule(np.zeros((2, 2)), 0.25, 0.3)
    np.testing.assert_allclose(W_s, np.eye(2), rtol=0, atol=1e-16)
    np.testing.assert_allclose(sum(P for P in (P_0, P_1) if P is not None), 0.25 * np.eye(2), rtol=0, atol=1e-16)


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("dt", [0.1, 2.0])
def test_every_scheme_gives_the_same_weights_in_torch(name: str, dt: float) -> None:
    A = random_network(5).A
    for one, other in zip(SCHEMES[name].rule(A, dt, 0.3), SCHEMES[name].rule(torch.tensor(A), dt, 0.3), strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_allclose(one, other.numpy(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_every_scheme_steps_a_model_of_several_delays_as_written_out_by_hand(name: str, activation: str) -> None:
    dt = 0.3
    given = several_delays(6, dt)
    model = AdditiveModel(given.state, given.readout, given.input, given.phi, activation)
    value = model.activation.value
    x = np.random.default_rng(6).standard_normal((12, 2))
    s0 = np.array([0.4, -0.2, 0.1])
    traj = run(discretize(model, dt, name, 0.3 if name == "gbt" else None), x, s0)

    W_s, P_0, P_1 = weights_by_hand(name, model.state[0].matrix, dt, 0.3)
    s = dict.fromkeys(range(-10, 0), s0)

    def u(n: int) -> np.ndarray:
        total = model.phi.copy()
        for matrix, delay in model.state[1:]:
            total += matrix @ s[n - round(delay / dt)]
        for matrix, delay in model.readout:
            lag = round(delay / dt)
            lag = max(lag, 1) if SCHEMES[name].late else lag
            total += matrix @ value(s[n - lag])
        for matrix, delay in model.input:
            k = n - round(delay / dt)
            total += matrix @ (x[k] if k >= 0 else np.zeros(2))
        return total

    for n in range(len(x)):
        known = W_s @ s[n - 1] + P_1 @ u(n - 1)
        s[n] = s[n - 1]
        for _ in range(100):  # P_0 B contracts
            s[n] = known + P_0 @ u(n)
        np.testing.assert_allclose(traj.s[n], s[n], rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", SCHEMES)
def test_a_circulant_term_is_sampled_as_its_dense_matrix(name: str) -> None:
    ring = Circulant.from_stencil([0.5, -1.5, 0.3], shape=(5,))
    rng = np.random.default_rng(8)
    B = 0.3 * rng.standard_normal((5, 5))
    alpha = 0.3 if name == "gbt" else None
    cells = [
        discretize(AdditiveModel(state=[(A, 0.0), (A, 0.2)], readout=[(B, 0.1)]), 0.1, name, alpha)
        for A in (ring, np.asarray(ring))
    ]
    np.testing.assert_array_equal(*(run(cell, 20, s0=rng.standard_normal(5) * 0 + 1).s for cell in cells))


# what each scheme is, in its own terms


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dt", [0.05, 0.5, 2.0])
def test_implicit_linear_of_the_ode_is_backward_euler_with_a_delay_of_one_step(seed: int, dt: float) -> None:
    ode, delayed = random_network(seed), random_network(seed, tau=dt)
    x = np.random.default_rng(seed).standard_normal((50, 2))
    one, other = discretize(ode, dt, "implicit_linear"), discretize(delayed, dt)
    assert type(one) is type(other) is CanonicalRNN
    np.testing.assert_array_equal(run(one, x).s, run(other, x).s)


@pytest.mark.parametrize("name", [n for n in SCHEMES if not SCHEMES[n].late and n != "forward_euler"])
def test_an_undelayed_readout_is_implicit_unless_the_scheme_takes_it_late(name: str) -> None:
    cell = discretize(random_network(0), 0.1, name, 0.3 if name == "gbt" else None)
    assert isinstance(cell, TappedRNN)
    assert 0 in cell.W_r


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_forward_euler_reads_the_readout_a_sample_further_back_than_backward_euler(steps: int) -> None:
    model = random_network(0, tau=steps * 0.1)
    forward, backward = discretize(model, 0.1, "forward_euler"), discretize(model, 0.1)
    assert isinstance(forward, TappedRNN)
    assert isinstance(backward, CanonicalRNN)
    assert set(forward.W_r) == {steps + 1}
    assert set(forward.W_x) == {1}
    assert backward.lag == steps
    trapezoidal = discretize(model, 0.1, "tustin")
    assert set(trapezoidal.W_r) == {steps, steps + 1}
    assert set(trapezoidal.W_x) == {0, 1}


@pytest.mark.parametrize("dt", [0.1, 1.0, 4.0])
def test_the_exponential_rule_is_exact_for_a_held_input(dt: float) -> None:
    # s' = -2 s + x, x held: s[n] = e^{-2 dt} s[n-1] + x[n] (1 - e^{-2 dt}) / 2
    model = AdditiveModel(state=[(-2.0, 0.0)], input=[(1.0, 0.0)])
    x = np.random.default_rng(0).standard_normal(20)
    s, exact = 0.0, []
    for value in x:
        s = np.exp(-2 * dt) * s - value * np.expm1(-2 * dt) / 2
        exact.append(s)
    np.testing.assert_allclose(run(discretize(model, dt, "zoh"), x).s[:, 0], exact, rtol=0, atol=1e-15)


@pytest.mark.parametrize("dt", [0.1, 1.0, 4.0])
def test_the_first_order_hold_is_exact_for_an_input_linear_in_time(dt: float) -> None:
    # s' = -s + t, s(0) = 0: s = t - 1 + e^{-t}
    model = AdditiveModel(state=[(-1.0, 0.0)], input=[(1.0, 0.0)])
    t = dt * np.arange(1, 21)
    s = run(discretize(model, dt, "foh"), t).s[:, 0]
    np.testing.assert_allclose(s, t + np.expm1(-t), rtol=1e-14, atol=0)


def test_the_exponential_rule_keeps_its_digits_for_fast_and_for_slow_states() -> None:
    rates = -np.array([1e-12, 1e-6, 1.0, 1e6, 1e12])
    W_s, P_0, P_1 = SCHEMES["foh"].rule(np.diag(rates), 1.0, 0.5)
    phi_1 = np.expm1(rates) / rates
    series = 0.5 + rates[:2] / 6
    phi_2 = np.concatenate([series, (phi_1[2:] - 1) / rates[2:]])
    np.testing.assert_allclose(np.diag(W_s), np.exp(rates), rtol=1e-15)
    np.testing.assert_allclose(np.diag(P_0), phi_2, rtol=1e-12)
    np.testing.assert_allclose(np.diag(P_0 + P_1), phi_1, rtol=1e-12)


def test_fast_and_slow_states_side_by_side_are_not_called_singular() -> None:
    cell = discretize(ContinuousRNN(np.diag([-1.0, -1e18]), np.eye(2), None, None, tau=1.0), 1.0)
    np.testing.assert_allclose(np.diag(cell.W_s), [0.5, 1e-18], rtol=1e-15)


# delays


def test_a_delay_of_three_tenths_is_three_steps_of_a_tenth() -> None:
    exact = random_network(0, tau=0.3)
    rounded = random_network(0, tau=3 * 0.1)
    assert exact.tau != rounded.tau
    assert discretize(exact, 0.1).lag == discretize(rounded, 0.1).lag == 3
    assert discretize(random_network(0, tau=1 / 3 + 1e-16), 1 / 3).lag == 1


def test_delays_of_inputs_and_states_count_in_steps_as_those_of_readouts() -> None:
    cell = discretize(several_delays(0, 0.1), 0.1)
    assert (set(cell.W_s), set(cell.W_r), set(cell.W_x)) == ({1, 2}, {0, 1, 4}, {0, 3})


def test_terms_that_fall_on_one_lag_are_added() -> None:
    model = AdditiveModel(state=[(-1.0, 0.0), (0.5, 0.1)], readout=[(2.0, 0.0), (3.0, 0.1)])
    cell = discretize(model, 0.1, "implicit_linear")
    assert isinstance(cell, CanonicalRNN)
    np.testing.assert_allclose(cell.W_s, [[1.05 / 1.1]], rtol=1e-15)
    np.testing.assert_allclose(cell.W_r, [[0.5 / 1.1]], rtol=1e-15)
