"""Values that the solvers must give: R1-R3, R5, R8, R13, R14, R16 of the reference, stiff and several delays."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from tests.problems import (
    B_LATE,
    HOPF_AT_10,
    MACKEY_GLASS_AT_100,
    PULSE_AT_52,
    A,
    B,
    Case,
    cosine,
    driven_two_delays,
    exponential,
    hopf,
    mackey_glass,
    oscillator,
    pulse,
    pure_delay,
)

from ode2rnn import AdditiveModel, Circulant, ContinuousRNN, integrate, kernels
from ode2rnn.core.signals import Cubic, Held, Linear, Sine
from ode2rnn.core.systems.flat import Flat

TIGHT = {"rtol": 1e-13, "atol": 1e-15}


def test_one_delay_with_a_jump_at_the_start() -> None:  # R1
    solution = pure_delay(history=0.0).solve(**TIGHT)
    expected = {0.5: 1, 1: 1, 2: 0, 3: -1 / 2, 5: 5 / 24, 10: 19223 / 362880}
    for t, value in expected.items():
        assert solution(t)[0] == pytest.approx(value, abs=1e-12)


def test_one_delay_with_a_constant_history() -> None:  # R1
    solution = pure_delay(history=1.0, end=20.0).solve(**TIGHT)
    expected = {3: -1 / 6, 5: 19 / 120, 10: 10493 / 518400, 20: -4.606955990563685e-4}
    for t, value in expected.items():
        assert solution(t)[0] == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(("history", "value"), [(0.0, -8407 / 243000), (1.0, -2924347 / 45562500)])
def test_two_delays_and_their_breaking_points(history: float, value: float) -> None:  # R2
    solution = pure_delay((1 / 3, 1 / 5), history, end=1.0).solve(**TIGHT)
    assert solution(1.0)[0] == pytest.approx(value, abs=1e-12)
    points = [1 / 5, 1 / 3, 2 / 5, 8 / 15, 3 / 5, 2 / 3, 11 / 15, 4 / 5, 13 / 15, 14 / 15]
    np.testing.assert_allclose(solution.knots[1:], points, atol=1e-14)
    assert solution.stats.breaking_points == len(points)


def test_rounding_in_a_delay_changes_nothing() -> None:  # R2
    exact = pure_delay((1 / 3, 1 / 5), end=1.0).solve()
    nearly = pure_delay((1 / 3 + 1e-16, 1 / 5), end=1.0).solve()
    assert nearly.stats == exact.stats
    np.testing.assert_allclose(nearly.s, exact.s, atol=1e-14)
    exact, nearly = (
        Case(AdditiveModel(state=[(-1.0, tau), (-0.5, 0.1)]), (0.0, 2.0), 1.0).solve() for tau in (0.3, 3 * 0.1)
    )
    assert nearly.stats == exact.stats
    np.testing.assert_allclose(nearly.s, exact.s, atol=1e-14)


@pytest.mark.parametrize("case", [cosine(), exponential()], ids=["cosine", "exponential"])
def test_a_smooth_linear_delay_equation(case: Case) -> None:  # R3
    solution = case.solve(**TIGHT)
    assert case.error(solution, np.linspace(*case.t, 401)) < 1e-12


@pytest.mark.parametrize(("rtol", "error"), [(1e-3, 2.7e-5), (1e-5, 1.1e-6), (1e-8, 5.3e-10), (1e-10, 3.5e-12)])
def test_no_less_accurate_than_jitcdde_at_the_same_tolerance(rtol: float, error: float) -> None:  # R5
    case = pure_delay(history=1.0)
    assert case.error(case.solve(rtol=rtol, atol=rtol), 10.0) <= error


@pytest.mark.parametrize("tau", HOPF_AT_10)
@pytest.mark.parametrize("method", ["spectral", "tsit5", "DOP853"])
def test_a_delayed_inhibitory_neuron(tau: float, method: str) -> None:  # R8
    solution = hopf(tau).solve(method, rtol=1e-11, atol=1e-13)
    assert solution(10.0)[0] == pytest.approx(HOPF_AT_10[tau], abs=6e-11)


@pytest.mark.parametrize("w", [-1.5, -2.0, -3.0])
def test_oscillation_sets_in_at_the_delay_of_the_hopf_point(w: float) -> None:  # R8
    critical = np.arccos(1 / w) / np.sqrt(w**2 - 1)
    for factor, lives in ((0.9, False), (1.1, True)):
        solution = hopf(factor * critical, w, end=300.0).solve()
        early, late = (np.abs(solution(np.linspace(a, a + 20, 400))).max() for a in (100.0, 280.0))
        assert (late > 0.1) == lives
        assert lives or late < 0.2 * early


def test_two_neurons_rest_at_their_known_equilibrium_and_oscillate_around_it() -> None:  # R13
    case = oscillator()
    theta = np.array([-2.75, -1.75])
    rest = np.array([2.75, 1.75]) + theta  # s = y + theta
    np.testing.assert_allclose(case.model.rate(0.0, rest), 0.0, atol=1e-15)
    values = np.linalg.eigvals(Flat(case.model).jacobian(rest, np.zeros(0)))
    np.testing.assert_allclose(sorted(values, key=np.imag), [1 / 8 - 1j / 4, 1 / 8 + 1j / 4], atol=1e-14)
    solution = case.solve(rtol=1e-8, t=(0.0, 200.0))
    swings = [np.ptp(solution(np.linspace(a, a + 40, 4000)), axis=0) for a in (100.0, 160.0)]
    assert (swings[0] > 0.1).all()
    np.testing.assert_allclose(swings[0], swings[1], rtol=1e-3)


def test_two_neurons_with_the_matrix_transposed_come_to_rest() -> None:  # R13
    for start in ([0.1, -0.1], [3.0, 0.0], [-2.0, 2.0]):
        late = oscillator(transposed=True).solve(history=start, t=(0.0, 200.0))(np.linspace(190, 200, 100))
        assert np.ptp(late, axis=0).max() < 1e-3


@pytest.mark.parametrize("method", ["spectral", "tsit5"])
def test_mackey_glass(method: str) -> None:  # R14
    assert mackey_glass().solve(method, rtol=1e-11)(100.0)[0] == pytest.approx(MACKEY_GLASS_AT_100, abs=6e-11)


def test_chaotic_mackey_glass_is_the_same_by_two_methods() -> None:
    case = mackey_glass(end=500.0)
    ours, other = (case.solve(m, rtol=1e-12, atol=1e-14) for m in ("spectral", "tsit5"))
    times = np.linspace(0, 500, 501)
    assert np.abs(ours(times) - other(times)).max() < 1e-9


def test_the_missed_pulse() -> None:  # R16
    assert pulse().solve()(52.0)[0] == pytest.approx(PULSE_AT_52, abs=1e-7)
    assert pulse().solve("spectral", **TIGHT)(52.0)[0] == pytest.approx((np.sqrt(np.e) - 1) * np.exp(-2), abs=1e-14)


RATES = np.logspace(0, 3, 6)  # time constants from 1 to 1 / 1000


def stiff(tau: float) -> Case:
    W = 0.3 * np.random.default_rng(5).normal(size=(6, 6))
    model = AdditiveModel([(-np.diag(RATES), 0.0)], [(RATES[:, None] * W, tau)], [(RATES[:, None], 0.0)])
    return Case(model, (0.0, 2.0), np.full(6, 0.5), Sine(omega=3.0), s0=np.zeros(6))


def test_rates_from_one_to_a_thousand_with_a_delay() -> None:
    case, times = stiff(0.5), np.linspace(0, 2, 2001)
    fine = case.solve("DOP853", rtol=1e-11, atol=1e-13)
    for method, rtol in (("auto", 1e-6), ("auto", 1e-9), ("Radau", 1e-6)):
        solution = case.solve(method, rtol=rtol, atol=rtol)
        assert np.abs(solution(times) - fine(times)).max() < 5 * rtol
        if method == "auto":
            assert solution.stats.method == "spectral"
            assert solution.stats.steps < 0.1 * fine.stats.steps


def test_stiff_equations_without_delay_go_to_an_implicit_method() -> None:
    case = stiff(0.0)
    assert case.solve(t=(0.0, 1.0)).stats.method == "taylor"
    compiled = case.solve(t=(0.0, 31.0))
    assert compiled.stats.method == "taylor"  # ten thousand compiled steps cost less than the implicit ones
    with kernels.plain():
        alone = case.solve(t=(0.0, 31.0))
        batch = case.solve(t=(0.0, 31.0), s0=np.zeros((2, 6)), rtol=1e-4)
    assert alone.stats.method == batch.stats.method == "Radau"
    assert np.abs(batch(31.0) - alone(31.0)).max() < 1e-3
    assert np.abs(compiled(31.0) - alone(31.0)).max() < 1e-5


def test_several_delays_and_an_undelayed_readout() -> None:
    case = driven_two_delays(end=3.0)
    for method in ("auto", "DOP853", "dopri8"):
        solution = case.solve(method, rtol=1e-10, atol=1e-10)
        assert case.error(solution, np.linspace(*case.t, 401)) < 1e-9


def test_state_terms_readout_terms_and_input_terms_each_with_delays_of_their_own() -> None:
    """Against scipy on the chain of unknowns of the method of steps, by hand: everything on one grid of 1/2."""
    model = AdditiveModel(
        state=[(A, 0.0), (0.3 * B_LATE, 1.0)],
        readout=[(B, 0.5)],
        input=[(np.ones((3, 1)), 0.0), (B_LATE[:, :1], 0.5)],
        phi=[0.1, 0.2, 0.3],
    )
    x = Sine(omega=2.0)
    solution = integrate(model, x, t=(0, 1.5), history=[0.2, -0.1, 0.4], **TIGHT)
    past = [np.array([0.2, -0.1, 0.4])] * 3
    pieces: list = []

    def s(t: float) -> np.ndarray:  # the solution so far
        return past[0] if t < 0 else pieces[min(int(t / 0.5 + 1e-9), len(pieces) - 1)](t)

    for n in range(3):

        def rate(t: float, y: np.ndarray) -> np.ndarray:
            drive = np.ones((3, 1)) @ x(t) + B_LATE[:, :1] @ x(t - 0.5)
            return A @ y + 0.3 * B_LATE @ s(t - 1.0 - 1e-13) + B @ np.tanh(s(t - 0.5 - 1e-13)) + drive + [0.1, 0.2, 0.3]

        start = past[0] if n == 0 else pieces[-1](0.5 * n)
        pieces.append(
            solve_ivp(rate, (n / 2, n / 2 + 0.5), start, "DOP853", rtol=1e-12, atol=1e-13, dense_output=True).sol
        )
        np.testing.assert_allclose(solution(n / 2 + 0.5), pieces[-1](n / 2 + 0.5), atol=1e-10)


@pytest.mark.parametrize("signal", [Held, Linear, Cubic])
@pytest.mark.parametrize("delay", [0.0, 0.3])
def test_a_linear_cell_follows_a_sampled_input_exactly(signal: type, delay: float) -> None:
    """s' = -s + x(t - delay): by the variation of constants, each piece by Gauss quadrature."""
    knots, x = np.array([-0.5, 0.1, 0.4, 1.1, 2.0]), np.array([0.3, -1.0, 2.0, 0.5, -0.7])
    series = signal(knots, x)
    model = AdditiveModel(state=[(-1.0, 0.0)], input=[(1.0, delay)])
    solution = integrate(model, series, t=(0, 2), history=0.2, **TIGHT)
    gauss, weights = np.polynomial.legendre.leggauss(20)
    for end in (0.05, 0.4, 0.75, 1.4, 2.0):
        edges = np.unique(np.clip([0.0, *(knots + delay), end], 0.0, end))
        exact = 0.2 * np.exp(-end)
        for a, b in zip(edges[:-1], edges[1:], strict=True):
            t = a + (b - a) * (1 + gauss) / 2
            exact += (b - a) / 2 * weights @ (np.exp(t - end) * series(t - delay)[:, 0])
        assert solution(end)[0] == pytest.approx(exact, abs=1e-13)


