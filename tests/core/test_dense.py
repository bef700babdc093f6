"""Dense output: exact at its nodes, exact on polynomials, differentiable."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ode2rnn.core.dense import Piecewise, barycentric_weights, interpolation_matrix

RNG = np.random.default_rng(7)


def chebyshev(k: int) -> np.ndarray:
    return 0.5 - 0.5 * np.cos(np.pi * np.arange(k) / (k - 1))


def some(k: int, breaks: np.ndarray, *shape: int) -> Piecewise:
    """Random values, the same at the joint of two intervals."""
    values = RNG.normal(size=(len(breaks) - 1, k, *shape))
    values[1:, 0] = values[:-1, -1]
    return Piecewise(breaks, chebyshev(k), values)


@pytest.mark.parametrize("k", [2, 3, 8, 16, 33])
@pytest.mark.parametrize("offset", [0.0, 1700.0, -3.0])
@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e4])
def test_the_value_at_a_node_comes_back_to_rounding(k: int, offset: float, scale: float) -> None:
    breaks = offset + scale * np.array([0.0, 1 / 3, 0.5, 1.7, 2.0])
    dense = some(k, breaks, 2)
    times, values = dense.nodes()
    assert times.shape == (4 * (k - 1) + 1,)
    assert (np.diff(times) > 0).all()
    np.testing.assert_allclose(dense(times), values, rtol=0, atol=1e-15)


def test_the_nodes_are_the_values_given_in_order_without_the_joints_twice() -> None:
    dense = some(3, np.array([0.0, 1.0, 3.0]))
    times, values = dense.nodes()
    np.testing.assert_allclose(times, [0.0, 0.5, 1.0, 2.0, 3.0])
    np.testing.assert_array_equal(values, [*dense.values[0], *dense.values[1, 1:]])


@pytest.mark.parametrize("k", [2, 5, 12])
def test_a_polynomial_of_degree_less_than_the_number_of_nodes_is_reproduced(k: int) -> None:
    polynomial = np.polynomial.Polynomial(RNG.normal(size=k))
    breaks = np.array([-1.0, -0.2, 0.3, 1.0])
    at_nodes = breaks[:-1, None] + np.diff(breaks)[:, None] * chebyshev(k)
    dense = Piecewise(breaks, chebyshev(k), polynomial(at_nodes))
    t = np.linspace(-1, 1, 203)
    np.testing.assert_allclose(dense(t), polynomial(t), rtol=0, atol=2e-14)


def test_each_interval_has_its_own_polynomial_and_the_last_ones_serve_past_the_ends() -> None:
    dense = Piecewise(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0]), np.array([[0.0, 1.0], [1.0, -1.0]]))
    np.testing.assert_allclose(dense(np.array([-0.5, 0.25, 1.0, 1.25, 2.0, 2.5])), [-0.5, 0.25, 1.0, 0.5, -1.0, -2.0])


def test_the_order_and_number_of_times_do_not_matter() -> None:
    dense = some(9, np.array([0.0, 0.3, 1.0]), 2, 3)
    t = RNG.uniform(0, 1, 50)
    together = dense(t)
    assert together.shape == (50, 2, 3)
    one_by_one = np.concatenate([dense(t[n : n + 1]) for n in range(50)])
    np.testing.assert_allclose(together, one_by_one, rtol=0, atol=1e-15)


def test_a_time_an_ulp_beside_a_node_gives_nearly_its_value() -> None:
    dense = some(8, np.array([0.0, 1.0, 2.0]))
    times, values = dense.nodes()
    for beside in (np.nextafter(times, -np.inf), np.nextafter(times, np.inf)):
        np.testing.assert_allclose(dense(beside), values, rtol=0, atol=1e-12)


def test_torch_values_agree_with_numpy_and_carry_the_gradient() -> None:
    plain = some(4, np.array([0.0, 0.5, 1.0]), 2)
    values = torch.tensor(plain.values, requires_grad=True)
    dense = Piecewise(plain.breaks, plain.theta, values)
    t = np.array([0.0, 0.2, 0.5, 0.9])
    out = dense(t)
    assert out.dtype == torch.float64
    np.testing.assert_allclose(out.detach().numpy(), plain(t), rtol=0, atol=1e-15)
    assert torch.autograd.gradcheck(lambda v: Piecewise(plain.breaks, plain.theta, v)(t), (values,))
    nodes = dense.nodes()[1]
    (gradient,) = torch.autograd.grad(nodes.sum(), values)
    assert gradient.sum() == nodes.numel()


def test_single_precision_stays_single() -> None:
    dense = Piecewise(np.array([0.0, 1.0]), chebyshev(3), torch.ones((1, 3, 1)))
    assert dense(np.array([0.3])).dtype == torch.float32


def test_interpolation_rows_sum_to_one_and_are_unit_rows_at_nodes() -> None:
    theta = chebyshev(40)
    weights = barycentric_weights(theta)
    assert np.isfinite(weights).all()
    matrix = interpolation_matrix(theta, weights, np.linspace(0, 1, 77))
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(interpolation_matrix(theta, weights, theta), np.eye(40))
