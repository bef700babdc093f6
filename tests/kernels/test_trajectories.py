"""Single trajectories of ordinary equations: the compiled steppers against their plain twins and against the truth."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

from ode2rnn import AdditiveModel, Circulant, ContinuousRNN, SimulationError, integrate, kernels, signals
from ode2rnn.solvers.solution import Solution

TIMES = np.linspace(0.0, 20.0, 41)


def network(d: int, activation: str = "tanh", seed: int = 0, diagonal: bool = False, m: int = 1) -> ContinuousRNN:
    rng = np.random.default_rng(seed)
    A = -np.diag(rng.uniform(0.8, 1.2, d))
    if not diagonal:
        A += 0.2 * rng.normal(size=(d, d)) / np.sqrt(d)
    B = (0.3 if activation in ("identity", "softplus", "relu") else 1.0) * rng.normal(size=(d, d)) / np.sqrt(d)
    return ContinuousRNN(A, B, rng.normal(size=(d, m)), 0.1 * rng.normal(size=d), activation=activation)


def start(d: int) -> np.ndarray:
    return np.random.default_rng(9).normal(size=d)


RNG = np.random.default_rng(5)
KNOTS = np.linspace(-1.0, 21.0, 30)
INPUTS: dict[str, Any] = {
    "none": None,
    "sine": signals.Sine(omega=1.3),
    "sum": signals.Sine() + signals.Sine(0.4, 5.0, 0.3) + 0.5,
    "held": signals.Held(KNOTS, RNG.normal(size=30)),
    "linear": signals.Linear(KNOTS, RNG.normal(size=30)),
    "cubic and sine": signals.Cubic(KNOTS, RNG.normal(size=30)) + signals.Sine(),
}


def reference(model: AdditiveModel, x: Any, s0: Any, t: Any = TIMES) -> np.ndarray:
    return integrate(model, x, t=t, history=s0, method="DOP853", rtol=1e-13, atol=1e-14).s


def both(model: AdditiveModel, x: Any, **options: Any) -> tuple[Any, Any]:
    with kernels.plain():
        plain = integrate(model, x, **options)
    return integrate(model, x, **options), plain


# widths: within one vector, across several, panels of 12 rows without a rest and with one
@pytest.mark.parametrize("d", [1, 2, 4, 5, 10, 30, 70])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "identity"])
@pytest.mark.parametrize("rtol", [1e-6, 1e-9])
def test_the_compiled_taylor_method_is_the_plain_one(d: int, activation: str, rtol: float) -> None:
    model = network(d, activation)
    compiled, plain = both(model, INPUTS["sum"], t=TIMES, history=start(d), method="taylor", rtol=rtol)
    assert compiled.stats == plain.stats
    np.testing.assert_allclose(compiled.s, plain.s, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("method", ["taylor", "tsit5"])
def test_compiled_and_plain_agree_for_every_kind_of_input(method: str, name: str) -> None:
    compiled, plain = both(network(3), INPUTS[name], t=TIMES, history=start(3), method=method)
    assert (compiled.stats.steps, compiled.stats.rejected) == (plain.stats.steps, plain.stats.rejected)
    np.testing.assert_allclose(compiled.s, plain.s, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softplus", "identity"])
@pytest.mark.parametrize("d", [1, 3, 6, 40])
def test_the_compiled_tsit5_takes_the_steps_of_the_plain_one(d: int, activation: str) -> None:
    model = network(d, activation)
    compiled, plain = both(model, INPUTS["sine"], t=TIMES, history=start(d), method="tsit5")
    assert (compiled.stats.steps, compiled.stats.rejected) == (plain.stats.steps, plain.stats.rejected)
    np.testing.assert_allclose(compiled.s, plain.s, rtol=1e-9, atol=1e-10)


def test_the_compiled_tsit5_meets_its_tolerance_for_relu() -> None:
    model, s0 = network(6, "relu"), start(6)
    solution = integrate(model, INPUTS["sine"], t=TIMES, history=s0, method="tsit5", rtol=1e-8, atol=1e-8)
    with kernels.plain():
        plain = integrate(model, INPUTS["sine"], t=TIMES, history=s0, method="tsit5", rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(solution.s, plain.s, rtol=0, atol=1e-5)  # kinks magnify rounding


@pytest.mark.parametrize("method", ["taylor", "tsit5"])
def test_every_shape_of_model_is_solved(method: str) -> None:
    d, s0 = 6, start(6)
    rng = np.random.default_rng(1)
    B = rng.normal(size=(d, d)) / 2
    kernel = rng.normal(size=d) / 4
    models = {
        "no state term": AdditiveModel(readout=[(-np.eye(d), 0.0)]),
        "no readout": AdditiveModel(state=[(-np.eye(d) + 0.1 * B, 0.0)], input=[(np.ones((d, 1)), 0.0)]),
        "diagonal A": network(d, diagonal=True),
        "diagonal A and B": ContinuousRNN(-np.eye(d), np.diag(rng.normal(size=d)), None, None),
        "circulant B": ContinuousRNN(-np.eye(d), Circulant(kernel), None, None),
        "bias alone": AdditiveModel(phi=np.arange(1.0, 7.0)),
        "delayed inputs": AdditiveModel([(-np.eye(d), 0.0)], [(B, 0.0)], [(np.ones((d, 1)), 0.0), (-B[:, :1], 0.7)]),
    }
    for name, model in models.items():
        for key in ("sum", "linear") if model.input else ("none",):
            tolerance = {"rtol": 1e-10, "atol": 1e-12}
            solution = integrate(model, INPUTS[key], t=TIMES, history=s0, method=method, **tolerance)
            error = np.abs(solution.s - reference(model, INPUTS[key], s0)).max()
            assert error < 2e-9, (name, key, error)


@pytest.mark.parametrize("d", [2, 9])
def test_the_error_of_the_taylor_method_follows_the_tolerance(d: int) -> None:
    model, s0, x = network(d), start(d), INPUTS["sum"]
    exact = reference(model, x, s0)
    for tolerances in ([1e-4, 1e-5, 1e-6, 1e-7], [1e-9, 1e-10, 1e-11, 1e-12]):  # order 12, order 20
        errors = [
            np.abs(integrate(model, x, t=TIMES, history=s0, rtol=tol, atol=tol, method="taylor").s - exact).max()
            for tol in tolerances
        ]
        assert 0.8 < np.polyfit(np.log(tolerances), np.log(errors), 1)[0] < 1.3
        assert errors[0] < 20 * tolerances[0]


def test_auto_is_taylor_exactly_where_it_fits() -> None:
    def chosen(model: AdditiveModel, x: Any, s0: Any = 0.1) -> str:
        return integrate(model, x, t=(0.0, 1.0), history=s0).stats.method

    assert chosen(network(1), INPUTS["sum"]) == "taylor"
    assert chosen(network(1, "relu"), INPUTS["sum"]) == "tsit5"
    assert chosen(network(1), np.sin) == "tsit5"
    assert chosen(ContinuousRNN(-1.0, 0.5, None, None, tau=0.5), None) == "spectral"
    with pytest.raises(ValueError, match="method: 'taylor' needs NumPy arrays"):
        integrate(network(1), np.sin, t=(0.0, 1.0), history=0.1, method="taylor")


@pytest.mark.parametrize("method", ["taylor", "tsit5"])
def test_a_pulse_declared_by_its_knots_is_not_missed(method: str) -> None:
    model = ContinuousRNN(-1.0, 0.0, 1.0, None)
    x = signals.Held([0.0, 50.0, 50.5, 52.0], [0.0, 0.0, 1.0, 0.0])
    for solution in both(model, x, t=(0.0, 52.0), history=0.0, method=method, rtol=1e-10, atol=1e-12):
        assert float(solution(52.0)[0]) == pytest.approx((np.exp(0.5) - 1) * np.exp(-2.0), abs=1e-11)
        assert solution.stats.breaking_points == 2


def test_linear_equations_have_their_closed_form() -> None:
    decay = integrate(ContinuousRNN(-1.0, 0.0, None, None), t=(0.0, 10.0), history=1.0, rtol=1e-13, atol=1e-15)
    t = np.linspace(0.0, 10.0, 57)
    np.testing.assert_allclose(decay(t)[:, 0], np.exp(-t), rtol=0, atol=1e-12)
    turn = AdditiveModel(state=[(np.array([[0.0, 1.0], [-1.0, 0.0]]), 0.0)])
    circle = integrate(turn, t=t, history=[0.0, 1.0], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(circle.s, np.stack([np.sin(t), np.cos(t)], axis=1), rtol=0, atol=1e-12)
    driven = integrate(ContinuousRNN(-1.0, 0.0, 1.0, None), signals.Sine(), t=t, history=-0.5, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(driven.s[:, 0], (np.sin(t) - np.cos(t)) / 2, rtol=0, atol=1e-12)


def test_beers_oscillator_cycles_and_its_equilibrium_stays() -> None:
    W, theta = np.array([[4.5, 1.0], [-1.0, 4.5]]), np.array([-2.75, -1.75])
    model = ContinuousRNN(-np.eye(2), W, None, theta, activation="sigmoid")
    still = integrate(model, t=(0.0, 50.0), history=[0.0, 0.0], rtol=1e-12, atol=1e-14)
    assert np.abs(still.s).max() < 1e-8  # y = s - theta is (2.75, 1.75)
    t = np.linspace(0.0, 100.0, 101)
    solution = integrate(model, t=t, history=[0.1, -0.1], rtol=1e-11, atol=1e-12)
    assert solution.stats.method == "taylor"
    np.testing.assert_allclose(solution.s, reference(model, None, np.array([0.1, -0.1]), t), rtol=0, atol=1e-8)
    assert np.ptp(solution.s[50:], axis=0).min() > 1.0


@pytest.mark.parametrize("s0", [12.0, 25.0, 60.0, 800.0])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_a_saturated_readout_wakes_up_in_time(activation: str, s0: float) -> None:
    # deep in saturation all coefficients of the readout are tiny: a long step would pass the bend unseen
    model = ContinuousRNN(-1.0, -1.5, None, 0.2, activation=activation)
    t = np.linspace(0.0, 12.0, 49)
    exact = integrate(model, t=t, history=s0, method="Radau", rtol=1e-12, atol=1e-13).s
    for solution in both(model, None, t=t, history=s0, method="taylor", rtol=1e-7, atol=1e-7):
        assert np.abs(solution.s - exact).max() < 1e-7 * 20 * s0


def test_growth_without_end_hands_over_the_valid_part() -> None:
    model = ContinuousRNN(1.0, 0.0, None, None)
    for context in (kernels.plain, nullcontext):
        with context(), pytest.raises(SimulationError, match="no step is small enough") as caught:
            integrate(model, t=(0.0, 1000.0), history=1.0, method="taylor")
        part = caught.value.trajectory
        assert part is not None
        assert part.status == -1
        assert 600.0 < part.end < 710.0
        assert np.isfinite(part.s).all()


def test_a_batch_is_its_trajectories_one_by_one() -> None:
    model, rng = network(3, m=2), np.random.default_rng(4)
    s0 = rng.normal(size=(2, 4, 3))
    sine = signals.Sine(rng.normal(size=(4, 2)), 1.0 + rng.random((2, 1, 2)))
    linear = signals.Linear(KNOTS, rng.normal(size=(30, 2)))
    x = sine + linear
    for batch in both(model, x, t=TIMES, history=s0):
        assert batch.stats.method == "taylor"
        assert batch.s.shape == (41, 2, 4, 3)
        for i, j in ((0, 0), (1, 2)):
            own = signals.Sine(sine.amplitude[j], sine.omega[i, 0]) + linear
            alone = integrate(model, own, t=TIMES, history=s0[i, j])
            np.testing.assert_allclose(batch.s[:, i, j], alone.s, rtol=1e-10, atol=1e-11)
    kept = integrate(model, x, t=(0.0, 20.0), history=s0)
    np.testing.assert_allclose(kept.s, kept(kept.t), rtol=0, atol=1e-15)


def test_the_nodes_are_on_the_dense_output_and_join() -> None:
    solution = integrate(network(3), INPUTS["held"], t=(0.0, 20.0), history=start(3))
    np.testing.assert_array_equal(solution.s, solution(solution.t))
    breaks = solution.dense.breaks[1:-1]
    np.testing.assert_allclose(solution(np.nextafter(breaks, -np.inf)), solution(breaks), rtol=0, atol=1e-14)
    with kernels.plain():
        np.testing.assert_allclose(solution(TIMES), solution.dense(TIMES), rtol=0, atol=1e-15)


def test_buffers_grow_and_progress_is_told() -> None:
    model, told = network(2), []
    from ode2rnn.solvers.arguments import build_problem
    from ode2rnn.solvers.explicit import taylor

    problem = build_problem(model, signals.Sine(), (0.0, 1000.0), start(2), None, 1e-6, 1e-9, None)
    solution = Solution(0.0, np.array([0.0, 1.0]), on_step=told.append)
    taylor.solve(problem, solution)
    assert told == sorted(told)
    assert len(told) > 2
    assert told[-1] == 1000.0
    assert len(solution.whole.breaks) == solution.steps + 1 > 1000
    once = integrate(model, signals.Sine(), t=[0.0, 999.0, 1000.0], history=start(2))
    np.testing.assert_array_equal(solution.whole(np.array([999.0])), once.s[1:2])
