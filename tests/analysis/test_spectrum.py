"""Stability has exact answers: characteristic roots, poles under sampling, thresholds of sampled loops (C10, D6)."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.special import lambertw

from ode2rnn import AdditiveModel, Circulant, ContinuousRNN, Sampled, SimulationError, discretize, run
from ode2rnn.analysis.spectra.delay_roots import count_right_of, delta
from ode2rnn.analysis.spectra.linear import HeldLinearization, linearized
from ode2rnn.analysis.spectra.spectrum import (
    characteristic_roots,
    discrete_roots,
    equilibrium,
    pole_image,
)


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
        return np.abs(discrete_roots(discretize(lag(a), 1.0 / m, scheme))).max()

    assert radius(limit * (1 - 1e-6)) < 1 < radius(limit * (1 + 1e-6))


def test_the_canonical_rnn_of_delayed_inhibition_flips_sign_at_its_threshold():
    w = -3.0
    for dt in (0.98, 1.02):
        z = discrete_roots(discretize(ContinuousRNN(-1.0, w, None, None, tau=dt), dt))
        np.testing.assert_allclose(z, [(1 + dt * w) / (1 + dt)], atol=1e-14)
    assert abs((1 + 1.0 * w) / 2.0) == 1.0  # dT* = 2 / (|w| - 1) = 1


def test_a_stable_flow_is_lost_by_its_samples_at_the_exact_step():
    W = np.array([[0.5, -2.0], [2.0, 0.5]])

    def radius(dt: float, scheme: str) -> float:
        return np.abs(discrete_roots(discretize(ContinuousRNN(-np.eye(2), W, None, None), dt, scheme))).max()

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
    z = discrete_roots(discretize(model, 0.1))  # (1 + dT) s[n] = s[n-1] + dT / 2 s[n]
    np.testing.assert_allclose(z, [1 / (1 + 0.1 - 0.05)], rtol=1e-14)
    delayed = discretize(ContinuousRNN(-1.0, 0.5, None, None, tau=0.2), 0.1)
    z = discrete_roots(delayed)
    np.testing.assert_allclose(1.1 * z**2, z + 0.05, atol=1e-13)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: characteristic_roots(lag(1.0), at=[0.0, 0.0]), "at: expected shape"),
        (lambda: characteristic_roots(lag(1.0), at=[np.nan]), "at: .*NaN"),
        (lambda: characteristic_roots(lag(1.0), count=0), "count: expected"),
        (lambda: pole_image(-1.0, 0.0), "dt: expected a number > 0"),
        (lambda: equilibrium(lag(1.0), guess=[1.0, 2.0]), "guess: expected shape"),
        (lambda: discrete_roots("rnn"), "system: expected a System"),
    ],
)
def test_bad_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_a_network_without_equilibrium_says_so():
    with pytest.raises(SimulationError, match="no equilibrium"):
        equilibrium(ContinuousRNN(0.0, 1.0, None, 2.0))


def test_the_roots_listed_are_as_many_as_the_argument_principle_counts():
    rng = np.random.default_rng(0)
    for d in (1, 3, 8):
        A, A1, B2 = (rng.normal(size=(d, d)) / math.sqrt(d) for _ in range(3))
        model = AdditiveModel(state=[(A - np.eye(d), 0.0), (A1, 0.7)], readout=[(2 * B2, 3.1)])
        roots = characteristic_roots(model, count=15)
        matrices = linearized(HeldLinearization(model, None), np.zeros(d))
        last = roots[-1].real
        # the last may be the upper one of a pair
        assert count_right_of(matrices, last + 1e-5) < 15 <= count_right_of(matrices, last - 1e-5)
        assert count_right_of(matrices, roots[0].real + 1e-6) == 0
        residual = np.linalg.svd(delta(matrices, roots), compute_uv=False)[:, -1]
        assert (residual < 1e-12 * (1 + np.abs(roots))).all()


@pytest.mark.parametrize("coupling", [0.0, 1.0])
def test_a_root_is_listed_as_often_as_its_multiplicity(coupling):
    model = ContinuousRNN(-np.eye(2), np.array([[-2.0, coupling], [0.0, -2.0]]), None, None, tau=1.0)
    once = -1 + lambertw(-2 * math.e, [0, 1, 2])
    roots = characteristic_roots(model, count=12)
    # the two of a double root that has one eigenvector part by the square root of rounding
    np.testing.assert_allclose(
        roots, np.repeat(np.stack([once, once.conj()], 1), 2), atol=1e-11 if coupling == 0 else 1e-6
    )


def test_critical_damping_is_a_double_real_root():
    np.testing.assert_allclose(characteristic_roots(lag(math.exp(-1)), count=2), [-1, -1], atol=5e-8)
    assert characteristic_roots(lag(math.exp(-1) * (1 - 1e-6)), count=2).imag.tolist() == [0, 0]
    assert characteristic_roots(lag(math.exp(-1) * (1 + 1e-6)), count=2)[0].imag > 1e-4


def test_a_chain_that_does_not_feed_back_has_as_many_roots_as_units():
    chain = ContinuousRNN(np.diag([-1.0, -2.0]), np.array([[0.0, 5.0], [0.0, 0.0]]), None, None, tau=1.0)
    np.testing.assert_allclose(characteristic_roots(chain, count=6), [-1, -2], atol=1e-12)
    np.testing.assert_allclose(characteristic_roots(ContinuousRNN(-1.0, 0.0, None, None, tau=1.0)), [-1], atol=1e-15)


def test_roots_of_stiff_units_that_crowd_on_a_line_are_found():
    roots = characteristic_roots(ContinuousRNN(-1e4 * np.eye(2), np.diag([2.0, 3.0]), None, None, tau=1.0), count=3)
    exact = np.sort_complex(np.concatenate([-1e4 + wright(b, range(-3, 4)) for b in (2.0, 3.0)]))[::-1]
    np.testing.assert_allclose(roots.real, np.sort(exact.real)[::-1][:3], rtol=1e-12)


def wright(b: float, branches) -> np.ndarray:
    """W_k(b e^10000), beyond the range of numbers: W + ln W = ln b + 10000 + 2 pi i k by Newton's method."""
    right = math.log(b) + 1e4 + 2j * math.pi * np.array(branches)
    W = right
    for _ in range(20):
        W = W - (W + np.log(W) - right) / (1 + 1 / W)
    return W


