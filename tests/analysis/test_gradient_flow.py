"""Where gradients go, B4 and B5: products of Jacobians, rates, cells built for both."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ode2rnn import Activation, CanonicalRNN, Carousel, Map, SimulationError, SplitRNN, TappedRNN, run
from ode2rnn.analysis.memory.gradient_flow import gradient_flow
from ode2rnn.core.activations import ACTIVATIONS
from ode2rnn.training.gradients.bptt import bptt

D, M, N = 3, 2, 12


def cells(size: float = 0.4) -> dict[str, CanonicalRNN | TappedRNN]:
    rng = np.random.default_rng(0)
    W = [size * rng.standard_normal((D, D)) for _ in range(5)]
    V, theta = rng.standard_normal((D, M)), rng.standard_normal(D)
    return {
        "standard": CanonicalRNN(0 * W[0], W[1], V, theta),
        "canonical": CanonicalRNN(W[0], W[1], V, theta),
        "late": CanonicalRNN(W[0], W[1], V, theta, lag=3),
        "tapped": TappedRNN({1: W[0], 3: W[2]}, {1: W[1], 2: W[3]}, {0: V}, theta),
        "implicit": TappedRNN({1: W[0]}, {0: W[4], 2: W[3]}, {0: V}, theta),
    }


def rotation(factor: float) -> np.ndarray:
    """Every singular value is ``factor``."""
    return factor * np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])


@pytest.mark.parametrize("start", [0, 4])
@pytest.mark.parametrize("kind", ["standard", "canonical", "late", "tapped", "implicit"])
def test_the_products_are_those_of_automatic_differentiation(kind: str, start: int) -> None:
    """A change of s[start] as the recursion goes by, and every later state differentiated by it."""
    cell = cells()[kind]
    x = np.random.default_rng(1).standard_normal((N, M))
    flow = gradient_flow(cell, x, start=start, singular=N)

    def later(change: torch.Tensor) -> torch.Tensor:
        given = {name: getattr(cell, name) for name in ("W_s", "W_r", "W_x", "theta_s")}
        if kind in ("tapped", "implicit"):
            own = TappedRNN(**{**given, "theta_s": torch.tensor(given["theta_s"])})
        else:
            own = CanonicalRNN(**{**given, "theta_s": torch.tensor(given["theta_s"])}, lag=cell.lag)
        memory, states = own.init(torch.zeros(D, dtype=torch.float64)), []
        for n in range(N):
            memory = own.step(memory, torch.tensor(x[n]))
            if n == start:
                s = memory.s[0] + change
                memory = memory._replace(s=(s, *memory.s[1:]), r=(torch.tanh(s), *memory.r[1:]))
            if n >= start:
                states.append(memory.s[0])
        return torch.stack(states)

    exact = torch.autograd.functional.jacobian(later, torch.zeros(D, dtype=torch.float64)).numpy()
    np.testing.assert_allclose(flow.norms, np.linalg.norm(exact, axis=(1, 2)), rtol=1e-12, atol=1e-15)
    values = np.linalg.svd(exact[flow.singular_lags], compute_uv=False)
    np.testing.assert_allclose(np.exp(flow.log_singular), values, rtol=1e-9, atol=1e-14)
    np.testing.assert_array_equal(flow.lags, np.arange(N - start))


@pytest.mark.parametrize("kind", ["standard", "canonical", "tapped"])
def test_the_transposed_product_takes_psi_back(kind: str) -> None:
    """B4: with an error at the last sample alone, psi[l] = (d s[N-1] / d s[l])^T psi[N-1]."""
    cell = cells()[kind]
    x = np.random.default_rng(2).standard_normal((N, M))
    flow = gradient_flow(cell, x)
    s = run(cell, x).s
    psi = bptt(cell, x, np.concatenate([np.zeros((N - 1, D)), np.ones((1, D))])).psi
    np.testing.assert_allclose(flow.psi_norms, np.linalg.norm(psi, axis=1), rtol=1e-13)
    if kind == "standard":
        product = np.eye(D)
        for n in range(N - 1):
            product = (cell.W_r * (1 - np.tanh(s[n]) ** 2)) @ product
        np.testing.assert_allclose(psi[0], product.T @ psi[-1], rtol=1e-12, atol=1e-18)
        assert flow.norms[-1] == pytest.approx(np.linalg.norm(product), rel=1e-12)


def test_the_value_that_the_slides_misprint() -> None:
    flow = gradient_flow(CanonicalRNN(0.0, 0.9, None, 0.0, activation="identity"), 101)
    assert flow.norms[100] == pytest.approx(2.656139888758754e-05, rel=1e-12)
    assert flow.norms[100] > 1.5 * 0.000017  # what they print
    assert flow.rate == pytest.approx(np.log(0.9), rel=1e-12)
    assert flow.exponents[0] == pytest.approx(np.log(0.9), rel=1e-12)


def test_a_cell_built_to_vanish_and_one_built_to_explode() -> None:
    """Rotations scaled by 0.8 and 1.25: all singular values of the product are 0.8^k and 1.25^k."""
    for factor, word in ((0.8, "vanishes"), (1.25, "explodes")):
        cell = CanonicalRNN(np.zeros((2, 2)), rotation(factor), None, np.zeros(2))  # rests at 0, where G' = 1
        flow = gradient_flow(cell, 400)
        np.testing.assert_allclose(flow.log_norms, flow.lags * np.log(factor) + 0.5 * np.log(2), rtol=0, atol=1e-11)
        np.testing.assert_allclose(
            flow.log_singular, np.log(factor) * flow.singular_lags[:, None] * [1, 1], rtol=0, atol=1e-11
        )
        assert word in flow.trend
        assert flow.bound == pytest.approx(factor)
        np.testing.assert_allclose(flow.psi_norms[::-1], np.sqrt(2) * factor ** np.arange(400.0), rtol=1e-11)


def test_no_lag_is_too_long_for_the_logarithms() -> None:
    for factor in (1e-3, 1e3):
        cell = CanonicalRNN(0.0, factor, None, 0.0, activation="identity")
        flow = gradient_flow(cell, 60)
        assert flow.log_norms[-1] == pytest.approx(59 * np.log(factor), rel=1e-13)
    flow = gradient_flow(CanonicalRNN(0.0, 1e-3, None, 0.0, activation="identity"), 300)
    assert flow.log_norms[-1] == pytest.approx(299 * np.log(1e-3), rel=1e-13)
    assert flow.norms[-1] == 0.0  # 1e-897 is no double
    with pytest.raises(SimulationError, match="overflowed on the way back, at sample 196 of 300"):
        gradient_flow(CanonicalRNN(0.0, 1e3, None, 0.0, activation="identity"), 300)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("seed", range(5))
def test_the_sufficient_condition_bounds_every_product(activation: str, seed: int) -> None:
    """B5, with W_s too, on random cells and inputs."""
    rng = np.random.default_rng(seed)
    W_s, W_r = rng.standard_normal((2, 4, 4))
    W_s, W_r = (0.3 * W / np.linalg.norm(W, 2) for W in (W_s, W_r))
    W_r = W_r * 2 / ACTIVATIONS[activation].steepest
    cell = CanonicalRNN(W_s, W_r, rng.standard_normal((4, 1)), rng.standard_normal(4), activation=activation)
    flow = gradient_flow(cell, rng.standard_normal((60, 1)))
    assert flow.bound == pytest.approx(0.9)
    largest = np.exp(flow.log_singular[:, 0])
    assert (largest <= 0.9**flow.singular_lags * (1 + 1e-12)).all()
    assert flow.rate < np.log(0.9) + 1e-12
    assert "sufficient" in flow.trend


def test_every_registered_activation_has_its_steepest_slope() -> None:
    s = np.linspace(-40, 40, 80001)
    for activation in ACTIVATIONS.values():
        assert activation.slope(s).max() == pytest.approx(activation.steepest, rel=1e-12)


def test_the_rate_is_the_largest_lyapunov_exponent_of_the_recursion() -> None:
    """A chaotic and a quiet network; the exponents come from other vectors by another algorithm."""
    rng = np.random.default_rng(6)
    W, V = rng.standard_normal((20, 20)) / np.sqrt(20), rng.standard_normal((20, 1))
    x = 0.1 * rng.standard_normal((3000, 1))
    for gain, sign in ((3.0, 1), (0.8, -1)):
        flow = gradient_flow(CanonicalRNN(0 * W, gain * W, V, np.zeros(20)), x, exponents=3)
        assert np.sign(flow.rate) == sign
        assert flow.rate == pytest.approx(flow.exponents[0], abs=2e-3)
        assert (np.diff(flow.exponents) < 2e-3).all()  # the two of a rotation are equal


def test_the_exponents_of_a_linear_cell_are_the_logarithms_of_its_multipliers() -> None:
    A = np.diag([0.9, 0.7, 0.4]) + np.triu(np.ones((3, 3)), 1) * 0.2
    flow = gradient_flow(CanonicalRNN(A, 0 * A, None, np.zeros(3)), 400, exponents=3)
    np.testing.assert_allclose(flow.exponents, np.log([0.9, 0.7, 0.4]), rtol=0, atol=1e-10)
    late = gradient_flow(CanonicalRNN(0.0, 0.5, None, 0.0, activation="identity", lag=3), 400, exponents=1)
    assert late.exponents[0] == pytest.approx(np.log(0.5) / 3, abs=0.005)


def test_singular_values_that_rounding_covers_are_not_given() -> None:
    A = np.diag([1.0, 1e-3])
    flow = gradient_flow(CanonicalRNN(A, 0 * A, None, np.zeros(2)), 12, singular=20)
    small = flow.log_singular[:, 1]
    known = flow.singular_lags <= 5
    np.testing.assert_allclose(small[known], flow.singular_lags[known] * np.log(1e-3), rtol=1e-12)
    assert np.isnan(small[~known]).all()


def test_a_product_that_is_zero_is_told_as_such() -> None:
    cell = CanonicalRNN(np.zeros((2, 2)), np.eye(2), None, -np.ones(2), activation="relu")  # dead units
    flow = gradient_flow(cell, 10)
    assert np.isneginf(flow.log_norms[1:]).all()
    assert (flow.norms[1:] == 0).all()
    assert flow.rate == -np.inf
    assert "vanishes" in flow.trend


def test_tensors_and_own_activations_are_taken() -> None:
    cell = cells()["canonical"]
    x = np.random.default_rng(1).standard_normal((N, M))
    own = CanonicalRNN(torch.tensor(cell.W_s, requires_grad=True), cell.W_r, cell.W_x, cell.theta_s)
    np.testing.assert_array_equal(gradient_flow(own, x).log_norms, gradient_flow(cell, x).log_norms)
    half = Activation("half", lambda s: 0.5 * np.tanh(s), lambda s: 0.5 - 0.5 * np.tanh(s) ** 2)
    flow = gradient_flow(CanonicalRNN(cell.W_s, cell.W_r, cell.W_x, cell.theta_s, activation=half), x)
    slope = half.slope(run(CanonicalRNN(cell.W_s, cell.W_r, cell.W_x, cell.theta_s, activation=half), x).s).max()
    assert flow.bound == pytest.approx(np.linalg.norm(cell.W_s, 2) + slope * np.linalg.norm(cell.W_r, 2))


def test_bad_arguments_are_refused_by_name() -> None:
    cell, x = cells()["canonical"], np.zeros((N, M))
    with pytest.raises(ValueError, match="x: expected one sequence"):
        gradient_flow(cell, np.zeros((N, 2, M)))
    with pytest.raises(ValueError, match="x: expected at least 3 samples, got 2"):
        gradient_flow(cell, x[:2])
    with pytest.raises(ValueError, match="start: expected a sample that leaves two lags, at most 9, got 10"):
        gradient_flow(cell, x, start=10)
    with pytest.raises(ValueError, match="r_bar: expected shape"):
        gradient_flow(cell, x, r_bar=np.zeros((N, 1)))
    with pytest.raises(ValueError, match="singular: expected a whole number"):
        gradient_flow(cell, x, singular=-1)
    with pytest.raises(ValueError, match="cell: expected a System"):
        gradient_flow(None, x)


def test_the_cell_of_a_torch_module_has_the_flow_of_its_jacobians():
    torch.manual_seed(0)
    module = torch.nn.RNNCell(1, 2).double()
    x = np.sin(np.arange(8.0))[:, None]
    flow = gradient_flow(Map.from_module(module), x)
    h, product, norms = torch.zeros(2, dtype=torch.float64), torch.eye(2, dtype=torch.float64), []
    for n in range(8):
        J = torch.autograd.functional.jacobian(lambda s, n=n: module(torch.tensor(x[n]), s), h)
        h = module(torch.tensor(x[n]), h).detach()
        if n:
            product = J @ product
        norms.append(float(product.norm()))
    np.testing.assert_allclose(flow.norms, norms, rtol=1e-6)
    np.testing.assert_allclose(flow.psi_norms[-1], np.sqrt(2), rtol=1e-12)


def test_along_a_carousel_nothing_vanishes_and_nothing_explodes() -> None:
    rng = np.random.default_rng(7)
    base = SplitRNN.of(CanonicalRNN(np.zeros((2, 2)), 0.5 * np.eye(2), rng.standard_normal((2, 1)), np.zeros(2)))
    flow = gradient_flow(Carousel.of(base), rng.standard_normal((50, 1)))
    assert abs(flow.rate) < 1e-4
    assert flow.trend == "neither vanishes nor explodes along this run: a factor 1 a tick"
