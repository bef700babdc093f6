"""The chain T1 to T6: every step is the one before when its new part is off, and keeps its promise when it is on."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from ode2rnn import (
    CanonicalRNN,
    Carousel,
    ComputedGates,
    Gate,
    GatedCarousel,
    GatedReadout,
    LSTMState,
    SplitRNN,
    VanillaLSTM,
    WarpedUpdate,
    run,
)

D, M, N = 4, 3, 30
RNG = np.random.default_rng(11)
CANONICAL = CanonicalRNN(
    0.3 * RNG.standard_normal((D, D)),
    0.5 * RNG.standard_normal((D, D)),
    RNG.standard_normal((D, M)),
    RNG.standard_normal(D),
)
X, S0 = RNG.uniform(-2, 2, (N, 2, M)), RNG.standard_normal((2, D))
G_CS, G_CU, G_CR = 0.1 + 0.85 * RNG.random((3, D))


def chain() -> dict[str, Any]:
    """One cell of every step, each made of the one before with its new part on."""
    found: dict[str, Any] = {"T1": SplitRNN.of(CANONICAL)}
    found["T2"] = Carousel.of(found["T1"])
    found["T3"] = GatedCarousel.of(found["T2"], G_CS, G_CU)
    found["T4"] = WarpedUpdate.of(found["T3"], warp="tanh")
    found["T5"] = GatedReadout.of(found["T4"], G_CR)
    found["T6"] = computed()
    return found


def gate(seed: int, peephole: str | None = "full") -> Gate:
    rng = np.random.default_rng(seed)
    W_s = {"full": rng.standard_normal((D, D)), "diagonal": rng.standard_normal(D), None: None}[peephole]
    return Gate(rng.standard_normal((D, M)), W_s, rng.standard_normal((D, D)), rng.standard_normal(D))


def computed(peephole: str | None = "full") -> ComputedGates:
    gates = {name: gate(seed, peephole) for seed, name in enumerate(("g_cs", "g_cu", "g_cr"))}
    return ComputedGates(W_r=CANONICAL.W_r, W_x=CANONICAL.W_x, theta_s=CANONICAL.theta_s, **gates)


CHAIN = chain()
BEFORE = dict(zip(list(CHAIN)[1:], CHAIN, strict=False))


def same(one: Any, other: Any, s0: Any = S0, bound: float = 1e-15) -> None:
    """Equal runs, to a rounding of the size of the state."""
    a, b = run(one, X, s0), run(other, X, s0)
    for got, expected in ((a.s, b.s), (a.r, b.r)):
        assert np.abs(got - expected).max() <= bound * max(1.0, np.abs(expected).max())


def test_t1_the_split_rnn_is_the_canonical_rnn() -> None:
    same(CHAIN["T1"], CANONICAL)


def test_t1_the_two_terms_add_up() -> None:
    split = CHAIN["T1"]
    state = split.init(S0)
    update = split.F_u(state, X[0])
    np.testing.assert_array_equal(split.step(state, X[0]).s, S0 @ split.W_s.T + update)
    np.testing.assert_allclose(update, np.tanh(S0) @ CANONICAL.W_r.T + X[0] @ CANONICAL.W_x.T + CANONICAL.theta_s)


def test_t2_is_the_split_rnn_with_the_identity_for_w_s() -> None:
    same(CHAIN["T2"], replace(CHAIN["T1"], W_s=np.eye(D)))
    same(CHAIN["T2"], CHAIN["T2"].split())


def test_t2_keeps_everything_and_has_no_bound() -> None:
    alone = replace(CHAIN["T2"], W_r=np.zeros((D, D)))
    x = np.ones((1000, M))
    s = run(alone, x).s
    np.testing.assert_allclose(s, np.arange(1, 1001)[:, None] * s[0], rtol=1e-12)
    quiet = replace(alone, theta_s=np.zeros(D))
    np.testing.assert_array_equal(run(quiet, np.zeros((1000, M)), S0[0]).s, np.tile(S0[0], (1000, 1)))


def test_t3_with_its_gates_open_is_t2() -> None:
    same(GatedCarousel.of(CHAIN["T2"]), CHAIN["T2"])


def test_t3_with_gates_that_add_up_to_one_lies_between_the_state_and_the_update() -> None:
    cell = GatedCarousel.of(CHAIN["T2"], G_CS, 1 - G_CS)
    state = cell.init(S0)
    for x in X:
        update, before = cell.F_u(state, x), state.s
        state = cell.step(state, x)
        slack = 1e-15 * (abs(before) + abs(update))
        assert (state.s <= np.maximum(before, update) + slack).all()
        assert (state.s >= np.minimum(before, update) - slack).all()


def test_t3_is_bounded_by_its_gates_where_t2_grows() -> None:
    x = np.ones((2000, M))
    cell = GatedCarousel.of(CHAIN["T2"], G_CS, G_CU)
    bound = cell.bound(2000)
    update = np.abs(cell.W_r).sum(1) + np.abs(cell.W_x).sum(1) + np.abs(cell.theta_s)  # |r| <= 1 and |x| <= 1
    assert (bound <= G_CU * update / (1 - G_CS) * (1 + 1e-14)).all()
    assert (np.abs(run(cell, x).s).max(axis=0) <= bound).all()
    assert np.abs(run(replace(CHAIN["T2"], W_r=np.zeros((D, D))), x).s).max() > 100 * bound.max()


def test_t4_without_the_warping_is_t3() -> None:
    same(WarpedUpdate.of(CHAIN["T3"]), CHAIN["T3"])


@pytest.mark.parametrize("size", [1.0, 1e3, 1e200])
def test_t4_grows_by_one_a_tick_at_most_whatever_the_weights_and_the_input(size: float) -> None:
    cell = WarpedUpdate.of(GatedCarousel.of(CHAIN["T2"]), warp="tanh")
    cell = replace(cell, W_r=size * cell.W_r, W_x=size * cell.W_x)
    s = run(cell, X).s
    assert (np.abs(s) <= np.arange(1, N + 1)[:, None, None]).all()
    assert np.abs(s).max() > 2


def test_t4_stays_in_the_unit_box_where_the_gates_add_up_to_one_at_most() -> None:
    cell = WarpedUpdate.of(GatedCarousel.of(CHAIN["T2"], G_CS, 1 - G_CS), warp="tanh")
    cell = replace(cell, W_x=1e6 * cell.W_x)
    assert np.abs(run(cell, X, np.clip(S0, -1, 1)).s).max() <= 1
    assert np.abs(run(GatedCarousel.of(CHAIN["T2"], G_CS, 1 - G_CS), 1e6 * X).s).max() > 1e3


def test_t5_with_its_gate_open_is_t4() -> None:
    same(GatedReadout.of(CHAIN["T4"]), CHAIN["T4"])


def test_t5_shows_at_most_what_its_gate_lets_through() -> None:
    traj = run(CHAIN["T5"], 10 * X, S0)
    assert (np.abs(traj.r) <= G_CR).all()
    np.testing.assert_array_equal(traj.r, G_CR * np.tanh(traj.s))


def test_t5_closed_keeps_a_state_that_nobody_sees_and_nothing_feeds_back() -> None:
    closed = GatedReadout.of(CHAIN["T4"], 0.0)
    traj = run(closed, X, S0)
    assert np.abs(traj.r).max() == 0
    np.testing.assert_array_equal(traj.s, run(replace(closed, W_r=np.zeros((D, D))), X, S0).s)
    assert np.abs(traj.s).max() > 0.1


@pytest.mark.parametrize("peephole", ["full", "diagonal", None])
def test_t6_is_the_vanilla_lstm(peephole: str | None) -> None:
    cell = computed(peephole)
    lstm = cell.vanilla()
    assert isinstance(lstm, VanillaLSTM)
    same(cell, lstm)
    same(cell, lstm, LSTMState(S0, np.tanh(S0)))


def test_t6_with_gates_that_are_biases_alone_is_t5() -> None:
    start = LSTMState(S0, G_CR * np.tanh(S0))
    same(ComputedGates.of(CHAIN["T5"]), CHAIN["T5"], start)


def test_t6_lets_the_input_decide_what_is_kept() -> None:
    """One input opens the state gate or closes it: the same state is held, or gone within a tick."""
    zero = Gate(np.zeros((1, 1)), None, np.zeros((1, 1)), np.full(1, -40.0))
    keep = Gate(np.full((1, 1), 80.0), None, np.zeros((1, 1)), np.full(1, -40.0))
    cell = ComputedGates(W_r=0.0, W_x=0.0, theta_s=0.0, g_cs=keep, g_cu=zero, g_cr=zero)
    s = run(cell, [1.0] * 50 + [0.0], [0.7]).s[:, 0]
    np.testing.assert_allclose(s[:50], 0.7, rtol=1e-13)
    assert abs(s[50]) < 1e-16


@pytest.mark.parametrize("step", CHAIN)
@pytest.mark.parametrize("ticks", [1, 2, 7, N])
def test_no_state_passes_the_bound_of_its_cell(step: str, ticks: int) -> None:
    cell = CHAIN[step]
    start = 1.5
    for seed in range(5):
        x = np.random.default_rng(seed).choice([-2.0, 2.0], (ticks, 50, M))
        s0 = np.random.default_rng(seed + 100).choice([-start, start], (50, D))
        bound = cell.bound(ticks, x=2.0, s0=start)
        assert (np.abs(run(cell, x, s0).s[-1]) <= bound * (1 + 1e-14)).all()


def test_the_bound_of_a_split_rnn_that_amplifies_grows_with_it() -> None:
    cell = replace(CHAIN["T1"], W_s=2 * np.eye(D), W_r=np.zeros((D, D)), W_x=np.ones((D, M)), theta_s=np.zeros(D))
    np.testing.assert_allclose(run(cell, np.ones((9, M)), np.ones(D)).s[-1], cell.bound(9, s0=1.0), rtol=1e-14)


def test_the_bounds_are_reached() -> None:
    """Constant input, no feedback: the bound of T3 is the state; saturated, so is that of T4."""
    three = replace(CHAIN["T3"], W_r=np.zeros((D, D)), theta_s=np.zeros(D), W_x=np.abs(CANONICAL.W_x))
    np.testing.assert_allclose(run(three, np.ones((9, M))).s[-1], three.bound(9), rtol=1e-14)
    four = WarpedUpdate.of(three, warp="tanh")
    np.testing.assert_allclose(run(four, np.full((9, M), 1e3)).s[-1], four.bound(9, x=1e3), rtol=1e-14)


@pytest.mark.parametrize("step", CHAIN)
def test_numpy_and_torch_agree_and_torch_is_differentiable(step: str) -> None:
    cell = CHAIN[step]

    def tensor(value: Any) -> Any:
        if isinstance(value, Gate):
            return Gate(*(tensor(getattr(value, f.name)) for f in fields(value)))
        return torch.tensor(value, requires_grad=True) if isinstance(value, np.ndarray) else value

    own = type(cell)(**{f.name: tensor(getattr(cell, f.name)) for f in fields(cell)})
    traj = run(own, torch.tensor(X), torch.tensor(S0))
    np.testing.assert_allclose(traj.s.detach(), run(cell, X, S0).s, rtol=1e-12, atol=1e-12)
    traj.r.sum().backward()
    assert own.theta_s.grad is not None


BAD = {
    "W_r": ({"W_r": np.zeros((D, 2))}, r"W_r: expected shape \(4, 4\), got \(4, 2\)"),
    "W_x": ({"W_x": np.zeros(M)}, r"W_x: expected shape \(4, m\), got \(3,\)"),
    "theta_s": ({"theta_s": np.zeros((2, 2))}, r"theta_s: expected shape \(d,\), got \(2, 2\)"),
    "nan": ({"theta_s": np.full(D, np.nan)}, r"theta_s: expected finite numbers, got an array that holds NaN"),
    "gate": ({"g_cs": 1.5}, r"g_cs: expected gates in \[0, 1\], got 1.5 to 1.5"),
    "gates": ({"g_cu": np.zeros(3)}, r"g_cu: expected shape \(4,\) or one number, got shape \(3,\)"),
    "dt": ({"dt": 0.0}, r"dt: expected a number > 0, got 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_told_by_name(name: str) -> None:
    change, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        replace(CHAIN["T3"], **change)


def test_a_step_is_made_of_the_step_before_alone() -> None:
    with pytest.raises(ValueError, match="cell: expected a Carousel, the step before, got SplitRNN"):
        GatedCarousel.of(CHAIN["T1"])
    with pytest.raises(ValueError, match="cell: expected a CanonicalRNN with lag = 1 and activation 'tanh'"):
        SplitRNN.of(replace(CANONICAL, lag=2))
    with pytest.raises(ValueError, match="warp = 'tanh'"):
        GatedReadout.of(WarpedUpdate.of(CHAIN["T3"]))
    with pytest.raises(ValueError, match=r"expected g_cs in \(0, 1\), which a sigmoid reaches"):
        ComputedGates.of(GatedReadout.of(replace(CHAIN["T4"], g_cs=1.0)))
    with pytest.raises(ValueError, match="g_cs: expected a Gate, got float"):
        ComputedGates(W_r=0.0, W_x=0.0, theta_s=0.0, g_cs=1.0, g_cu=1.0, g_cr=1.0)
    with pytest.raises(ValueError, match="W_scs: expected shape"):
        replace(CHAIN["T6"], g_cs=replace(gate(0), W_s=np.zeros((D, M))))
    with pytest.raises(ValueError, match="warp: expected one of"):
        WarpedUpdate.of(CHAIN["T3"], warp="relu")
