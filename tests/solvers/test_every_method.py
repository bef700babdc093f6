"""What holds for every method of `integrate`: the tests run over the registry, so that a new one cannot escape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.problems import PHI, Case, driven_dde, driven_ode, driven_two_delays, hopf, pulse, pure_delay

from ode2rnn import ACTIVATIONS, AdditiveModel, Trajectory, integrate
from ode2rnn.core.signals import Linear
from ode2rnn.solvers.methods import METHODS, Method

# "taylor" takes network equations without delays only; tests/kernels/test_trajectories.py puts it to the same tests
GENERAL = [m for m in METHODS.values() if m.name != "taylor"]
EVERY = [pytest.param(m, id=m.name) for m in GENERAL]
# methods of order 2 and 3 need thousands of steps at tight tolerances
LOW_ORDER = ("bosh3", "fehlberg2", "adaptive_heun")
# the error of these, per unit of tolerance, on the problems below: fehlberg2 is torchdiffeq's own, and loose
SLACK = {"fehlberg2": 300.0}


def settings(method: Method, dt: float = 1 / 32, rtol: float = 1e-6) -> dict[str, Any]:
    """A step for fixed-step methods, tolerances for the others."""
    if not method.adaptive:
        return {"dt": dt}
    rtol = max(rtol, 1e-4) if method.name in LOW_ORDER else rtol
    return {"rtol": rtol, "atol": rtol}


def expected_error(method: Method, given: dict[str, Any]) -> float:
    """The error to expect at those settings on a problem of unit scale."""
    if method.adaptive:
        return SLACK.get(method.name, 30.0) * given["rtol"]
    return max(given["dt"] ** method.order, 1e-12)


def every(cases: dict[str, Case], methods: list[Method] | None = None) -> list[Any]:
    """Every method with every case."""
    return [
        pytest.param(method, case, id=f"{method.name}-{label}")
        for method in methods or GENERAL
        for label, case in cases.items()
    ]


@pytest.mark.parametrize("method", EVERY)
@pytest.mark.parametrize("signal", ["held", "analytic", "delayed"])
def test_a_short_pulse_is_never_missed(method: Method, signal: str) -> None:  # R16
    case = pulse("held", delay=0.75) if signal == "delayed" else pulse(signal)
    if method.adaptive:
        solution, allowed = case.solve(method.name), 2e-5  # default tolerances
    else:
        solution = case.solve(method.name, t=(48.0, 52.0), dt=1 / 64)
        allowed = expected_error(method, {"dt": 1 / 64})
    assert case.error(solution, 52.0) < allowed
    assert case.error(solution, np.linspace(49, 52, 301)) < allowed
    assert solution.stats.breaking_points == 2


@pytest.mark.parametrize("method", EVERY)
@pytest.mark.parametrize("history", [0.0, 1.0])
def test_the_delay_equation_of_order_zero_is_solved(method: Method, history: float) -> None:  # R1
    case = pure_delay(history=history, end=5.0)
    given = settings(method)
    solution = case.solve(method.name, **given)
    assert case.error(solution, np.linspace(0, 5, 101)) < expected_error(method, given)


@pytest.mark.parametrize("method", EVERY)
def test_the_numbers_left_behind_are_consistent(method: Method) -> None:
    case = driven_dde(end=2.0)
    solution = case.solve(method.name, **settings(method))
    stats = solution.stats
    assert stats.method == method.name
    assert stats.breaking_points == 3  # 0.5, 1, 1.5
    assert stats.steps > stats.breaking_points
    assert stats.evaluations >= stats.steps
    assert stats.rejected >= 0
    assert (solution.status, solution.success) == (0, True)
    assert (solution.t[0], solution.t[-1]) == case.t
    assert (np.diff(solution.t) > 0).all()
    assert {0.5, 1.0, 1.5} <= set(solution.t)
    np.testing.assert_array_equal(solution.s[0], case.history(0.0))
    np.testing.assert_array_equal(solution.r, ACTIVATIONS["tanh"].value(solution.s))
    np.testing.assert_allclose(solution.x, case.x(solution.t), rtol=0, atol=1e-15)


@pytest.mark.parametrize(("method", "case"), every({"ode": driven_ode(2.0), "dde": hopf(1.0, end=3.0)}))
def test_dense_output_at_the_nodes_is_the_nodes(method: Method, case: Case) -> None:
    solution = case.solve(method.name, **settings(method))
    np.testing.assert_allclose(solution(solution.t), solution.s, rtol=1e-15, atol=1e-15)
    one = solution(float(solution.t[-2]))
    np.testing.assert_allclose(one, solution.s[-2], rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize(("method", "case"), every({"one": driven_dde(end=2.0), "two": driven_two_delays(end=2.0)}))
def test_dense_output_between_the_nodes_is_as_accurate(method: Method, case: Case) -> None:
    given = settings(method)
    solution = case.solve(method.name, **given)
    at_nodes, between = case.error(solution, solution.t), case.error(solution, np.linspace(*case.t, 997))
    assert between < (expected_error(method, given) if method.adaptive else 1.5 * at_nodes)


@pytest.mark.parametrize("method", EVERY)
def test_samples_are_the_dense_output_at_their_times(method: Method) -> None:
    case, given = hopf(1.0, end=3.0), settings(method)
    times = np.array([0.0, 0.1, 0.7, 1.0, 1.9, 3.0])
    samples, whole = case.solve(method.name, t=times, **given), case.solve(method.name, **given)
    np.testing.assert_array_equal(samples.t, times)
    np.testing.assert_array_equal(samples.s, whole(times))
    np.testing.assert_array_equal(samples(0.5), whole(0.5))
    assert samples.stats == whole.stats


@pytest.mark.parametrize(("method", "case"), every({"ode": driven_ode(), "dde": driven_dde()}))
def test_a_batch_is_the_loop_over_its_members(method: Method, case: Case) -> None:
    rng = np.random.default_rng(3)
    model = AdditiveModel(case.model.state, case.model.readout, [(rng.normal(size=(3, 2)), 0.25)], PHI)
    knots, x = np.linspace(-1, 1.5, 5), rng.normal(size=(5, 4, 2))
    s0, history = rng.normal(size=(2, 4, 3)), rng.normal(size=(4, 3))
    given = settings(method, dt=1 / 16)
    times = np.linspace(0, 1.5, 7)

    def solve(x: np.ndarray, history: np.ndarray, s0: np.ndarray) -> Trajectory:
        return integrate(model, Linear(knots, x), t=times, history=history, s0=s0, method=method.name, **given)

    together = solve(x, history, s0)
    assert together.s.shape == (7, 2, 4, 3)
    assert together.x is not None
    assert together.x.shape == (7, 2, 4, 2)
    allowed = expected_error(method, given) if method.adaptive else 1e-12
    for i, j in [(0, 0), (1, 2), (0, 3)]:
        alone = solve(x[:, j], history[j], s0[i, j])
        np.testing.assert_allclose(together.s[:, i, j], alone.s, rtol=0, atol=allowed)
        np.testing.assert_array_equal(together.x[:, i, j], alone.x)


@pytest.mark.parametrize("method", EVERY)
def test_a_history_may_be_a_constant_a_function_or_a_trajectory(method: Method) -> None:
    case, given = hopf(1.0, end=4.0), settings(method)
    whole = case.solve(method.name, **given)
    function = case.solve(method.name, history=lambda t: np.full((*np.shape(t), 1), 0.5), **given)
    first = case.solve(method.name, t=(0.0, 2.0), **given)
    second = case.solve(method.name, t=(2.0, 4.0), history=first, **given)
    times = np.linspace(2, 4, 41)
    np.testing.assert_allclose(function(times), whole(times), rtol=0, atol=1e-12)
    allowed = expected_error(method, given) if method.adaptive else 1e-12
    np.testing.assert_allclose(second(times), whole(times), rtol=0, atol=allowed)


@pytest.mark.parametrize(
    ("method", "case"),
    every(
        {"ode": driven_ode(2.0), "dde": driven_dde(end=2.0)},
        [method for method in GENERAL if method.family != "scipy"],
    ),
)
def test_tensors_give_what_arrays_give(method: Method, case: Case) -> None:
    given, times = settings(method), np.linspace(0, 2, 9)
    arrays = case.solve(method.name, t=times, **given)
    for dtype, rounding in ((torch.float64, 1e-12), (torch.float32, 2e-5)):
        kinds = [
            [(torch.tensor(term.matrix, dtype=dtype), term.delay) for term in terms]
            for terms in (case.model.state, case.model.readout, case.model.input)
        ]
        model = AdditiveModel(*kinds, torch.tensor(PHI, dtype=dtype))
        tensors = integrate(model, case.x, t=times, history=case.history, method=method.name, **given)
        assert tensors.s.dtype == tensors.r.dtype == dtype
        # the steps of an adaptive method follow the rounding of its error estimate
        allowed = max(rounding, expected_error(method, given)) if method.adaptive else rounding
        np.testing.assert_allclose(tensors.s.numpy(), arrays.s, rtol=0, atol=allowed)
