"""Recursions, samples and unrolled networks as maps on vectors, and their tangents."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from ode2rnn import CanonicalRNN, ContinuousRNN, Sampled, TappedRNN, discretize, run, unroll
from ode2rnn.core.systems.flat import Flat
from ode2rnn.core.systems.map import Map
from ode2rnn.core.systems.system import System
from ode2rnn.discrete.memory import Memory
from ode2rnn.discrete.standard import StandardRNN
from ode2rnn.discrete.unroll import Position, impulse_response

D, M = 3, 2
RNG = np.random.default_rng(0)
W, V, THETA = 0.4 * RNG.standard_normal((6, D, D)), RNG.standard_normal((3, D, M)), 0.3 * RNG.standard_normal(D)

CELLS: dict[str, CanonicalRNN | TappedRNN] = {
    "canonical": CanonicalRNN(W[0], W[1], V[0], THETA),
    "late": CanonicalRNN(W[0], W[1], V[0], THETA, lag=3),
    "tapped": TappedRNN({1: W[0], 2: W[2]}, {1: W[1], 4: W[3]}, {0: V[0], 2: V[1]}, THETA),
    "implicit": TappedRNN({1: W[0], 3: W[2]}, {0: -W[4] @ W[4].T, 2: W[1]}, {1: V[0]}, THETA, activation="sigmoid"),
    "no input": TappedRNN({2: W[0]}, {1: W[1]}, {}, THETA),
}


@pytest.mark.parametrize("kind", CELLS)
def test_the_vector_steps_as_the_memory_does(kind: str) -> None:
    cell = CELLS[kind]
    flat, x = Flat(cell), RNG.standard_normal((12, M)) if kind != "no input" else None
    L = flat.depth
    past = RNG.standard_normal((L, D))
    traj = run(cell, 12 if x is None else x, cell.remember(lambda n: past[-n - 1], None))
    S, rows = past.ravel(), np.zeros((12, 0)) if x is None else flat.drive(x)
    assert flat.names == tuple((f"s[n-{k}]" if L > 1 else "s", D) for k in range(1, L + 1))
    for n in range(12):
        S = flat.advance(S, rows[n])
        np.testing.assert_allclose(S[:D], traj.s[n], rtol=0, atol=1e-13)
    np.testing.assert_allclose(S, traj.s[: -L - 1 : -1].ravel(), rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", CELLS)
def test_the_jacobian_of_the_vector_is_that_of_differences(kind: str) -> None:
    cell = CELLS[kind]
    flat = Flat(cell)
    S = RNG.standard_normal((4, flat.size))
    u = flat.constant(None if kind == "no input" else RNG.standard_normal(M))
    h = 1e-3
    moves = [flat.advance(S[:, None] + k * h * np.eye(flat.size), u) for k in (1, -1, 2, -2)]
    expected = (8 * (moves[0] - moves[1]) - (moves[2] - moves[3])) / (12 * h)
    np.testing.assert_allclose(flat.jacobian(S, u).swapaxes(-1, -2), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", CELLS)
def test_the_tangent_of_a_memory_is_that_of_automatic_differentiation(kind: str) -> None:
    """System's own step_jvp runs the tick on duals."""
    cell = CELLS[kind]
    own = cell.with_weights({name: torch.tensor(value) for name, value in cell.weights().items()})

    def draw(columns: int) -> torch.Tensor:
        return torch.tensor(RNG.standard_normal((2, columns)))

    m = cell.input_width
    counts = [len(part) for part in cell.init(np.zeros(D))]
    state, along = (
        Memory(*(tuple(draw(n) for _ in range(c)) for c, n in zip(counts, (D, D, m), strict=True))) for _ in range(2)
    )
    x, d_x = (draw(m), draw(m)) if m else (None, None)
    got = own.step_jvp(state, x, along, d_x)
    expected = System.step_jvp(own, state, x, along, d_x)
    for part, other in zip(got, expected, strict=True):
        for one, two in zip(part, other, strict=True):
            torch.testing.assert_close(one, two, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["late", "tapped", "implicit"])
def test_a_cell_rests_where_its_settled_one_does(kind: str) -> None:
    cell = CELLS[kind]
    x = np.array([0.3, -0.2])
    settled = cell.settled()
    assert (type(settled), settled.depth) == (CanonicalRNN, 1)
    for one, other in ((cell, settled), (settled, cell)):
        s = np.zeros(D)
        flat, u = Flat(one), Flat(one).constant(x)
        for _ in range(60):  # Newton's method on the vector whose parts are alike
            S = flat.start(s)
            J = flat.slope(S, u)[:D] if one is settled else flat.slope(S, u)[:D].reshape((D, -1, D)).sum(1)
            s = s - np.linalg.solve(J, flat.residual(S, u)[:D])
        flat, u = Flat(other), Flat(other).constant(x)
        assert np.abs(flat.residual(flat.start(s), u)).max() < 1e-12