def test_roots_are_taken_at_the_equilibrium_the_model_rests_at():
    model = ContinuousRNN(-1.0, -2.0, 1.0, 0.5, tau=1.0)
    for x in (None, [3.0]):
        rest = equilibrium(model, x)
        np.testing.assert_array_equal(characteristic_roots(model, x=x), characteristic_roots(model, rest))
    assert abs(rest[0]) > 0.1


def test_multipliers_of_a_sampled_model_are_those_of_its_method():
    W = np.array([[0.5, -2.0], [2.0, 0.5]])
    flow = ContinuousRNN(-np.eye(2), W, None, None)
    growth = characteristic_roots(flow)
    z = 0.5 * growth[np.argsort(growth.imag)]
    for method, substeps, factor in (
        ("taylor", 1, np.exp(z)),
        ("rk4", 1, 1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24),
        ("euler", 2, (1 + z / 2) ** 2),
        ("backward_euler", 3, (1 - z / 3) ** -3),
    ):
        found = discrete_roots(Sampled(flow, 0.5, method, substeps))
        np.testing.assert_allclose(found[np.argsort(found.imag)], factor[np.argsort(factor.imag)], rtol=1e-8)
    delayed = ContinuousRNN(-1.0, -2.0, None, None, tau=1.0)
    cell = discrete_roots(discretize(delayed, 0.5))
    np.testing.assert_allclose(discrete_roots(Sampled(delayed, 0.5)), cell, rtol=1e-14)
    assert len(discrete_roots(Sampled(delayed, 0.5), count=2)) == 2
    exact = np.exp(0.5 * (-1 + lambertw(-2 * math.e, 0)))
    assert abs(discrete_roots(Sampled(delayed, 0.5, "spectral"))[0]) == pytest.approx(abs(exact), rel=1e-13)


@pytest.mark.parametrize("method", ["backward_euler", "spectral"])
def test_the_multipliers_of_a_sampled_model_are_the_rate_at_which_it_leaves_rest(method):
    unstable = ContinuousRNN(-1.0, -3.0, None, None, tau=1.0, activation="identity")
    system = Sampled(unstable, 0.25, method)
    s = run(system, 80, s0=[1e-3]).s[:, 0]
    z = discrete_roots(system, count=1)[0]
    # a pair z, z_bar: s[n+1] = 2 Re z s[n] - |z|^2 s[n-1]
    np.testing.assert_allclose(s[-1], 2 * z.real * s[-2] - abs(z) ** 2 * s[-3], rtol=1e-8)


def test_models_of_tensors_and_circulants_have_the_roots_of_their_numbers():
    plain = ContinuousRNN(-2 * np.eye(3), 0.5 * np.roll(np.eye(3), 1, 0), None, [0.1, 0.0, 0.2], tau=1.0)
    A, B = (torch.tensor(np.asarray(matrix), requires_grad=True) for matrix in (plain.A, plain.B))
    tensors = ContinuousRNN(A, B, None, plain.phi, tau=1.0)
    ring = ContinuousRNN(Circulant([-2.0, 0, 0]), Circulant([0, 0.5, 0]), None, plain.phi, tau=1.0)
    for model in (tensors, ring):
        np.testing.assert_allclose(characteristic_roots(model), characteristic_roots(plain), rtol=1e-12)
        np.testing.assert_allclose(discrete_roots(discretize(model, 0.5)), discrete_roots(discretize(plain, 0.5)))
