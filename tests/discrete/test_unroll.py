"""The unrolled network and its filter view, U1 to U3."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.discrete.networks import random_network

from ode2rnn import CanonicalRNN, Sampled, SimulationError, TappedRNN, run
from ode2rnn.discrete.unroll import Position, fir, impulse_response, segments, unroll, windows
from ode2rnn.kernels import plain


@pytest.mark.parametrize(("N", "K"), [(1, 1), (10, 1), (10, 3), (10, 5), (10, 10), (10, 12)])
def test_the_windows_are_shifted_copies_that_tile_the_sequence(N: int, K: int) -> None:
    w = windows(N, K)
    np.testing.assert_array_equal(w.sum(0), 1.0)
    first = np.arange(N) < K
    for m, tile in enumerate(segments(N, K)):
        shifted = np.zeros(N)
        shifted[tile.start :] = first[: N - tile.start]
        np.testing.assert_array_equal(w[m], shifted)


def cells(seed: int = 0, size: float = 0.5) -> dict[str, CanonicalRNN | TappedRNN]:
    rng = np.random.default_rng(seed)
    W = [size * rng.standard_normal((3, 3)) for _ in range(4)]
    V = [rng.standard_normal((3, 2)) for _ in range(2)]
    canonical = CanonicalRNN(W[0], W[1], V[0], 0.1 * V[1][:, 0], dt=0.5)
    return {
        "canonical": canonical,
        "late": CanonicalRNN(W[0], W[1], V[0], 0.1 * V[1][:, 0], lag=4),
        "tapped": TappedRNN({1: W[0], 2: 0.3 * W[2]}, {1: W[1], 3: 0.4 * W[3]}, {0: V[0], 2: V[1]}, V[0][:, 0]),
    }


@pytest.mark.parametrize("batch", [(), (2,), (2, 2)])
@pytest.mark.parametrize("K", [1, 2, 5, 7, 16, 30])
@pytest.mark.parametrize("kind", ["canonical", "late", "tapped"])
def test_every_segment_is_a_run_of_its_own_from_zero(kind: str, K: int, batch: tuple[int, ...]) -> None:
    cell = cells()[kind]
    rng = np.random.default_rng(1)
    x, s0 = rng.standard_normal((16, *batch, 2)), rng.standard_normal((*batch, 3))
    network = unroll(cell, K)
    got = run(network, x, s0)
    parts = [run(cell, x[at], s0 if m == 0 else None) for m, at in enumerate(segments(16, K))]
    for name in ("s", "r"):
        expected = np.concatenate([getattr(part, name) for part in parts])
        np.testing.assert_allclose(getattr(got, name), expected, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(got.t, cell.dt * np.arange(16))
    assert len(network.cells) == K
    assert all(one is cell for one in network.cells)


def test_a_delay_equation_that_its_solver_steps_is_unrolled_too() -> None:
    cell = Sampled(random_network(0, tau=0.5), 0.5)
    x = np.random.default_rng(1).standard_normal((7, 2))
    got = run(unroll(cell, 3), x).s
    expected = np.concatenate([run(cell, x[at]).s for at in segments(7, 3)])
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("kind", ["canonical", "late", "tapped"])
@pytest.mark.parametrize("N", [100, 173])
def test_the_batch_of_segments_is_the_loop_over_ticks(kind: str, N: int) -> None:
    cell = unroll(cells()[kind], 25)
    rng = np.random.default_rng(2)
    x, s0 = rng.standard_normal((N, 2)), rng.standard_normal((2, 3))  # the input is shared by the batch
    fast = run(cell, x, s0)
    state, slow = cell.init(s0), []
    for value in x:
        state = cell.step(state, value)
        slow.append(cell.readout(state)[0])
    np.testing.assert_allclose(fast.s, slow, rtol=0, atol=1e-13)
    with plain():
        np.testing.assert_allclose(run(cell, x, s0).s, slow, rtol=0, atol=1e-13)


def test_a_run_goes_on_in_the_middle_of_a_segment() -> None:
    cell = unroll(cells()["canonical"], 5)
    x = np.random.default_rng(3).standard_normal((17, 2))
    whole = run(cell, x)
    state = cell.init(np.zeros(3))
    for value in x[:7]:
        state = cell.step(state, value)
    assert state.tick == 2
    np.testing.assert_allclose(run(cell, x[7:], state).s, whole.s[7:], rtol=0, atol=1e-14)


def test_a_cell_without_input_starts_again_with_every_segment() -> None:
    cell = CanonicalRNN(0.5, 0.5, None, 1.0)
    s = run(unroll(cell, 4), 10).s[:, 0]
    np.testing.assert_array_equal(s, np.resize(run(cell, 4).s[:, 0], 10))


def test_a_segment_that_overflows_is_told_with_its_tick() -> None:
    cell = CanonicalRNN(0.0, 1e80, 1.0, 0.0, activation="identity")
    with pytest.raises(SimulationError, match="at tick 9 of 12") as error:
        run(unroll(cell, 5), [0, 0, 0, 0, 0, 1e10, 0, 0, 0, 1e10, 0, 0])
    assert len(error.value.trajectory.s) == 9


def test_the_shared_parameters_get_the_sum_of_the_gradients_of_k_copies() -> None:
    K, rng = 4, np.random.default_rng(4)
    base = cells()["canonical"]
    x = torch.tensor(rng.standard_normal((K, 2)))
    copies = [torch.tensor(base.W_r, requires_grad=True) for _ in range(K)]
    shared = torch.tensor(base.W_r, requires_grad=True)

    def loss(matrices: list[torch.Tensor]) -> torch.Tensor:
        steps = [CanonicalRNN(base.W_s, W, base.W_x, base.theta_s) for W in matrices]
        memory = steps[0].init(torch.zeros(3, dtype=torch.float64))
        total = torch.zeros((), dtype=torch.float64)
        for n, step in enumerate(steps):
            memory = step.step(memory, x[n])
            total = total + (memory.r[0] ** 2).sum()
        return total

    apart = torch.autograd.grad(loss(copies), copies)
    network = unroll(CanonicalRNN(base.W_s, shared, base.W_x, base.theta_s), K)
    together = torch.autograd.grad((run(network, x).r ** 2).sum(), shared)[0]
    torch.testing.assert_close(together, sum(apart), rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", ["canonical", "late", "tapped"])
def test_a_linear_cell_is_the_filter_of_its_impulse_response(kind: str) -> None:
    nonlinear = cells()[kind]
    given = {name: getattr(nonlinear, name) for name in ("W_s", "W_r", "W_x")}
    cell = type(nonlinear)(**given, theta_s=np.zeros(3), activation="identity") if kind != "late" else None
    if cell is None:
        cell = CanonicalRNN(**given, theta_s=np.zeros(3), activation="identity", lag=4)
    x = np.random.default_rng(5).standard_normal((20, 2, 2))
    h = impulse_response(cell, 20)
    np.testing.assert_allclose(fir(h, x), run(cell, x).s, rtol=0, atol=1e-12)
    # the unrolled network, as the last sample of a segment: the first K taps
    for K in (3, 7):
        ends = fir(h[:K], x)[K - 1 :: K][: 20 // K]
        np.testing.assert_allclose(ends, run(unroll(cell, K), x).s[K - 1 :: K], rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["canonical", "late", "tapped"])
def test_the_impulse_response_is_the_derivative_of_the_state_by_an_earlier_input(kind: str) -> None:
    cell = cells(size=0.2)[kind]
    s = run(cell, np.zeros((400, 2))).s[-1]
    np.testing.assert_allclose(run(cell, np.zeros((401, 2))).s[-1], s, rtol=0, atol=1e-14)  # at rest
    h, eps = impulse_response(cell, 8, s), 1e-6
    x = np.zeros((8, 2, 2))
    x[0] = eps * np.eye(2)
    memory = cell.init(np.stack([s, s]))
    change = (run(cell, x, memory).s - run(cell, -x, memory).s) / (2 * eps)
    np.testing.assert_allclose(h, change.swapaxes(1, 2), rtol=0, atol=1e-9)


def test_torch_in_torch_out() -> None:
    W = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    cell = CanonicalRNN(W_s=W, W_r=0.25, W_x=2.0, theta_s=0.0)
    h = impulse_response(cell, 3)
    assert torch.is_tensor(h)
    assert torch.autograd.grad(h.sum(), W)[0].item() == pytest.approx(2 + 2 * 0.75 * 2)
    assert torch.is_tensor(fir(h, [[1.0], [0.0]]))
    assert torch.is_tensor(run(unroll(cell, 2), torch.zeros(60, 1, dtype=torch.float64)).s)


def test_bad_arguments_are_refused_by_name() -> None:
    cell = cells()["canonical"]
    for bad in (0, -1, 2.0, True):
        with pytest.raises(ValueError, match="length: expected a whole number >= 1"):
            unroll(cell, bad)
    with pytest.raises(ValueError, match="cell: expected a System"):
        unroll(3, 2)
    with pytest.raises(ValueError, match="size: expected a whole number"):
        segments(4, 0)
    with pytest.raises(ValueError, match="cell: expected one with an input"):
        impulse_response(CanonicalRNN(0.5, 0.5, None, 0.0), 3)
    with pytest.raises(ValueError, match=r"s: expected shape \(3,\)"):
        impulse_response(cell, 3, np.zeros(2))
    with pytest.raises(ValueError, match="h: expected shape"):
        fir(np.zeros((2, 3)), np.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"x: expected shape \(N, ..., 2\)"):
        fir(np.zeros((2, 3, 2)), np.zeros((4, 3)))
    with pytest.raises(ValueError, match="s0: expected shape"):
        run(unroll(cell, 2), np.zeros((4, 2)), np.zeros(4))
    assert unroll(cell, 2).State is Position
