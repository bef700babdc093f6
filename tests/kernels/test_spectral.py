"""The compiled spectral method: equal to its plain twin, right on closed forms, as cheap late in a run as early."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

from ode2rnn import Activation, AdditiveModel, ContinuousRNN, SimulationError, Trajectory, integrate, signals
from ode2rnn.kernels import plain
from ode2rnn.kernels.spectral import plan as panel_plan
from ode2rnn.solvers.spectral import steps as spectral
from ode2rnn.solvers.spectral.compiled import Panels

D = 6


def matrices(seed: int = 1, d: int = D) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return -np.eye(d) + 0.3 * rng.normal(size=(d, d)), 0.5 * rng.normal(size=(d, d)), rng.normal(size=(d, 2))


def several() -> AdditiveModel:
    A, B, C = matrices()
    return AdditiveModel(
        state=[(A, 0.0), (0.1 * B, 0.7)],
        readout=[(B, 1.0), (0.5 * B.T, 0.37)],
        input=[(C, 0.0), (0.2 * C, 0.25)],
        phi=np.full(D, 0.1),
    )


def wave(t: Any) -> np.ndarray:
    return np.stack([np.sin(t), np.cos(2 * t)], -1)


def past(t: Any) -> np.ndarray:
    return np.stack([np.sin((i + 1) * t) for i in range(D)], -1)


def both(model: AdditiveModel, x: Any = None, **arguments: Any) -> Trajectory:
    """The compiled run, checked against the plain one."""
    fast = integrate(model, x, **arguments)
    with plain():
        slow = integrate(model, x, **arguments)
        times = np.linspace(slow.start, slow.end, 200)
        between = slow(times)
    assert isinstance(fast.dense, Panels)
    assert not isinstance(slow.dense, Panels)
    assert (fast.stats.steps, fast.stats.rejected) == (slow.stats.steps, slow.stats.rejected)
    size = 1e-12 * np.abs(slow.s).max()
    np.testing.assert_allclose(fast.t, slow.t, rtol=0, atol=1e-12 * np.abs(slow.t).max())
    np.testing.assert_allclose(fast.s, slow.s, rtol=0, atol=size)
    np.testing.assert_allclose(fast(times), between, rtol=0, atol=size)
    np.testing.assert_array_equal(fast(fast.t), fast.s)
    np.testing.assert_allclose(fast.dense.values, slow.dense.values, rtol=0, atol=size)  # type: ignore[union-attr]
    return fast


@pytest.mark.parametrize("rtol", [1e-4, 1e-9])
def test_agrees_with_several_delays_and_a_history(rtol: float) -> None:
    both(several(), wave, t=(0, 8), history=past, rtol=rtol)


def test_agrees_on_a_batch_of_states_and_of_inputs() -> None:
    rng = np.random.default_rng(2)
    both(several(), wave, t=(0, 4), history=rng.normal(size=(3, 2, D)))
    x = signals.Constant(rng.normal(size=(2, 2)))
    assert both(several(), x, t=np.linspace(0, 4, 9), history=rng.normal(size=(3, 1, D))).s.shape == (9, 3, 2, D)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu", "softplus", "identity"])
def test_agrees_for_every_registered_activation(activation: str) -> None:
    A, B, C = matrices()
    model = ContinuousRNN(A, 0.5 * B, C, None, tau=1.0, activation=activation)
    both(model, wave, t=(0, 6), history=np.linspace(-1, 1, D))


@pytest.mark.parametrize("series", [signals.Held, signals.Linear, signals.Cubic])
def test_agrees_on_309_knots_that_no_delay_divides(series: type) -> None:
    A, B, C = matrices()
    knots, rng = np.arange(309.0), np.random.default_rng(3)
    trajectory = both(
        ContinuousRNN(A, B, C[:, :1], None, tau=0.37),
        series(knots, rng.normal(size=309)),
        t=(0, 308),
        history=np.zeros(D),
    )
    assert trajectory.stats.breaking_points > 1500


@pytest.mark.parametrize("rtol", [1e-6, 1e-10])
def test_agrees_on_a_stiff_diagonal(rtol: float) -> None:
    rates, rng = np.logspace(0, 3, 10), np.random.default_rng(4)
    model = ContinuousRNN(
        -np.diag(rates), 0.5 * rng.normal(size=(10, 10)) * rates[:, None], np.ones(10)[:, None], None, 1
    )
    run = integrate(model, np.sin, t=(0, 5), history=np.full(10, 0.5), rtol=rtol, atol=1e-12)
    fine = integrate(model, np.sin, t=run.t, history=np.full(10, 0.5), rtol=1e-12, atol=1e-14)
    assert np.abs(run.s - fine.s).max() < 10 * rtol
    assert run.stats.steps < 300


def test_agrees_where_A_has_no_basis_of_eigenvectors() -> None:
    model = ContinuousRNN([[-1, 1], [0, -1]], 0.5 * np.eye(2), None, [0.1, 0.2], tau=0.5)
    both(model, t=(0, 5), history=np.ones(2))
    both(model, t=(0, 5), history=np.random.default_rng(5).normal(size=(5, 2)))


def test_agrees_on_a_chain_whose_states_are_24_orders_of_magnitude_apart() -> None:
    d, rng = 5, np.random.default_rng(0)
    A = -np.eye(d) + 1e6 * np.eye(d, k=1)
    model = ContinuousRNN(A, 0.3 * rng.normal(size=(d, d)), None, None, tau=0.5, activation="identity")
    arguments: dict[str, Any] = {"t": (0, 1), "history": np.ones(d)}
    fast = integrate(model, **arguments)
    with plain():
        slow = integrate(model, **arguments)
    np.testing.assert_allclose(fast.s[-1], slow.s[-1], rtol=1e-6)
    assert abs(fast.s[-1, 0]) > 1e20


def test_agrees_on_a_chaotic_network() -> None:
    n, rng = 50, np.random.default_rng(6)
    model = ContinuousRNN(-np.eye(n), 2 * rng.normal(size=(n, n)) / np.sqrt(n), None, None, tau=1.0)
    both(model, t=(0, 20), history=rng.normal(size=n), rtol=1e-10, atol=1e-12)


def test_takes_a_trajectory_for_its_history() -> None:
    A, B, C = matrices()
    model = ContinuousRNN(A, B, C, None, tau=0.37)
    before = integrate(model, wave, t=(-1, 0), history=np.zeros(D))
    whole = integrate(model, wave, t=(-1, 3), history=np.zeros(D), rtol=1e-10, atol=1e-12)
    after = integrate(model, wave, t=(0, 3), history=before)
    np.testing.assert_allclose(after.s[-1], whole.s[-1], atol=1e-6)


def test_delay_equations_with_a_closed_form() -> None:
    exact: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-14}
    lag = ContinuousRNN(A=0, B=-1, C=None, phi=None, tau=1.0, activation="identity")
    zero = both(lag, t=(0, 10), history=0.0, s0=1.0, **exact)
    assert zero([1 + 1e-15, 2, 3, 5, 10]).ravel() == pytest.approx([1, 0, -1 / 2, 5 / 24, 19223 / 362880], abs=1e-12)
    one = both(lag, t=(0, 20), history=1.0, **exact)
    known = [-1 / 6, 19 / 120, 10493 / 518400, -4.606955990563685e-4]
    assert one([3, 5, 10, 20]).ravel() == pytest.approx(known, abs=1e-12)
    two = AdditiveModel(state=[(-1.0, 1 / 3), (-1.0, 1 / 5)], activation="identity")
    assert both(two, t=(0, 1), history=0.0, s0=1.0, **exact).s[-1, 0] == pytest.approx(-8407 / 243000, rel=1e-12)
    assert both(two, t=(0, 1), history=1.0, **exact).s[-1, 0] == pytest.approx(-2924347 / 45562500, rel=1e-12)
    turn = ContinuousRNN(0, -np.pi / 2, None, None, tau=1.0, activation="identity")
    wave = both(turn, t=(0, 20), history=lambda t: np.cos(np.pi * t / 2), **exact)
    assert wave.s[:, 0] == pytest.approx(np.cos(np.pi * wave.t / 2), abs=1e-12)
    rate = -0.3149230578454061
    decay = both(
        ContinuousRNN(-1, 0.5, None, None, 1.0, "identity"), t=(0, 10), history=lambda t: np.exp(rate * t), **exact
    )
    assert decay.s[:, 0] == pytest.approx(np.exp(rate * decay.t), abs=1e-12)


def test_an_activation_of_the_users_own_takes_the_plain_path() -> None:
    G = Activation("mackey_glass", lambda s: s / (1 + s**10), lambda s: (1 - 9 * s**10) / (1 + s**10) ** 2)
    model = ContinuousRNN(-0.1, 0.2, None, None, 17.0, activation=G)
    run = integrate(model, t=(0, 100), history=1.2, rtol=1e-10, atol=1e-12)
    assert run.s[-1, 0] == pytest.approx(1.0137240165, abs=1e-9)
    assert not isinstance(run.dense, Panels)


def test_a_model_written_into_is_computed_anew() -> None:
    model = ContinuousRNN(-1.0, 0.5, None, None, 1.0)
    first = integrate(model, t=(0, 3), history=1.0).s[-1, 0]
    model.A[0, 0] = -2.0
    twin = ContinuousRNN(-2.0, 0.5, None, None, 1.0)
    assert integrate(model, t=(0, 3), history=1.0).s[-1, 0] == integrate(twin, t=(0, 3), history=1.0).s[-1, 0] != first


@pytest.mark.parametrize("compiled", [True, False])
def test_a_run_that_diverges_hands_over_the_valid_part(compiled: bool) -> None:
    model = ContinuousRNN(5.0, 50.0, None, None, 1.0, activation="identity")
    with nullcontext() if compiled else plain(), pytest.raises(SimulationError) as failure:
        integrate(model, t=(0, 400), history=1.0)
    trajectory = failure.value.trajectory
    assert trajectory is not None
    assert trajectory.status == -1
    assert 130 < trajectory.end < 136
    assert np.isfinite(trajectory.s).all()


def test_panels_do_not_get_more_late_in_a_run() -> None:
    A, B, C = matrices()
    model = ContinuousRNN(A, B, C, None, tau=1.0)
    short, long = (integrate(model, wave, t=(0, T), history=np.zeros(D)) for T in (200, 2000))
    assert long.stats.steps < 10.5 * short.stats.steps
    assert long.stats.evaluations < 10.5 * short.stats.evaluations


def test_the_rule_for_lengths_is_the_same_in_both() -> None:
    rng = np.random.default_rng(7)
    for _ in range(300):
        a, length, target = rng.normal(), rng.uniform(0.1, 2), 10 ** rng.uniform(-4, 1)
        start = a + length * rng.integers(16) / 16
        assert panel_plan.panel_length(a, a + length, start, target) == spectral.panel_length(
            a, a + length, start, target
        )
        h, error = 10 ** rng.uniform(-3, 0), 10 ** rng.uniform(-20, 4)
        for k in (8, 16):
            known = spectral.next_target(target, h, error, k)
            assert panel_plan.next_target(k, target, h, error) == pytest.approx(known, rel=1e-14)
    ends = np.array([0.0, 0.3, 1.0, 4.1])
    cut = panel_plan.segment_ends(ends, 0.7)
    np.testing.assert_allclose(cut, [0, 0.3, 1.0, 1.7, 2.4, 3.1, 3.8, 4.1], rtol=1e-15)
