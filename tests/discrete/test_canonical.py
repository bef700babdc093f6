"""The canonical RNN (D5), the standard RNN (D8) and the tapped cell: recursions as Systems."""

from __future__ import annotations

import copy
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
import torch
from tests.discrete.networks import random_network

from ode2rnn import Activation, CanonicalRNN, ContinuousRNN, SimulationError, TappedRNN, discretize, run
from ode2rnn.core.newton import solve_readout
from ode2rnn.discrete.canonical import as_tapped


def random_cell(seed: int, lag: int = 1, m: int | None = 2) -> CanonicalRNN:
    rng = np.random.default_rng(seed)
    W_x = None if m is None else rng.standard_normal((3, m))
    W_s, W_r = 0.3 * rng.standard_normal((2, 3, 3))
    return CanonicalRNN(W_s, W_r, W_x, rng.standard_normal(3), 0.5, "tanh", lag)


def as_tensor(value: Any) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


def in_torch(cell: CanonicalRNN | TappedRNN) -> Any:
    """The same cell, of float64 tensors."""
    if isinstance(cell, CanonicalRNN):
        W_x = None if cell.W_x is None else as_tensor(cell.W_x)
        theta = as_tensor(cell.theta_s)
        return CanonicalRNN(as_tensor(cell.W_s), as_tensor(cell.W_r), W_x, theta, cell.dt, cell.activation, cell.lag)
    taps = [{k: as_tensor(W) for k, W in getattr(cell, name).items()} for name in ("W_s", "W_r", "W_x")]
    return TappedRNN(*taps, as_tensor(cell.theta_s), cell.dt, cell.activation)


@pytest.mark.parametrize("lag", [1, 3])
def test_the_canonical_rnn_is_d5_written_as_a_loop(lag: int) -> None:
    cell = random_cell(0, lag)
    x = np.random.default_rng(1).standard_normal((20, 2))
    s0 = np.array([0.5, -0.5, 1.0])
    states = [s0] * lag  # constant history
    for n in range(20):
        states.append(cell.W_s @ states[-1] + cell.W_r @ np.tanh(states[-lag]) + cell.W_x @ x[n] + cell.theta_s)
    traj = run(cell, x, s0)
    np.testing.assert_allclose(traj.s, states[lag:], rtol=0, atol=1e-14)
    np.testing.assert_array_equal(traj.r, np.tanh(traj.s))
    np.testing.assert_array_equal(traj.t, 0.5 * np.arange(20))


@pytest.mark.parametrize("lag", [1, 2, 5])
@pytest.mark.parametrize("m", [None, 1, 3])
@pytest.mark.parametrize("batch", [(), (4,), (2, 3)])
def test_a_canonical_cell_and_its_one_tap_form_agree_to_the_last_bit(lag: int, m: int | None, batch: tuple) -> None:
    cell = random_cell(2, lag, m)
    rng = np.random.default_rng(3)
    x = 15 if m is None else rng.standard_normal((15, *batch, m))
    s0 = rng.standard_normal((*batch, 3))
    one, other = run(cell, x, s0), run(as_tapped(cell), x, s0)
    np.testing.assert_array_equal(one.s, other.s)
    np.testing.assert_array_equal(one.r, other.r)


