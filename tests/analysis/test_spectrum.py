"""Stability has exact answers: characteristic roots, poles under sampling, thresholds of sampled loops (C10, D6)."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import lambertw

from ode2rnn import AdditiveModel, ContinuousRNN, SimulationError, discretize, run
from ode2rnn.analysis.spectrum import characteristic_roots, equilibrium, multipliers, pole_image


def lag(a: float, tau: float = 1.0) -> ContinuousRNN:
    return ContinuousRNN(A=0.0, B=-a, C=None, phi=None, tau=tau, activation="identity")


@pytest.mark.parametrize(
    ("a", "root"), [(1.0, -0.318131505204764 + 1.33723570143069j), (1.8, 0.0972149375488 + 1.63035392642657j)]
)
def test_leading_root_of_a_delayed_decay_has_its_known_digits(a, root):
    assert abs(characteristic_roots(lag(a), count=2)[0] - root) < 2e-13


@pytest.mark.parametrize(("a", "b", "tau"), [(-1.0, 0.5, 1.0), (0.3, -1.2, 0.7), (-2.0, -3.0, 2.5), (0.0, -1.0, 17.0)])
def test_roots_are_the_branches_of_lambert_w(a, b, tau):
    model = AdditiveModel(state=[(a, 0.0), (b, tau)])
    found = characteristic_roots(model, count=8)
    branches = np.array([a + lambertw(b * tau * np.exp(-a * tau), k) / tau for k in range(-8, 9)])
    assert len(found) == 8
    for root in found:
        assert np.abs(branches - root).min() < 1e-11 * (1 + abs(root))
    assert abs(found[0].real - branches.real.max()) < 1e-12


@pytest.mark.parametrize(("w", "tau"), [(-1.5, 2.05765120396218), (-2.0, 1.20919957615615), (-3.0, 0.67551085885604)])
def test_delayed_inhibition_has_its_hopf_point_and_frequency(w, tau):
    def growth(delay: float) -> float:
        return characteristic_roots(ContinuousRNN(-1.0, w, None, None, tau=delay), count=2)[0].real

    assert brentq(growth, 0.8 * tau, 1.3 * tau, xtol=1e-14) == pytest.approx(tau, abs=1e-11)
    root = characteristic_roots(ContinuousRNN(-1.0, w, None, None, tau=tau), count=2)[0]
    assert abs(root.imag) == pytest.approx(math.sqrt(w * w - 1), abs=1e-10)


def test_roots_satisfy_the_characteristic_equation_with_two_delays():
    rng = np.random.default_rng(1)
    A, A1, B2 = (rng.normal(size=(3, 3)) for _ in range(3))
    model = AdditiveModel(state=[(A, 0.0), (A1, 0.4)], readout=[(B2, 1.1)])
    roots = characteristic_roots(model, count=10)
    assert len(roots) == 10
    for z in roots:
        delta = z * np.eye(3) - A - A1 * np.exp(-0.4 * z) - B2 * np.exp(-1.1 * z)
        assert np.linalg.svd(delta, compute_uv=False)[-1] < 1e-11 * (1 + abs(z))
    assert (np.diff(roots.real) <= 1e-11).all()


def test_without_delay_the_roots_are_the_eigenvalues_of_the_jacobian():
    W = np.array([[4.5, 1.0], [-1.0, 4.5]])
    theta = np.array([-2.75, -1.75])
    # Beer's oscillator in the shifted state s = y + theta
    model = ContinuousRNN(-np.eye(2), W, None, theta, activation="sigmoid")
    rest = equilibrium(model, guess=[0.1, -0.1])
    np.testing.assert_allclose(rest - theta, [2.75, 1.75], atol=1e-12)
    np.testing.assert_allclose(characteristic_roots(model, rest), [0.125 + 0.25j, 0.125 - 0.25j], atol=1e-12)


@pytest.mark.parametrize("m", [1, 2, 5, 10, 100])
@pytest.mark.parametrize("scheme", ["forward_euler", "backward_euler"])
def test_a_sampled_delayed_decay_loses_stability_where_the_exact_formula_says(m, scheme):
    angle = m * math.pi / (2 * m + 1) if scheme == "forward_euler" else (m - 1) * math.pi / (2 * m - 1)
    limit = 2 * m * math.cos(angle)  # of a tau

    def radius(a: float) -> float:
        return np.abs(multipliers(discretize(lag(a), 1.0 / m, scheme))).max()

    assert radius(limit * (1 - 1e-6)) < 1 < radius(limit * (1 + 1e-6))


def test_the_canonical_rnn_of_delayed_inhibition_flips_sign_at_its_threshold():
    w = -3.0
    for dt in (0.98, 1.02):
        z = multipliers(discretize(ContinuousRNN(-1.0, w, None, None, tau=dt), dt))
        np.testing.assert_allclose(z, [(1 + dt * w) / (1 + dt)], atol=1e-14)
    assert abs((1 + 1.0 * w) / 2.0) == 1.0  # dT* = 2 / (|w| - 1) = 1


def test_a_stable_flow_is_lost_by_its_samples_at_the_exact_step():
    W = np.array([[0.5, -2.0], [2.0, 0.5]])

    def radius(dt: float, scheme: str) -> float:
        return np.abs(multipliers(discretize(ContinuousRNN(-np.eye(2), W, None, None), dt, scheme))).max()

    assert brentq(lambda dt: radius(dt, "implicit_linear") - 1, 0.1, 1.0) == pytest.approx(4 / 13, abs=1e-12)
    assert brentq(lambda dt: radius(dt, "forward_euler") - 1, 0.1, 1.0) == pytest.approx(4 / 17, abs=1e-12)
    # the orbit is quasi-periodic, so its largest |s_i| is approached as the window grows: 1.3022 in the reference
    for dt, amplitude in ((0.305, 0.0), (0.31, 0.0910), (1.0, 1.3022)):
        late = run(discretize(ContinuousRNN(-np.eye(2), W, None, None, tau=dt), dt), 30_000, s0=[0.1, 0.0]).s[-5000:]
        assert np.abs(late).max() == pytest.approx(amplitude, abs=1.5e-4)


def test_poles_go_where_backward_euler_sends_them_and_stay_in_the_circle():
    rng = np.random.default_rng(0)
    poles = -rng.uniform(1e-3, 50, size=30) + 1j * rng.normal(size=30) * 30
    for dt in (1e-3, 0.3, 100.0):
        images = pole_image(poles, dt)
        np.testing.assert_allclose(images, 1 / (1 - dt * poles), rtol=1e-12)
        assert (np.abs(images) < 1).all()
    np.testing.assert_allclose(pole_image(poles, 0.1, "exponential"), np.exp(0.1 * poles), rtol=1e-9)
    assert (np.abs(pole_image(poles, 0.3, "tustin")) < 1).all()
    assert (np.abs(pole_image(poles, 0.3, "forward_euler")) > 1).any()  # not A-stable


def test_multipliers_see_an_undelayed_readout_and_a_second_tap():
    model = ContinuousRNN(-1.0, 0.5, None, None)
    z = multipliers(discretize(model, 0.1))  # (1 + dT) s[n] = s[n-1] + dT / 2 s[n]
    np.testing.assert_allclose(z, [1 / (1 + 0.1 - 0.05)], rtol=1e-14)
    delayed = discretize(ContinuousRNN(-1.0, 0.5, None, None, tau=0.2), 0.1)
    z = multipliers(delayed)
    np.testing.assert_allclose(1.1 * z**2, z + 0.05, atol=1e-13)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: characteristic_roots(lag(1.0), s=[0.0, 0.0]), "s: expected shape"),
        (lambda: characteristic_roots(lag(1.0), s=[np.nan]), "s: .*NaN"),
        (lambda: characteristic_roots(lag(1.0), count=0), "count: expected"),
        (lambda: pole_image(-1.0, 0.0), "dt: expected a number > 0"),
        (lambda: equilibrium(lag(1.0), guess=[1.0, 2.0]), "guess: expected shape"),
        (lambda: multipliers("rnn"), "cell: expected a CanonicalRNN"),
    ],
)
def test_bad_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_a_network_without_equilibrium_says_so():
    with pytest.raises(SimulationError, match="no equilibrium"):
        equilibrium(ContinuousRNN(0.0, 1.0, None, 2.0))
