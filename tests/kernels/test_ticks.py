"""run() by the compiled kernels against the plain loop over ticks."""

from __future__ import annotations

import numpy as np
import pytest

from ode2rnn import Activation, CanonicalRNN, SimulationError, TappedRNN, Trajectory, run
from ode2rnn.discrete.compiled import LEAST_TICKS
from ode2rnn.kernels import plain
from ode2rnn.kernels.elementwise.codes import CODES

TICKS = 150


def canonical(d: int, m: int = 2, lag: int = 1, activation: str = "tanh", seed: int = 0) -> CanonicalRNN:
    rng = np.random.default_rng(seed)
    W_s = 0.4 * np.eye(d) + 0.1 * rng.normal(size=(d, d)) / np.sqrt(d)
    W_r = 0.5 * rng.normal(size=(d, d)) / np.sqrt(d)
    W_x = rng.normal(size=(d, m)) if m else None
    return CanonicalRNN(W_s, W_r, W_x, 0.3 * rng.normal(size=d), dt=0.1, activation=activation, lag=lag)


def tapped(d: int) -> TappedRNN:
    rng = np.random.default_rng(1)

    def matrices(lags: list[int], columns: int) -> dict[int, np.ndarray]:
        return {lag: 0.2 * rng.normal(size=(d, columns)) / np.sqrt(d) for lag in lags}

    return TappedRNN(matrices([1, 4], d), matrices([1, 3, 7], d), matrices([0, 2], 3), rng.normal(size=d))


def both(cell: CanonicalRNN | TappedRNN, x: object, s0: object = None) -> tuple[Trajectory, Trajectory]:
    with plain():
        expected = run(cell, x, s0)
    return run(cell, x, s0), expected


def assert_same(got: Trajectory, expected: Trajectory) -> None:
    for name in ("t", "s", "r"):
        value, wanted = getattr(got, name), getattr(expected, name)
        assert value.shape == wanted.shape
        np.testing.assert_allclose(value, wanted, rtol=1e-12, atol=1e-12 * np.abs(wanted).max())
    np.testing.assert_array_equal(got.x if got.x is not None else 0, expected.x if expected.x is not None else 0)
    between = np.linspace(expected.start, expected.end, 37)
    np.testing.assert_allclose(got(between), expected(between), rtol=1e-12, atol=1e-12)
    assert (got.stats, got.status, got.message) == (expected.stats, expected.status, expected.message)


@pytest.mark.parametrize("activation", CODES)
@pytest.mark.parametrize("batch", [(), (3,), (70,), (2, 40)])
def test_every_registered_activation_single_and_batched(activation: str, batch: tuple[int, ...]) -> None:
    rng = np.random.default_rng(5)
    cell = canonical(3, activation=activation)
    assert_same(*both(cell, rng.normal(size=(TICKS, *batch, 2)), rng.normal(size=(*batch, 3))))


@pytest.mark.parametrize("d", [1, 2, 9, 40])
@pytest.mark.parametrize("lag", [1, 5])
@pytest.mark.parametrize("count", [1, 100])
def test_every_width_and_lag(d: int, lag: int, count: int) -> None:
    rng = np.random.default_rng(d)
    assert_same(*both(canonical(d, lag=lag), rng.normal(size=(TICKS, count, 2)), rng.normal(size=(count, d))))


@pytest.mark.parametrize("batch", [(), (5,), (70,)])
def test_tapped_cells_with_past_states_readouts_and_inputs(batch: tuple[int, ...]) -> None:
    rng = np.random.default_rng(2)
    cell = tapped(4)
    values = rng.normal(size=(20, *batch, 4))
    memory = cell.remember(lambda n: values[-n], lambda n: values[-n, ..., :3])
    x = rng.normal(size=(TICKS, *batch, 3))
    assert_same(*both(cell, x))
    assert_same(*both(cell, x, memory))


def test_one_input_serves_a_batch_of_states() -> None:
    rng = np.random.default_rng(4)
    assert_same(*both(canonical(3), rng.normal(size=(TICKS, 2)), rng.normal(size=(80, 3))))
    assert_same(*both(tapped(3), rng.normal(size=(TICKS, 3)), rng.normal(size=(80, 3))))


def test_cells_without_input_and_runs_shorter_than_the_longest_lag() -> None:
    rng = np.random.default_rng(6)
    assert_same(*both(canonical(3, m=0), TICKS, rng.normal(size=3)))
    assert_same(*both(canonical(3, lag=4 * LEAST_TICKS), rng.normal(size=(LEAST_TICKS, 2)), rng.normal(size=(9, 3))))


def failure(cell: CanonicalRNN, s0: np.ndarray) -> SimulationError:
    with pytest.raises(SimulationError) as caught:
        run(cell, 400, s0)
    return caught.value


def plain_failure(cell: CanonicalRNN, s0: np.ndarray) -> SimulationError:
    with plain():
        return failure(cell, s0)


@pytest.mark.parametrize("count", [1, 70])
def test_overflow_hands_over_the_same_valid_part(count: int) -> None:
    d = 3
    cell = CanonicalRNN(1e3 * np.eye(d), np.eye(d), None, np.zeros(d), activation="softplus")
    s0 = np.full((count, d), 1e-3)
    s0[-1] = 1e-2
    got, expected = failure(cell, s0), plain_failure(cell, s0)
    assert str(got) == str(expected)
    assert 0 < len(expected.trajectory.t) < 400
    assert_same(got.trajectory, expected.trajectory)
    with pytest.raises(SimulationError, match="after the first tick") as caught:
        run(cell, 400, np.full((count, d), 1e307))
    assert caught.value.trajectory is None


def test_what_has_no_kernel_takes_the_plain_loop() -> None:
    cube = Activation("cube", lambda s: s**3, lambda s: 3 * s**2)
    implicit = TappedRNN({1: 0.5}, {0: 0.1}, {}, 0.0)
    for cell in (CanonicalRNN(0.5, 0.1, None, 0.0, activation=cube), implicit):
        assert cell.scan(cell.init(np.zeros(1)), None, TICKS) is None
    cell = canonical(2)
    with plain():
        assert cell.scan(cell.init(np.zeros(2)), np.zeros((TICKS, 2)), TICKS) is None

    class Doubled(CanonicalRNN):
        def step(self, state, x):
            return super().step(super().step(state, x), x)

    doubled = Doubled(0.5, 0.1, None, 0.0)
    assert doubled.scan(doubled.init(np.zeros(1)), None, TICKS) is None