@pytest.mark.parametrize("tau", [0.0, 0.4])
@pytest.mark.parametrize("method", ["auto", "tsit5", "backward_euler", "Radau", "rk4"])
def test_a_convolution_is_its_dense_matrix(tau: float, method: str) -> None:  # C8
    diffusion = Circulant.from_stencil([1.0, -2.0, 1.0], (6,))
    kernel = Circulant(np.array([0.5, 1.0, -0.8, 0.0, 0.0, 0.3]))
    start = np.sin(np.arange(6.0))
    given = {"dt": 0.1} if method in ("backward_euler", "rk4") else {"rtol": 1e-10, "atol": 1e-12}
    solutions = []
    for A_, B_ in ((diffusion, kernel), (np.asarray(diffusion), np.asarray(kernel))):
        model = ContinuousRNN(A_, B_, None, 0.1 * np.ones(6), tau)
        solutions.append(integrate(model, t=np.linspace(0, 2, 9), history=start, method=method, **given).s)
    np.testing.assert_allclose(solutions[0], solutions[1], rtol=0, atol=1e-9 if "rtol" in given else 1e-13)


def test_times_far_from_zero_and_of_any_scale() -> None:
    rate = -0.3149230578454061  # R3
    for t0, unit in ((-50.0, 1.0), (1e6, 1.0), (1e6, 1e-3), (0.0, 1e-9), (-1e9, 1e6)):
        model = AdditiveModel(state=[(-1.0 / unit, 0.0), (0.5 / unit, unit)])

        def history(t: np.ndarray, t0: float = t0, unit: float = unit) -> np.ndarray:
            return np.exp(rate * (np.asarray(t) - t0) / unit)[..., None]

        times = np.linspace(t0, t0 + 10 * unit, 101)
        rounding = 1e-15 * abs(t0) / unit
        for method in ("spectral", "tsit5"):
            solution = integrate(model, t=(t0, t0 + 10 * unit), history=history, method=method, rtol=1e-8, atol=1e-10)
            assert np.abs(solution(times) - history(times)).max() < 2e-8 + 100 * rounding
