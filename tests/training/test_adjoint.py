"""The adjoint equation B6: the gradient of a solution, and its backward-Euler form, which is B1 and B2."""

from __future__ import annotations

import numpy as np
import pytest
from tests.discrete.networks import random_network
from tests.problems import fitted_order

from ode2rnn import AdditiveModel, ContinuousRNN, discretize, integrate, run, signals
from ode2rnn.training.gradients.adjoint import adjoint, backward_euler_adjoint
from ode2rnn.training.gradients.bptt import bptt

END = 3.0
START = np.array([0.4, -0.3, 0.2])
WEIGHTS = np.array([1.0, -0.5, 2.0])
SINES = signals.Sine([1.0, 0.7], [1.3, 2.1], [0.0, 0.5])


def solve(model, s0=START, phi=None, x=SINES):
    """The solution over [0, END] from a history at START."""
    if phi is not None:
        model = ContinuousRNN(model.A, model.B, model.C, phi, model.tau)
    return integrate(model, x, t=(0.0, END), history=START, s0=s0, rtol=1e-11, atol=1e-13)


def pieces(solution):
    """Quadrature points and weights over the range, between all whole halves of a unit."""
    points, weights = np.polynomial.legendre.leggauss(12)
    begins = np.arange(0.0, END, 0.25)
    return (begins[:, None] + 0.125 * (points + 1)).ravel(), np.tile(0.125 * weights, len(begins))


def objective(solution) -> float:
    t, w = pieces(solution)
    return float(w @ (np.tanh(solution(t)) ** 2 @ WEIGHTS))


def r_bar_of(solution):
    return lambda t: 2 * WEIGHTS * np.tanh(solution(t))


@pytest.mark.parametrize("x", [SINES, signals.Held([0.0, 1.0, 1.75, 3.0], np.eye(4)[:, :2])])
@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0, 5.0])
def test_psi_is_the_gradient_of_the_solution(tau, x):
    model = random_network(1, tau)
    solution = solve(model, x=x)
    psi = adjoint(model, solution, r_bar_of(solution))
    t, w = pieces(solution)
    by_phi = w @ psi(t)
    eps = 1e-4
    for i, step in enumerate(eps * np.eye(3)):
        changed = [objective(solve(model, START + k * step, x=x)) for k in (1, -1)]
        assert psi(0.0)[i] == pytest.approx((changed[0] - changed[1]) / (2 * eps), abs=1e-7)
        changed = [objective(solve(model, phi=model.phi + k * step, x=x)) for k in (1, -1)]
        assert by_phi[i] == pytest.approx((changed[0] - changed[1]) / (2 * eps), abs=1e-7)
    np.testing.assert_array_equal(psi(END), 0.0)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_its_backward_euler_form_is_back_propagation_through_time(steps):
    """B6 stepped by backward Euler, from A and B alone, against B1 and B2 on the weights that D4 made of them."""
    dt = 0.2
    model = random_network(2, tau=steps * dt)
    x = np.random.default_rng(3).standard_normal((30, 2))
    traj = run(discretize(model, dt), x, START)
    r_bar = 2 * WEIGHTS * traj.r
    multiplier = backward_euler_adjoint(model, dt, traj.s, r_bar)
    back = bptt(discretize(model, dt), x, dt * r_bar, START)
    np.testing.assert_allclose(multiplier @ (np.eye(3) - dt * model.A), back.psi, rtol=0, atol=1e-14)
    # and so do the gradients: dE/dphi = dT sum lambda, by the chain rule through theta_s = dT W_s phi
    W_s = np.linalg.inv(np.eye(3) - dt * model.A)
    np.testing.assert_allclose(dt * multiplier.sum(0), dt * W_s.T @ back.gradients.theta_s, rtol=0, atol=1e-13)


def test_without_a_delay_its_backward_euler_form_is_that_of_the_implicit_cell():
    dt, model = 0.1, random_network(4, tau=0.0)
    x = np.random.default_rng(3).standard_normal((30, 2))
    cell = discretize(model, dt)
    traj = run(cell, x, START)
    r_bar = 2 * WEIGHTS * traj.r
    multiplier = backward_euler_adjoint(model, dt, traj.s, r_bar)
    psi = bptt(cell, x, dt * r_bar, START).psi
    np.testing.assert_allclose(multiplier @ (np.eye(3) - dt * model.A), psi, rtol=0, atol=1e-14)


@pytest.mark.parametrize("tau", ["tied", 0.5])
def test_back_propagation_through_time_converges_to_the_adjoint(tau):
    """At order 1 in dT, to the equation with tau_0 = 0 (tau_0 = dT) and with tau_0 held."""
    limit = random_network(5, 0.0 if tau == "tied" else tau)
    solution = solve(limit)
    exact = adjoint(limit, solution, r_bar_of(solution))
    dts, errors = 0.5 ** np.arange(3, 10), []
    for dt in dts:
        model = ContinuousRNN(limit.A, limit.B, limit.C, limit.phi, dt if tau == "tied" else tau)
        t = dt * np.arange(1, round(END / dt) + 1)
        traj = run(discretize(model, dt), SINES(t), START)
        psi = bptt(discretize(model, dt), SINES(t), dt * 2 * WEIGHTS * traj.r, START).psi
        errors.append(np.abs(psi - exact(t)).max())
    assert fitted_order(dts, errors) == pytest.approx(1.0, abs=0.1 if tau == "tied" else 0.2)


def test_bad_arguments_are_refused_by_name():
    model = random_network(1, 0.5)
    solution = solve(model)
    with pytest.raises(ValueError, match="model: expected a ContinuousRNN"):
        adjoint(AdditiveModel(state=[(-1.0, 0.0)]), solution, r_bar_of(solution))
    with pytest.raises(ValueError, match="solution: expected a Trajectory"):
        adjoint(model, solution.s, r_bar_of(solution))
    with pytest.raises(ValueError, match=r"r_bar: expected a function that returns shape \(3,\)"):
        adjoint(model, solution, lambda t: 1.0)
    batch = integrate(model, SINES, t=(0.0, 1.0), history=np.zeros((2, 3)))
    with pytest.raises(ValueError, match="solution: expected one trajectory"):
        adjoint(model, batch, r_bar_of(batch))
    with pytest.raises(ValueError, match="t: expected times >= 0"):
        adjoint(model, solution, r_bar_of(solution))(-1.0)
    with pytest.raises(ValueError, match="dt: expected a step that divides the delay"):
        backward_euler_adjoint(model, 0.3, np.zeros((4, 3)), np.zeros((4, 3)))
    with pytest.raises(ValueError, match="s: expected shape"):
        backward_euler_adjoint(model, 0.5, np.zeros((4, 2)), np.zeros((4, 2)))
    with pytest.raises(ValueError, match="r_bar: expected shape"):
        backward_euler_adjoint(model, 0.5, np.zeros((4, 3)), np.zeros((3, 3)))