@pytest.mark.parametrize("cell", [random_cell(0), random_cell(0, 4), discretize(random_network(1), 0.3, "tustin")])
def test_numpy_and_torch_cells_agree(cell: Any) -> None:
    x = np.random.default_rng(4).standard_normal((10, 5, 2))
    one, other = run(cell, x), run(in_torch(cell), torch.tensor(x))
    assert isinstance(other.s, torch.Tensor)
    np.testing.assert_allclose(one.s, other.s.numpy(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("scheme", ["backward_euler", "implicit_linear", "tustin", "foh"])
def test_a_batch_is_its_members_one_by_one(scheme: str) -> None:
    cell = discretize(random_network(1), 0.5, scheme)
    rng = np.random.default_rng(5)
    x, s0 = rng.standard_normal((12, 2, 3, 2)), 10 * rng.standard_normal((2, 3, 3))
    together = run(cell, x, s0).s
    for index in np.ndindex(2, 3):
        alone = run(cell, x[:, *index], s0[index]).s
        np.testing.assert_allclose(together[:, *index], alone, rtol=0, atol=1e-13)


def test_a_cell_without_input_takes_its_batch_from_the_start() -> None:
    cell = TappedRNN(W_s={}, W_r={}, W_x={}, theta_s=[1.0, 2.0])
    np.testing.assert_array_equal(run(cell, 3, np.zeros((4, 2))).s, np.tile([1.0, 2.0], (3, 4, 1)))


def test_a_step_changes_nothing_that_it_was_given() -> None:
    for cell in (random_cell(6, 2), discretize(random_network(1), 0.5, "tustin")):
        state, x = cell.init(np.ones(3)), np.ones(2)
        before = copy.deepcopy((state, x, vars(cell)["theta_s"]))
        first, second = cell.step(state, x), cell.step(state, x)
        np.testing.assert_equal((state, x, cell.theta_s), before)
        np.testing.assert_equal(first, second)


def test_a_run_goes_on_from_the_memory_of_another() -> None:
    cell = random_cell(7, 3)
    x = np.random.default_rng(7).standard_normal((9, 2))
    state = cell.init(np.zeros(3))
    for n in range(4):
        state = cell.step(state, x[n])
    np.testing.assert_array_equal(run(cell, x[4:], state).s, run(cell, x).s[4:])


def test_a_known_past_is_what_the_first_ticks_read() -> None:
    cell = TappedRNN(W_s={2: 1.0}, W_r={3: 10.0}, W_x={0: 0.0, 1: 100.0}, theta_s=0.0, activation="identity")
    memory = cell.remember(lambda n: np.array([float(n)]), lambda n: np.array([2.0 * n]))
    # s[0] = s[-2] + 10 s[-3] + 100 x[-1];  s[1] = s[-1] + 10 s[-2] + 100 x[0]
    np.testing.assert_array_equal(run(cell, [5.0, 6.0], memory).s[:, 0], [-2 - 30 - 200, -1 - 20 + 500])


def test_the_memory_of_another_cell_is_refused() -> None:
    with pytest.raises(ValueError, match=r"s0: expected a memory of \(2, 2, 0\) states.* got one of \(1, 1, 0\)"):
        run(random_cell(0, 2), np.zeros((3, 2)), random_cell(0, 1).init(np.zeros(3)))


def test_the_standard_rnn_is_the_canonical_one_without_its_state_term() -> None:
    cell = random_cell(8)
    x = np.random.default_rng(8).standard_normal((6, 2))
    r, expected = np.zeros(3), []
    for n in range(6):  # D8
        s = cell.W_r @ r + cell.W_x @ x[n] + cell.theta_s
        r = np.tanh(s)
        expected.append(s)
    standard = cell.standard()
    np.testing.assert_allclose(run(standard, x).s, expected, rtol=0, atol=1e-15)
    assert not standard.W_s.any()
    assert (standard.dt, standard.lag, standard.activation) == (cell.dt, cell.lag, cell.activation)


def test_cells_are_values() -> None:
    with pytest.raises(FrozenInstanceError):
        random_cell(0).dt = 2.0  # type: ignore[misc]


def test_a_cell_keeps_the_dtype_of_its_tensors() -> None:
    model = ContinuousRNN(-torch.eye(2), torch.eye(2), torch.ones(2, 1), None, tau=0.0)
    for scheme in ("implicit_linear", "tustin", "foh", "exponential", "forward_euler"):
        assert run(discretize(model, 0.1, scheme), torch.ones(4, 1)).s.dtype == torch.float32


# the implicit step


@pytest.mark.parametrize("size", [0.5, 2.0, 20.0])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softplus"])
def test_newton_solves_the_undelayed_readout_to_rounding(size: float, activation: str) -> None:
    rng = np.random.default_rng(9)
    G = ContinuousRNN(-1.0, 1.0, None, None, activation=activation).activation
    M = size * rng.standard_normal((4, 4)) / 2
    M -= (np.linalg.eigvals(M).real.max() - 0.5) * np.eye(4)  # one solution near
    known = 3 * rng.standard_normal((50, 4))
    s = solve_readout(known, M, G, known)
    np.testing.assert_allclose(s, known + G.value(s) @ M.T, rtol=0, atol=1e-14 * max(1.0, np.abs(s).max() * size))


def test_newton_doubles_the_number_of_right_digits_in_every_iteration() -> None:
    seen: list[float] = []

    def recorded(s: np.ndarray) -> np.ndarray:
        if s.shape == (1,):
            seen.append(float(s[0]))
        return np.tanh(s)

    G = Activation("recorded", recorded, lambda s: 1 - np.tanh(s) ** 2, 1.0)
    root = solve_readout(np.array([0.3]), np.array([[-2.0]]), G, np.array([1.0]))
    errors = np.abs(np.array(seen) - root)
    errors = errors[errors > 1e-14]
    assert len(errors) >= 4
    # the constant of Newton's method here: |f''| / (2 |f'|) <= 2 max|tanh''| / 2 / 1
    assert (errors[1:] <= 0.8 * errors[:-1] ** 2 + 1e-15).all()


def test_every_member_of_a_batch_is_solved_to_its_own_rounding() -> None:
    # a member of size 1e8 sets no tolerance for one of size 1
    G = ContinuousRNN(-1.0, 1.0, None, None, activation="softplus").activation
    known = np.array([[1e8], [0.3], [-1e3]])
    s = solve_readout(known, np.array([[-3.0]]), G, 0 * known)
    residual = known - 3 * np.logaddexp(0, s) - s
    assert (np.abs(residual) <= 1e-15 * (np.abs(known) + np.abs(s) + 1) * 4).all()


@pytest.mark.parametrize("kind", [np.array, as_tensor])
def test_a_tick_without_a_solution_is_an_error_that_carries_the_ticks_before_it(kind: Any) -> None:
    square = Activation("square", lambda s: s**2, lambda s: 2 * s)  # s = x + s^2: no real solution for x > 1/4
    cell = TappedRNN({}, {0: kind([[1.0]])}, {0: kind([[1.0]])}, kind([0.0]), activation=square)
    with pytest.raises(
        SimulationError, match=r"at tick 3 of 6.*Newton's method found no solution.*smaller dt"
    ) as caught:
        run(cell, kind([0.1, 0.2, -3.0, 2.0, 0.0, 0.0]))
    trajectory = caught.value.trajectory
    assert trajectory is not None
    assert (trajectory.status, len(trajectory.t)) == (-1, 3)
    x = np.array([0.1, 0.2, -3.0])
    np.testing.assert_allclose(np.asarray(trajectory.s)[:, 0], 0.5 - np.sqrt(0.25 - x), rtol=0, atol=1e-15)


def test_a_singular_tick_is_an_error() -> None:
    cell = TappedRNN({}, {0: 1.0}, {}, 1.0, activation="relu")  # s = 1 + max(s, 0): none
    with pytest.raises(SimulationError, match=r"no solution of the undelayed readout: .* try a smaller dt"):
        run(cell, 3, s0=1.0)


def test_an_overflow_in_an_implicit_cell_is_told_as_such() -> None:
    cell = TappedRNN({1: 1e200}, {0: -1.0}, {}, 0.0, activation="tanh")
    with pytest.raises(SimulationError, match=r"at tick 1 of 5.*overflowed") as caught:
        run(cell, 5, s0=1.0)
    assert len(caught.value.trajectory.t) == 1


# bad input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"W_s": np.ones((2, 3))}, r"W_s: expected shape \(2, 2\), got \(2, 3\)"),
        ({"W_s": None}, "W_s: expected numbers, got None"),
        ({"W_r": np.ones((3, 3))}, r"W_r: expected shape \(2, 2\), got \(3, 3\)"),
        ({"W_r": np.full((2, 2), np.nan)}, "W_r: expected finite numbers, got an array that holds NaN"),
        ({"W_x": np.ones((3, 1))}, r"W_x: expected shape \(2, m\), got \(3, 1\)"),
        ({"W_x": np.ones((2, 0))}, r"W_x: expected shape"),
        ({"theta_s": np.ones((2, 1))}, r"theta_s: expected shape \(d,\), got \(2, 1\)"),
        ({"theta_s": [np.inf, 0]}, "theta_s: expected finite numbers, got an array that holds infinity"),
        ({"theta_s": "no"}, "theta_s: expected an array of real numbers"),
        ({"dt": 0.0}, "dt: expected a number > 0, got 0"),
        ({"dt": -1.0}, "dt: expected a number > 0, got -1"),
        ({"dt": np.nan}, "dt: expected finite numbers"),
        ({"lag": 0}, "lag: expected a whole number >= 1, got 0"),
        ({"lag": 1.5}, "lag: expected a whole number >= 1, got 1.5"),
        ({"lag": True}, "lag: expected a whole number >= 1, got True"),
        ({"lag": 10**12}, "lag: expected at most 1e\\+07 ticks"),
        ({"activation": "tanhh"}, "activation: .* did you mean 'tanh'"),
    ],
)
def test_a_canonical_cell_names_what_is_wrong(change: dict, message: str) -> None:
    given: dict[str, Any] = {"W_s": np.eye(2), "W_r": np.eye(2), "W_x": np.ones((2, 1)), "theta_s": np.ones(2)}
    with pytest.raises(ValueError, match=message):
        CanonicalRNN(**(given | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"W_s": {0: np.eye(2)}}, "W_s, a lag: expected a whole number >= 1, got 0"),
        ({"W_r": {-1: np.eye(2)}}, "W_r, a lag: expected a whole number >= 0, got -1"),
        ({"W_x": {0.5: np.eye(2)}}, "W_x, a lag: expected a whole number >= 0, got 0.5"),
        ({"W_r": {"one": np.eye(2)}}, "W_r, a lag: expected a whole number >= 0, got 'one'"),
        ({"W_r": np.eye(2)}, "W_r: expected a dict from lags to matrices, got ndarray"),
        ({"W_r": {2: np.eye(3)}}, r"W_r\[2\]: expected shape \(2, 2\), got \(3, 3\)"),
        ({"W_x": {0: np.ones((2, 1)), 1: np.ones((2, 3))}}, r"W_x\[1\]: expected shape \(2, 1\), got \(2, 3\)"),
        ({"W_s": {1: [[np.nan, 0], [0, 0]]}}, r"W_s\[1\]: expected finite numbers"),
        ({"theta_s": []}, "theta_s: expected shape"),
        ({"dt": "fast"}, "dt: expected an array of real numbers"),
    ],
)
def test_a_tapped_cell_names_what_is_wrong(change: dict, message: str) -> None:
    given: dict[str, Any] = {"W_s": {1: np.eye(2)}, "W_r": {}, "W_x": {}, "theta_s": np.ones(2)}
    with pytest.raises(ValueError, match=message):
        TappedRNN(**(given | change))


def test_as_tapped_refuses_what_is_no_cell() -> None:
    with pytest.raises(ValueError, match="cell: expected a CanonicalRNN or TappedRNN, got ContinuousRNN"):
        as_tapped(random_network(0))  # type: ignore[arg-type]


def test_an_activation_that_torch_cannot_take_is_refused_with_tensors() -> None:
    G = Activation("numpy_only", lambda s: np.tanh(np.asarray(s)), lambda s: 1 - np.tanh(np.asarray(s)) ** 2, 1.0)
    with pytest.raises(ValueError, match="activation 'numpy_only', value"):
        CanonicalRNN(torch.eye(2), torch.eye(2), None, torch.zeros(2), activation=G)
