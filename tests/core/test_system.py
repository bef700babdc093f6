"""run(): the one loop over ticks, on small systems written here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from ode2rnn import ContinuousRNN, SimulationError, System, TappedRNN, VanillaLSTM, run
from ode2rnn.core.systems.flat import Flat
from ode2rnn.core.trajectory import Trajectory

GATES = ("cu", "cs", "du", "cr")


class State(NamedTuple):
    """A state that also counts the ticks."""

    s: Any
    ticks: int


@dataclass
class Recursion(System):
    """s[n] = gain s[n-1] + x[n] summed over the inputs, r = 2 s."""

    width: int = 2
    input_width: int = 3
    gain: Any = 0.5
    dt: float = 0.25
    like: Any = None
    State: type = State

    def __post_init__(self) -> None:
        self.like = np.zeros(1) if self.like is None else self.like
        self.seen: list[Any] = []

    def init(self, s0: Any) -> State:
        return State(s0, 0)

    def step(self, state: State, x: Any) -> State:
        self.seen.append(x)
        drive = 0.0 if x is None else x.sum(-1)[..., None]
        return State(self.gain * state.s + drive, state.ticks + 1)

    def readout(self, state: State) -> tuple[Any, Any]:
        return state.s, 2.0 * state.s


RNG = np.random.default_rng(5)


def by_hand(x: np.ndarray, s: np.ndarray, gain: float = 0.5) -> np.ndarray:
    states = []
    for drive in x.sum(-1):
        s = gain * s + drive[..., None]
        states.append(s)
    return np.array(states)


@pytest.mark.parametrize("batch", [(), (4,), (2, 3)])
def test_it_steps_from_the_state_before_the_first_input(batch: tuple[int, ...]) -> None:
    x, s0 = RNG.normal(size=(6, *batch, 3)), RNG.normal(size=(*batch, 2))
    trajectory = run(Recursion(), x, s0)
    np.testing.assert_array_equal(trajectory.s, by_hand(x, s0))
    np.testing.assert_array_equal(trajectory.r, 2 * trajectory.s)
    np.testing.assert_array_equal(trajectory.x, x)
    np.testing.assert_array_equal(trajectory.t, 0.25 * np.arange(6))
    assert trajectory.s.shape == (6, *batch, 2)
    assert (trajectory.status, trajectory.stats.steps, trajectory.stats.method) == (0, 6, "Recursion")


def test_the_state_before_the_first_input_is_zero_by_default() -> None:
    x = RNG.normal(size=(3, 4, 3))
    np.testing.assert_array_equal(run(Recursion(), x).s, by_hand(x, np.zeros((4, 2))))


@pytest.mark.parametrize("s0", [np.ones(2), np.ones((1, 2)), np.ones((4, 2)), np.ones((5, 1, 2))])
def test_s0_and_the_batch_of_the_input_broadcast(s0: np.ndarray) -> None:
    x = RNG.normal(size=(3, 4, 3))
    trajectory = run(Recursion(), x, s0)
    expected = by_hand(x, s0)
    assert trajectory.s.shape == expected.shape
    np.testing.assert_array_equal(trajectory.s, expected)
    assert trajectory(0.1).shape == expected.shape[1:]


def test_between_ticks_it_is_linear_from_the_tick_before_the_first() -> None:
    x, s0 = RNG.normal(size=(4, 3)), np.array([1.0, -1.0])
    trajectory = run(Recursion(), x, s0)
    assert (trajectory.start, trajectory.end) == (-0.25, 0.75)
    np.testing.assert_array_equal(trajectory(-0.25), s0)
    np.testing.assert_allclose(trajectory(trajectory.t), trajectory.s, rtol=0, atol=1e-15)
    np.testing.assert_allclose(trajectory(0.375), 0.5 * (trajectory.s[1] + trajectory.s[2]), rtol=0, atol=1e-15)


def test_one_input_may_come_without_its_axis_and_one_state_as_a_number() -> None:
    cell = Recursion(width=1, input_width=1)
    trajectory = run(cell, [1.0, 0.0, 2.0], 4)
    np.testing.assert_array_equal(trajectory.s, [[3.0], [1.5], [2.75]])
    assert trajectory.x is not None
    assert trajectory.x.shape == (3, 1)


@pytest.mark.parametrize("x", [3, np.int32(3), np.zeros((3, 0)), np.zeros((3, 4, 0))])
def test_a_cell_without_input_takes_a_number_of_ticks_or_no_columns(x: Any) -> None:
    cell = Recursion(input_width=0)
    trajectory = run(cell, x, [8.0, 16.0])
    np.testing.assert_array_equal(trajectory.s, [[4.0, 8.0], [2.0, 4.0], [1.0, 2.0]])
    assert trajectory.x is None
    assert cell.seen == [None] * 3


def test_a_state_of_the_cells_own_is_gone_on_from() -> None:
    trajectory = run(Recursion(input_width=0), 2, State(np.array([8.0, 16.0]), 40))
    np.testing.assert_array_equal(trajectory.s[-1], [2.0, 4.0])
    np.testing.assert_array_equal(trajectory(-0.25), [8.0, 16.0])


def test_tensors_come_back_as_tensors_with_gradients() -> None:
    gain = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    x = torch.tensor(RNG.normal(size=(3, 2, 3)), requires_grad=True)
    s0 = torch.tensor(RNG.normal(size=(2, 2)), requires_grad=True)

    def last(gain: torch.Tensor, x: torch.Tensor, s0: torch.Tensor) -> torch.Tensor:
        trajectory = run(Recursion(gain=gain, like=gain), x, s0)
        return trajectory.r[-1] + trajectory(0.1)

    assert torch.autograd.gradcheck(last, (gain, x, s0))
    trajectory = run(Recursion(gain=gain, like=gain), x.detach().numpy(), s0.detach().numpy())
    assert trajectory.t.dtype == torch.float64
    assert torch.is_tensor(trajectory.s)
    assert torch.is_tensor(trajectory.x)
    np.testing.assert_allclose(trajectory.s.detach(), by_hand(x.detach().numpy(), s0.detach().numpy()))


@pytest.mark.parametrize("name", ["x", "s0"])
def test_a_cell_of_numpy_arrays_refuses_tensors_by_name(name: str) -> None:
    given: dict[str, Any] = {"x": np.zeros((3, 3)), "s0": np.zeros(2)}
    given[name] = torch.from_numpy(given[name])
    with pytest.raises(ValueError, match=rf"^{name}: expected NumPy.* build the cell from tensors"):
        run(Recursion(), **given)


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (np.zeros((4, 2)), r"expected shape \(N, \.\.\., 3\), got \(4, 2\)"),
        (np.zeros((0, 3)), r"expected shape \(N, \.\.\., 3\), got \(0, 3\)"),
        (np.zeros(3), r"expected shape \(N, \.\.\., 3\), got \(3,\)"),
        (5, r"expected shape \(N, \.\.\., 3\), got \(\)"),
        ([[0.0, np.nan, 0.0]], "NaN"),
        ([[0.0, np.inf, 0.0]], "infinity"),
        (None, "got None"),
        ("abc", "real numbers"),
        ([[1j, 0, 0]], "real numbers"),
        ([[0.0, 1.0, 2.0], [0.0]], "array of numbers"),
    ],
)
def test_bad_inputs_are_refused_before_any_tick(x: Any, says: str) -> None:
    cell = Recursion()
    with pytest.raises(ValueError, match=rf"^x: .*{says}"):
        run(cell, x)
    assert not cell.seen


@pytest.mark.parametrize("x", [0, -3, True, 2.0, np.zeros((3, 1)), np.zeros(3)])
def test_bad_numbers_of_ticks_are_refused(x: Any) -> None:
    with pytest.raises(ValueError, match=r"^x: expected"):
        run(Recursion(input_width=0), x)


@pytest.mark.parametrize(
    "s0", [np.zeros(3), np.zeros((5, 2)), np.zeros((4, 3)), 1.0, [0.0, np.nan], "ab", [1j, 0], {}, [[1.0], [1.0, 2.0]]]
)
def test_a_bad_start_is_refused_by_name(s0: Any) -> None:
    with pytest.raises(ValueError, match=r"^s0: expected"):
        run(Recursion(), np.zeros((3, 4, 3)), s0)


@pytest.mark.parametrize("cell", [None, 5, "cell", np.zeros(3), ContinuousRNN(-1.0, 1.0, 1.0, 0.0, tau=1.0)])
def test_what_is_no_system_is_refused_with_the_way_to_make_one(cell: Any) -> None:
    with pytest.raises(ValueError, match=rf"^cell: expected a System, got {type(cell).__name__}.*discretize"):
        run(cell, np.zeros((3, 1)))


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_an_overflow_ends_in_an_error_that_carries_the_valid_part(kind: str) -> None:
    like = torch.zeros(1, dtype=torch.float64) if kind == "torch" else np.zeros(1)
    cell = Recursion(input_width=0, gain=1e100, like=like)
    with pytest.raises(
        SimulationError, match=r"overflowed at tick 3 of 9 \(t = 0\.75\): the recursion diverges"
    ) as caught:
        run(cell, 9, [1.0, 1.0])
    part = caught.value.trajectory
    assert isinstance(part, Trajectory)
    assert (part.status, part.success, part.stats.steps) == (-1, False, 3)
    np.testing.assert_allclose(np.asarray(part.s), [[1e100] * 2, [1e200] * 2, [1e300] * 2])
    np.testing.assert_array_equal(part.t, [0.0, 0.25, 0.5])
    assert part.message == str(caught.value)
    assert part.end == 0.5
    assert len(cell.seen) == 4


def test_the_valid_part_keeps_the_inputs_that_led_to_it() -> None:
    x = np.ones((9, 3))
    with pytest.raises(SimulationError) as caught:
        run(Recursion(gain=1e100), x, [1.0, 1.0])
    assert caught.value.trajectory is not None
    np.testing.assert_array_equal(caught.value.trajectory.x, x[:3])


def test_a_readout_that_is_not_finite_ends_the_run_too() -> None:
    class Blind(Recursion):
        def readout(self, state: State) -> tuple[Any, Any]:
            return state.s, state.s / (state.ticks < 3)

    with pytest.raises(SimulationError) as caught:
        run(Blind(input_width=0), 5, [1.0, 1.0])
    assert caught.value.trajectory is not None
    assert np.isfinite(caught.value.trajectory.r).all()
    assert len(caught.value.trajectory.r) == 2


def test_an_overflow_at_the_first_tick_has_no_valid_part() -> None:
    with pytest.raises(SimulationError, match="not finite after the first tick") as caught:
        run(Recursion(input_width=0, gain=1e200), 3, [1e200, 1e200])
    assert caught.value.trajectory is None


def test_a_tick_with_its_tangent_is_the_tick_and_the_tangent() -> None:
    rng = np.random.default_rng(0)
    zero = dict.fromkeys(["b_cu", "b_cs", "b_du", "b_cr"], np.zeros(3))
    weights = {f"W_{kind}{gate}": rng.normal(size=(3, 2 if kind == "x" else 3)) for kind in "xv" for gate in GATES}
    peepholes = {f"W_s{gate}": rng.normal(size=(3, 3)) for gate in GATES if gate != "du"}
    taps = TappedRNN(
        W_s={1: rng.normal(size=(3, 3)), 2: rng.normal(size=(3, 3))},
        W_r={0: rng.normal(size=(3, 3)) / 9, 1: rng.normal(size=(3, 3))},
        W_x={0: rng.normal(size=(3, 2))},
        theta_s=np.zeros(3),
    )
    for cell in (VanillaLSTM(**zero, **weights, **peepholes), taps):
        flat = Flat(cell)
        S, V, u = rng.normal(size=flat.size), rng.normal(size=(4, flat.size)), flat.constant(rng.normal(size=2))
        after, moved = flat.carry(S, V, u)
        np.testing.assert_allclose(after, flat.advance(S, u), rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(moved, flat.push(S, V, u), rtol=1e-13, atol=1e-13)
