"""Windows, carousel, numbers by name, vectors and warpings of every gated cell."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from tests.gated.cells import (
    ALGEBRAIC,
    WARPINGS,
    D,
    L,
    M,
    N,
    augmented_cell,
    chain_cells,
    close,
    gru_cell,
    in_tensors,
    random_input,
    random_state,
    sampled_cells,
    systems,
    tensors,
    vanilla_cell,
    windowed_cell,
)

from ode2rnn import AugmentedLSTM, ContinuousLSTM, SampledLSTM, run, undiscretize
from ode2rnn.core.systems.flat import Flat
from ode2rnn.core.systems.system import System

SYSTEMS = systems()


@pytest.mark.parametrize(("behind", "ahead"), [(0, 0), (0, 1), (1, 0), (2, 3), (8, 0), (0, 8)])
@pytest.mark.parametrize("ticks", [1, 4, N])
def test_a_window_holds_the_inputs_around_its_tick_and_zero_outside_the_sequence(
    behind: int, ahead: int, ticks: int
) -> None:
    cell = windowed_cell(behind, ahead)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((ticks, 2, M))
    seen_, context = cell.prepare(x), behind + 1 + ahead
    assert (cell.window, cell.context) == ((behind, ahead), context)
    expected = np.zeros((ticks, 2, context, M))
    for n, place in product(range(ticks), range(context)):
        if 0 <= n + place - behind < ticks:
            expected[n, :, place] = x[n + place - behind]
    np.testing.assert_array_equal(seen_, expected if context > 1 else x)
    # the cotangent of cutting windows is its transpose
    bar = rng.standard_normal(seen_.shape)
    assert cell.prepared_vjp(bar).shape == x.shape
    assert (seen_ * bar).sum() == pytest.approx((x * cell.prepared_vjp(bar)).sum(), rel=1e-12)
    np.testing.assert_array_equal(cell.prepared_vjp(torch.tensor(bar)), cell.prepared_vjp(bar))


def test_a_window_that_looks_behind_sees_what_one_of_shifted_inputs_sees_ahead() -> None:
    behind = windowed_cell(2, 3)
    ahead = replace(behind, behind=0)
    x = np.concatenate([np.zeros((2, M)), np.random.default_rng(1).standard_normal((N, M))])
    later = run(behind, x).s[2:]
    state = behind.State(run(behind, x).s[1], run(behind, x).r[1])
    np.testing.assert_allclose(run(ahead, x, state).s[:N], later, rtol=0, atol=1e-14)


def test_a_window_must_hold_its_own_tick() -> None:
    for bad in (6, -1, 1.0):
        with pytest.raises(ValueError, match=r"behind: expected (less than L = 6|a whole number >= 0), got"):
            replace(augmented_cell("context"), behind=bad)


CARRIED = {
    **{name: cell for name, cell in SYSTEMS.items() if name.endswith("None peepholes")},
    "vanilla, other warpings": replace(vanilla_cell(None), **WARPINGS),
    **{name: cell for name, cell in chain_cells(None).items() if name != "T1"},
    **{f"sampled, {name}": cell for name, cell in sampled_cells(None).items()},
}


@pytest.mark.parametrize("name", CARRIED)
def test_the_carousel_is_what_becomes_of_the_state_where_the_gates_do_not_see_it(name: str) -> None:
    cell = CARRIED[name]
    state, x = random_state(cell, (2,), 1), random_input(cell, (2,))
    own, before = in_tensors(cell), tensors(state, grad=True)
    after = own.step(before, torch.tensor(x))
    s = after.s[0] if name.startswith("sampled") else after.s
    latest = before.s[0] if name.startswith("sampled") else before.s
    gate = cell.carousel(state, x)
    assert gate.shape == (2, D)
    close(gate, torch.autograd.grad(s.sum(), latest))
    close(own.carousel(tensors(state), torch.tensor(x)), gate)


def test_the_carousel_of_a_gru_is_its_update_gate_and_a_split_rnn_has_none() -> None:
    for after in (True, False):
        cell = gru_cell(after)
        x = np.random.default_rng(0).standard_normal((N, M))
        gates, v = cell.gates(x), run(cell, x).s
        close(cell.carousel(cell.State(v[3]), x[4]), gates.z[4])
    cell = chain_cells()["T1"]
    assert cell.carousel(random_state(cell, (), 1), random_input(cell, ())) is None


def test_the_gates_with_peepholes_are_the_carousel_too() -> None:
    for name in ("vanilla, full peepholes", "augmented, all", "augmented, window (2, 3)"):
        cell = SYSTEMS[name]
        x = np.random.default_rng(0).standard_normal((N, M))
        run_ = run(cell, x)
        state = cell.State(run_.s[3], run_.r[3])
        close(cell.carousel(state, cell.prepare(x)[4]), cell.gates(x).g_cs[4])


@pytest.mark.parametrize("name", SYSTEMS)
def test_other_weights_leave_nothing_of_the_old_ones(name: str) -> None:
    cell = SYSTEMS[name]
    state, x = random_state(cell, (), 1), random_input(cell, ())
    cell.step_jvp(state, x, state)  # keeps what it made of the weights
    changed = {letter: 0.5 * W for letter, W in cell.weights().items()}
    fresh = in_tensors(cell).with_weights({letter: torch.tensor(W) for letter, W in changed.items()})
    expected = System.step_jvp(fresh, tensors(state), torch.tensor(x), tensors(state))
    close(cell.with_weights(changed).step_jvp(state, x, state), expected)


def entry(cell: Any) -> str:
    """A number of one of its weights, by name."""
    letter, W = next((letter, W) for letter, W in cell.weights().items() if W.ndim >= 2)
    return f"{letter}[{', '.join('1' * W.ndim)}]"


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_number_is_a_parameter_by_its_name_and_so_is_the_gain(name: str) -> None:
    cell = SYSTEMS[name]
    where = entry(cell)
    changed = cell.parameter(where)(7.0)
    letter, place = where[: where.index("[")], (1,) * (where.count(",") + 1)
    for key, W in cell.weights().items():
        expected = W.copy()
        if key == letter:
            expected[place] = 7.0
        np.testing.assert_array_equal(changed.weights()[key], expected)
    scaled = cell.parameter("gain")(3.0).weights()
    back = {key for key in cell.weights() if key.rpartition(".")[2].startswith(("W_r", "W_v"))}
    assert back == {"W_r"} if name[:2] in ("T1", "T2", "T3", "T4", "T5") else len(back) >= 3
    for key, W in cell.weights().items():
        np.testing.assert_array_equal(scaled[key], 3.0 * W if key in back else W)
    with pytest.raises(ValueError, match="name: expected 'gain'"):
        cell.parameter("W_none[0, 0]")


def test_the_gain_of_a_gru_scales_what_feeds_the_readout_back() -> None:
    cell = gru_cell()
    scaled = cell.parameter("gain")(0.5)
    expected = replace(cell, **{letter: 0.5 * getattr(cell, letter) for letter in ("W_vz", "W_vr", "W_vh")})
    x = np.random.default_rng(0).standard_normal((N, M))
    np.testing.assert_allclose(run(scaled, x).s, run(expected, x).s, rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_cell_is_a_map_on_vectors_with_its_jacobian(name: str) -> None:
    cell = SYSTEMS[name]
    flat, state, x = Flat(cell), random_state(cell, (2,), 1), random_input(cell, ())
    vector = cell.flatten(state)
    assert vector.shape == (2, sum(length for _, length in cell.parts()))
    close(cell.unflatten(vector, None, x)[0], state, 0.0)
    np.testing.assert_array_equal(flat.advance(vector, x), cell.flatten(cell.step(state, x)))
    J, h = flat.jacobian(vector, x), 1e-6
    for i in range(0, flat.size, 3):
        ahead, back = (flat.advance(vector + sign * h * np.eye(flat.size)[i], x) for sign in (1, -1))
        np.testing.assert_allclose(J[..., i], (ahead - back) / (2 * h), rtol=0, atol=1e-7)


def test_the_vector_of_the_sampled_lstm_holds_s_and_v_of_the_last_ticks() -> None:
    cell = sampled_cells()["exponential of backward_euler"]
    assert (cell.lag, cell.depth) == (3, 3)
    assert cell.parts() == tuple((f"{letter}[n-{k}]", D) for k in (1, 2, 3) for letter in "sv")
    late = sampled_cells()["late of exponential"]
    assert (late.parts(), late.settled()) == ((("s", D), ("v", D)), late)


@pytest.mark.parametrize("name", sampled_cells())
def test_the_settled_samples_do_to_one_state_what_the_samples_do_to_a_past_that_stays_there(name: str) -> None:
    cell = sampled_cells()[name]
    rest = cell.settled()
    assert (rest.lag, rest.dt, rest.scheme) == (1, cell.dt, cell.scheme)
    one, x = random_state(rest, (2,), 1), random_input(cell, (2,))
    whole = cell.unflatten(np.tile(rest.flatten(one), cell.lag), None, None)[0]
    after, alone = cell.step(whole, x), rest.step(one, x)
    close((after.s[0], after.v[0]), (alone.s[0], alone.v[0]), 1e-14)


@pytest.mark.parametrize("name", sampled_cells())
def test_the_tangent_of_the_samples_holds_for_gates_that_are_shut(name: str) -> None:
    """A forget gate near 0 or 1 is a rate beyond all numbers, or none."""
    given = sampled_cells()[name]
    for bias in (-900.0, -60.0, 60.0, 900.0):
        cell = replace(given, model=replace(given.model, cell=replace(given.model.cell, b_cs=np.full(D, bias))))
        flat, x = Flat(cell), random_input(cell, ())
        vector = cell.flatten(random_state(cell, (), 1))
        along = np.random.default_rng(2).standard_normal(vector.shape)
        with np.errstate(over="ignore", under="ignore"):
            got, h = flat.push(vector, along[None], x)[0], 1e-5
            ahead, back = (flat.advance(vector + sign * h * along, x) for sign in (1, -1))
        np.testing.assert_allclose(got, (ahead - back) / (2 * h), rtol=0, atol=1e-8)


def test_other_warpings_are_the_recursion_with_these() -> None:
    x = np.random.default_rng(0).standard_normal((N, M))
    G_d, G_c = (lambda a: np.logaddexp(0, a)), ALGEBRAIC.value
    cell = replace(vanilla_cell(None), **WARPINGS)
    s = v = np.zeros(D)
    for n, row in enumerate(x):
        alpha = {
            k: getattr(cell, f"W_x{k}") @ row + getattr(cell, f"W_v{k}") @ v + getattr(cell, f"b_{k}") for k in KINDS
        }
        s = G_c(alpha["cs"]) * s + G_c(alpha["cu"]) * G_d(alpha["du"])
        v = G_c(alpha["cr"]) * G_d(s)
        np.testing.assert_allclose(run(cell, x).s[n], s, rtol=1e-13)
        np.testing.assert_allclose(run(cell, x).r[n], v, rtol=1e-13, atol=1e-14)
    gru = replace(gru_cell(), **WARPINGS)
    v = np.zeros(D)
    for n, row in enumerate(x):
        z = G_c(gru.W_xz @ row + gru.W_vz @ v + gru.b_z)
        r = G_c(gru.W_xr @ row + gru.W_vr @ v + gru.b_r)
        v = z * v + (1 - z) * G_d(gru.W_xh @ row + gru.b_h + r * (gru.W_vh @ v + gru.b_vh))
        np.testing.assert_allclose(run(gru, x).s[n], v, rtol=1e-13)


KINDS = ("cu", "cs", "du", "cr")


def test_the_warpings_are_kept_and_what_has_none_of_them_refuses() -> None:
    cell = replace(vanilla_cell(), **WARPINGS)
    assert AugmentedLSTM.of(cell).recurrent_activation is ALGEBRAIC
    assert replace(vanilla_cell(), activation="tanh").activation is vanilla_cell().activation
    with pytest.raises(
        ValueError, match=r"cell: expected one with activation 'tanh' .* got 'softplus' and 'algebraic'"
    ):
        undiscretize(cell)
    with pytest.raises(ValueError, match=r"(cell|model): expected one with activation 'tanh'"):
        SampledLSTM(ContinuousLSTM(cell), 0.25)
    for field in ("activation", "recurrent_activation"):
        for make in (vanilla_cell, augmented_cell, gru_cell):
            with pytest.raises(ValueError, match=rf"^{field}: expected one of .*; got 'tanj'; did you mean 'tanh'"):
                replace(make(), **{field: "tanj"})


def test_windows_are_that_long() -> None:
    assert augmented_cell("context").window == (0, L - 1)
    assert vanilla_cell().window == (0, 0)
