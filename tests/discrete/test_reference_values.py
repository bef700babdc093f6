"""R4, R9 to R12: what sampling does to stability and accuracy, by running the recursions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize
from tests.discrete.networks import random_network

from ode2rnn import AdditiveModel, CanonicalRNN, ContinuousRNN, TappedRNN, discretize, run

Cell = CanonicalRNN | TappedRNN


# R4: u' = -u(t - 1), history 1; s[-1] = u(0), so that sample n is u((n + 1) h)


@pytest.mark.parametrize(
    ("scheme", "sign", "errors"),
    [
        ("forward_euler", 1, ["2.884e-02", "1.264e-02", "2.257e-03", "2.198e-04"]),
        ("backward_euler", -1, ["1.597e-02", "9.398e-03", "2.127e-03", "2.185e-04"]),
    ],
)
@pytest.mark.parametrize("term", ["state", "readout"])
def test_both_euler_rules_make_the_errors_of_r4(scheme: str, sign: int, errors: list[str], term: str) -> None:
    model = (
        AdditiveModel(state=[(-1.0, 1.0)])
        if term == "state"
        else ContinuousRNN(0.0, -1.0, None, None, tau=1.0, activation="identity")
    )
    exact = 10493 / 518400
    for h, expected in zip((0.1, 0.05, 0.01, 0.001), errors, strict=True):
        error = run(discretize(model, h, scheme), round(10 / h), s0=1.0).s[-1, 0] - exact
        assert f"{sign * error:.3e}" == expected
    assert error / 0.001 == pytest.approx(sign * 0.219, abs=1e-3)


# R9: s' = -a s(t - 1), sampled with m steps a delay


def growth(cell: Cell, ticks: int) -> float:
    """How much larger the state gets from the second third of a run to the last."""
    s = np.abs(run(cell, 3 * ticks, s0=1.0).s[:, 0])
    return float(s[2 * ticks :].max() / s[ticks : 2 * ticks].max())


@pytest.mark.parametrize("m", [1, 2, 5, 10, 100])
@pytest.mark.parametrize("scheme", ["forward_euler", "backward_euler"])
def test_a_sampled_delay_loses_stability_at_the_gain_of_r9(scheme: str, m: int) -> None:
    printed = {
        "forward_euler": {1: 1.0, 2: 1.23607, 5: 1.42315, 10: 1.49460, 100: 1.56297},
        "backward_euler": {1: 2.0, 2: 2.0, 5: 1.73648, 10: 1.65159, 100: 1.57867},
    }[scheme][m]
    angle = m * np.pi / (2 * m + 1) if scheme == "forward_euler" else (m - 1) * np.pi / (2 * m - 1)
    a = 2 * m * np.cos(angle)
    assert round(a, 5) == printed
    for factor, grows in ((0.995, False), (1.005, True)):
        cell = discretize(AdditiveModel(state=[(-factor * a, 1.0)]), 1.0 / m, scheme)
        assert (growth(cell, 40 * m + 60) > 1) is grows


# R10, R11: the canonical map of A = -I, B = W with tau_0 = dT


def canonical(W: object, dt: float) -> CanonicalRNN:
    W = np.atleast_2d(np.asarray(W, dtype=float))
    cell = discretize(ContinuousRNN(-np.eye(len(W)), W, None, None, tau=dt), dt)
    assert isinstance(cell, CanonicalRNN)
    return cell


@pytest.mark.parametrize("w", [-1.5, -2.0, -3.0])
def test_the_canonical_rnn_loses_stability_by_a_sign_flip_r10(w: float) -> None:
    threshold = 2 / (abs(w) - 1)
    for factor, grows in ((0.99, False), (1.01, True)):
        h = factor * threshold
        s = run(canonical(w, h), 50, s0=1e-6).s[:, 0]
        ratios = s[1:] / s[:-1]
        np.testing.assert_allclose(ratios, (1 + h * w) / (1 + h), rtol=1e-8)
        assert (ratios < 0).all()
        assert (np.abs(s[-1]) > np.abs(s[0])) == grows


ROTATION = [[0.5, -2.0], [2.0, 0.5]]


def amplitude(cell: Cell, ticks: int = 20_000) -> float:
    """The largest component over the last tenth of a long run."""
    s0 = np.full(cell.width, 0.3)
    return float(np.abs(run(cell, ticks, s0).s[-ticks // 10 :]).max())


@pytest.mark.parametrize(("dt", "expected"), [(0.305, 0.0), (0.31, 0.0910), (1.0, 1.3022)])
def test_the_rotating_network_of_r11_dies_out_or_oscillates(dt: float, expected: float) -> None:
    # the orbit never closes: a finite window's largest component is up to 1.3e-4 below the supremum (1.30233 at 1.0)
    assert amplitude(canonical(ROTATION, dt)) == pytest.approx(expected, abs=1.5e-4)


def test_the_rotating_network_of_r11_loses_stability_at_its_threshold() -> None:
    threshold = 2 * (1 - 0.5) / (0.5**2 + 2**2 - 1)
    assert f"{threshold:.7f}" == "0.3076923"
    for factor, grows in ((1 - 1e-4, False), (1 + 1e-4, True)):
        size = np.linalg.norm(run(canonical(ROTATION, factor * threshold), 1000, s0=[1e-6, 0.0]).s, axis=1)
        assert (size[-1] > size[0]) == grows


def test_forward_euler_loses_the_rotating_network_of_r11_earlier() -> None:
    threshold = 0.2352941  # h* = 2 (1 - Re w) / |w - 1|^2
    model = ContinuousRNN(-np.eye(2), ROTATION, None, None)
    for h, grows in ((threshold - 1e-5, False), (threshold + 1e-5, True)):
        size = np.linalg.norm(run(discretize(model, h, "forward_euler"), 5000, s0=[1e-6, 0.0]).s, axis=1)
        assert (size[-1] > size[0]) == grows


@pytest.mark.parametrize(("dt", "expected"), [(1.02, 0.19960), (2.0, 1.28785)])
def test_the_scalar_network_of_r11_settles_on_a_period_of_two(dt: float, expected: float) -> None:
    s = run(canonical(-3.0, dt), 5000, s0=0.1).s[-4:, 0]
    np.testing.assert_allclose(s[:2], s[2:], rtol=0, atol=1e-12)
    np.testing.assert_allclose(s[0], -s[1], rtol=0, atol=1e-12)
    # -s = (s + dT w tanh s) / (1 + dT)
    root = optimize.brentq(lambda s: (2 + dt) * s - 3 * dt * np.tanh(s), 0.1, 2.0, xtol=1e-15)
    assert abs(s[0]) == pytest.approx(root, abs=1e-13)
    assert root == pytest.approx(expected, abs=1.1e-5)  # at dT = 2 the root is 1.2878395


def test_the_scalar_network_of_r11_rests_below_its_threshold() -> None:
    assert amplitude(canonical(-3.0, 0.99)) < 1e-12


# R12: for A = -I the canonical and the exponential map are forward Euler with another step


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dt", [0.01, 0.3, 1.0, 5.0])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
@pytest.mark.parametrize("scheme", ["implicit_linear", "exponential"])
def test_with_a_equal_to_minus_one_a_scheme_is_forward_euler_with_a_shorter_step_r12(
    scheme: str, activation: str, dt: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    B, phi = rng.standard_normal((4, 4)) / 2, rng.standard_normal(4)
    model = ContinuousRNN(-np.eye(4), B, None, phi, activation=activation)
    step = dt / (1 + dt) if scheme == "implicit_linear" else -np.expm1(-dt)
    one, other = discretize(model, dt, scheme), discretize(model, step, "forward_euler")
    assert type(one) is type(other) is CanonicalRNN
    for name in ("W_s", "W_r", "theta_s"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=0, atol=1e-15)
    starts = rng.uniform(-1, 1, (200, 4))  # one tick from each
    np.testing.assert_allclose(run(one, 1, starts).s, run(other, 1, starts).s, rtol=0, atol=1e-15)


def test_the_identity_of_r12_holds_along_a_whole_run() -> None:
    given = random_network(0)
    model = ContinuousRNN(-np.eye(3), given.B, None, given.phi)
    for scheme, step in (("implicit_linear", 0.5 / 1.5), ("exponential", -np.expm1(-0.5))):
        one = run(discretize(model, 0.5, scheme), 100, s0=[0.1, 0.5, -1.0])
        other = run(discretize(model, step, "forward_euler"), 100, s0=[0.1, 0.5, -1.0])
        np.testing.assert_allclose(one.s, other.s, rtol=0, atol=1e-15)