def test_samples_without_delay_are_a_map_and_those_with_one_say_why_not() -> None:
    model = ContinuousRNN(W[0] - np.eye(D), W[1], V[0], THETA)
    cell = Sampled(model, 0.3, "rk4", substeps=2)
    flat = Flat(cell)
    S, u = RNG.standard_normal((4, D)), RNG.standard_normal(M)
    assert flat.names == (("s", D),)
    np.testing.assert_allclose(flat.advance(S[0], u), run(cell, u[None], S[0]).s[0], rtol=0, atol=1e-15)
    h = 1e-3
    moves = [flat.advance(S[:, None] + k * h * np.eye(D), u) for k in (1, -1, 2, -2)]
    expected = (8 * (moves[0] - moves[1]) - (moves[2] - moves[3])) / (12 * h)
    np.testing.assert_allclose(flat.jacobian(S, u).swapaxes(-1, -2), expected, rtol=0, atol=1e-10)
    assert cell.settled() is cell
    assert cell.inner() == (cell, 1.0)
    late = ContinuousRNN(model.A, model.B, model.C, THETA, tau=0.3)
    with pytest.raises(ValueError, match=r"expected a model without delays, since the state .* is its past"):
        Flat(Sampled(late, 0.3, "rk4"))
    inner, ticks = Sampled(late, 0.3, substeps=3).inner()
    assert ticks == 3
    np.testing.assert_allclose(inner.W_r, discretize(late, 0.1).W_r, rtol=1e-14)
    assert Sampled(late, 0.3, substeps=3).settled().lag == 1
    assert Sampled(late, 0.3, "spectral").inner() == (late, 0.3)


def test_an_unrolled_network_is_no_map_and_has_the_tangent_of_its_cell() -> None:
    cell = CELLS["canonical"]
    network = unroll(cell, 4)
    with pytest.raises(ValueError, match="starts anew every K ticks: it is no map; give its cell"):
        Flat(network)
    state, along = cell.init(np.ones(D)), cell.init(np.ones(D))
    inside = network.step_jvp(Position(2, state), np.ones(M), Position(2, along))
    np.testing.assert_array_equal(inside.memory.s[0], cell.step_jvp(state, np.ones(M), along).s[0])
    beyond = network.step_jvp(Position(4, state), np.ones(M), Position(4, along))
    assert not beyond.memory.s[0].any()
    assert beyond.tick == 1


class Ahead(System):
    """s[n] = s[n-1] / 2 + x[n] + 3 x[n+1]: a cell that looks ahead."""

    dt, width, input_width, window = 1.0, 1, 1, (0, 1)

    def init(self, s0: Any) -> Any:
        return s0

    def prepare(self, x: Any) -> Any:
        return np.concatenate([x, np.concatenate([x[1:], 0 * x[:1]])], axis=-1)

    def step(self, state: Any, x: Any) -> Any:
        return 0.5 * state + x[..., :1] + 3 * x[..., 1:]

    def readout(self, state: Any) -> tuple[Any, Any]:
        return state, state


def test_segments_see_the_inputs_beyond_their_ends_and_nothing_of_the_states() -> None:
    x = RNG.standard_normal((10, 1))
    got = run(unroll(Ahead(), 4), x).s
    seen = x + 3 * np.append(x[1:], [[0.0]], axis=0)
    expected, s = [], np.zeros(1)
    for n in range(10):
        s = (0 if n % 4 == 0 else 0.5) * s + seen[n]
        expected.append(s)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-14)


def test_the_impulse_response_of_a_cell_that_looks_ahead_begins_before_the_impulse() -> None:
    np.testing.assert_allclose(impulse_response(Ahead(), 4).ravel(), [3, 2.5, 1.25, 0.625], rtol=1e-9)


class Pair(NamedTuple):
    a: Any
    b: Any


class Oscillator(System):
    """Two numbers that feed each other, of which one is shown."""

    dt, width, input_width = 1.0, 2, 1

    def init(self, s0: Any) -> Pair:
        return Pair(s0, 0 * s0)

    def step(self, state: Pair, x: Any) -> Pair:
        a = 0.9 * state.a - 0.3 * state.b + x
        return Pair(a, np.sin(state.b) + 0.2 * a)

    def readout(self, state: Pair) -> tuple[Any, Any]:
        return state.a, np.tanh(state.a)


@pytest.mark.parametrize(
    "cell",
    [
        TappedRNN({1: W[0] / 2}, {1: W[1] / 2, 4: W[3] / 2}, {0: V[0], 2: V[1]}, THETA),
        StandardRNN(W[0], V[0], 0 * THETA),
        Sampled(ContinuousRNN(W[0] - np.eye(D), W[1], V[0], 0 * THETA), 0.2, "rk4"),
        Map(lambda s, x: np.tanh(s) / 2 + x, D, input_width=D),
        Oscillator(),
    ],
    ids=lambda cell: type(cell).__name__,
)
def test_the_impulse_response_at_rest_is_the_derivative_by_an_earlier_input(cell: System) -> None:
    m = cell.input_width
    rest = run(cell, np.zeros((400, m))).s[-1]
    at = rest if np.abs(rest).max() > 1e-8 else 0 * rest
    h, eps = impulse_response(cell, 6, at), 1e-4
    x = np.zeros((6, m, m))
    x[0] = eps * np.eye(m)
    start = np.tile(at, (m, 1))
    change = (run(cell, x, start).s - run(cell, -x, start).s) / (2 * eps)
    np.testing.assert_allclose(h, change.swapaxes(1, 2), rtol=0, atol=1e-7)


def test_what_has_no_input_has_no_response() -> None:
    with pytest.raises(ValueError, match="cell: expected one with an input"):
        impulse_response(CELLS["no input"], 3)
    with pytest.raises(ValueError, match="cell: expected a System"):
        impulse_response("cell", 3)  # type: ignore[arg-type]
