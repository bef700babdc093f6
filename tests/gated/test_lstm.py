"""The Vanilla LSTM (L1 to L6) and the Augmented LSTM (X1 to X3) as cells that run."""

from __future__ import annotations

import copy
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.gated.cells import (
    BATCH,
    D_V,
    EXTENSIONS,
    PEEPHOLES,
    D,
    L,
    M,
    N,
    augmented_cell,
    cells,
    in_torch,
    leaves,
    numbers,
    vanilla_cell,
)

from ode2rnn import AugmentedLSTM, LSTMState, Trajectory, VanillaLSTM, bptt, run
from ode2rnn.gated.vanilla import LETTERS

CELLS = cells()


def sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


def by_hand(cell: Any, x: np.ndarray, s: np.ndarray, v: np.ndarray) -> tuple[list[Any], list[Any]]:
    """L1 to L6 and X1 to X3 for one sequence, term by term with column vectors."""
    W = {name: getattr(cell, name, None) for name in (*LETTERS, "W_xcx", "W_scx", "W_vcx", "b_cx", "W_qdr")}
    W |= {f"W_s{g}": np.diag(W[f"W_s{g}"]) for g in ("cu", "cs", "cr", "cx") if np.ndim(W[f"W_s{g}"]) == 1}
    W |= {f"W_s{g}": np.zeros((D, D)) for g in ("cu", "cs", "cr", "cx") if W[f"W_s{g}"] is None}
    states, readouts = [], []

    def xi(g: str, n: int) -> Any:
        taps = W[f"W_x{g}"] if np.ndim(W[f"W_x{g}"]) == 3 else [W[f"W_x{g}"]]
        places = enumerate(taps, n - getattr(cell, "behind", 0))
        return sum(tap @ x[k] for k, tap in places if 0 <= k < len(x))

    for n in range(len(x)):
        alpha = {
            g: xi(g, n) + W[f"W_s{g}"] @ s + W[f"W_v{g}"] @ v + W[f"b_{g}"]
            for g in ("cu", "cs", "cx")
            if W[f"b_{g}"] is not None
        }
        g_cx = sigmoid(alpha["cx"]) if "cx" in alpha else 1.0
        u = np.tanh(g_cx * xi("du", n) + W["W_vdu"] @ v + W["b_du"])
        s = sigmoid(alpha["cs"]) * s + sigmoid(alpha["cu"]) * u
        g_cr = sigmoid(xi("cr", n) + W["W_scr"] @ s + W["W_vcr"] @ v + W["b_cr"])
        v = g_cr * np.tanh(s)
        if W["W_qdr"] is not None:
            v = W["W_qdr"] @ v
        states.append(s)
        readouts.append(v)
    return states, readouts


@pytest.mark.parametrize("name", CELLS)
def test_the_cell_is_its_equations_written_term_by_term(name: str) -> None:
    cell = CELLS[name]
    x, s0, _, _ = numbers(cell)
    traj = run(cell, x, s0)
    np.testing.assert_array_equal(traj.t, cell.dt * np.arange(N))
    for k in range(BATCH):
        s, v = by_hand(cell, x[:, k], s0.s[k], s0.v[k])
        np.testing.assert_allclose(traj.s[:, k], s, rtol=0, atol=1e-14)
        np.testing.assert_allclose(traj.r[:, k], v, rtol=0, atol=1e-14)


@pytest.mark.parametrize("peephole", PEEPHOLES)
@pytest.mark.parametrize("windows", [False, True])
def test_with_every_extension_off_the_augmented_lstm_is_the_vanilla_lstm_to_the_last_bit(
    peephole: str | None, windows: bool
) -> None:
    cell = vanilla_cell(peephole)
    off = AugmentedLSTM.of(cell)
    if windows:
        off = replace(off, **{name: W[None] for name, W in leaves(off).items() if name.startswith("W_x")})
    x, s0, of_v, of_s = numbers(cell)
    for one, other in ((cell, off), (in_torch(cell), in_torch(off))):
        inputs, start = (x, s0) if one is cell else (torch.tensor(x), LSTMState(*map(torch.tensor, s0)))
        a, b = run(one, inputs, start), run(other, inputs, start)
        np.testing.assert_array_equal(a.s, b.s)
        np.testing.assert_array_equal(a.r, b.r)
    a, b = (bptt(c, x, of_v, s0, s_bar=of_s) for c in (cell, off))
    for name, W in leaves(a.gradients).items():
        np.testing.assert_array_equal(W, getattr(b.gradients, name).reshape(W.shape))
    np.testing.assert_array_equal(a.psi, b.psi)
    np.testing.assert_array_equal(a.chi, b.chi)
    np.testing.assert_array_equal(a.x_bar, b.x_bar)


def test_each_extension_changes_the_run() -> None:
    x, _, _, _ = numbers(vanilla_cell())
    runs = {name: run(augmented_cell(name), x) for name in EXTENSIONS}
    for name in ("context", "gate", "context and gate"):
        assert np.abs(runs[name].s - runs["none"].s).max() > 1e-2
    assert runs["projection"].r.shape == (N, BATCH, D_V)


def test_every_extension_has_a_setting_that_does_nothing() -> None:
    """Taps at l > 0 of zero, an external gate at 1, the projection I: the Vanilla LSTM again."""
    cell = vanilla_cell()
    x, s0, _, _ = numbers(cell)
    expected = run(cell, x, s0)
    windows = {
        name: np.pad(W[None], ((0, L - 1), (0, 0), (0, 0))) for name, W in leaves(cell).items() if name[:3] == "W_x"
    }
    gate = {"W_xcx": np.zeros((D, M)), "W_vcx": np.zeros((D, D)), "b_cx": np.full(D, 800.0)}
    for extension in (windows, gate, {"W_qdr": np.eye(D)}):
        traj = run(AugmentedLSTM.of(cell, **extension), x, s0)
        np.testing.assert_allclose(traj.s, expected.s, rtol=0, atol=1e-15)
        np.testing.assert_allclose(traj.r, expected.r, rtol=0, atol=1e-15)


def test_the_context_looks_ahead_and_sees_nothing_past_the_end() -> None:
    cell = augmented_cell("context")
    x, s0, _, _ = numbers(cell)
    before, moved = run(cell, x, s0), x.copy()
    moved[7] += 1.0
    differs = np.abs(run(cell, moved, s0).s - before.s).max(axis=(1, 2)) > 0
    np.testing.assert_array_equal(differs, np.arange(N) >= 7 - (L - 1))
    longer = np.concatenate([x, np.zeros((3, BATCH, M))])
    np.testing.assert_allclose(run(cell, longer, s0).s[:N], before.s, rtol=0, atol=1e-15)
    short = run(cell, x[:2], s0)  # a sequence shorter than the window
    assert short.s.shape == (2, BATCH, D)
    np.testing.assert_array_equal(before.x, x)


def torch_lstm(cell: VanillaLSTM, **options: Any) -> torch.nn.LSTM:
    """torch.nn.LSTM with the weights of a cell without peepholes, its blocks i, f, g, o = cu, cs, du, cr."""
    peer = torch.nn.LSTM(M, D, **options).double()
    gates = ("cu", "cs", "du", "cr")
    fused = {
        "weight_ih_l0": np.concatenate([getattr(cell, f"W_x{g}") for g in gates]),
        "weight_hh_l0": np.concatenate([getattr(cell, f"W_v{g}") for g in gates]),
        "bias_ih_l0": np.concatenate([getattr(cell, f"b_{g}") for g in gates]),
        "bias_hh_l0": np.zeros(4 * D),
    }
    if getattr(cell, "W_qdr", None) is not None:
        fused["weight_hr_l0"] = cell.W_qdr
    peer.load_state_dict({name: torch.tensor(value) for name, value in fused.items()})
    return peer


def test_without_peepholes_it_is_the_lstm_of_torch() -> None:
    cell = vanilla_cell(None)
    x, s0, _, _ = numbers(cell)
    output, (h, c) = torch_lstm(cell)(torch.tensor(x), (torch.tensor(s0.v)[None], torch.tensor(s0.s)[None]))
    traj = run(cell, x, s0)
    np.testing.assert_allclose(traj.r, output.detach(), rtol=0, atol=1e-14)
    np.testing.assert_allclose(traj.s[-1], c[0].detach(), rtol=0, atol=1e-14)
    np.testing.assert_allclose(traj.r[-1], h[0].detach(), rtol=0, atol=1e-14)


def test_with_the_projection_alone_it_is_the_lstm_of_torch_with_proj_size() -> None:
    cell = augmented_cell("projection", None)
    x, s0, _, _ = numbers(cell)
    peer = torch_lstm(cell, proj_size=D_V)
    output, _ = peer(torch.tensor(x), (torch.tensor(s0.v)[None], torch.tensor(s0.s)[None]))
    np.testing.assert_allclose(run(cell, x, s0).r, output.detach(), rtol=0, atol=1e-14)


def test_s4_the_equations_of_the_slides_with_rows_and_the_batch_first() -> None:
    cell = vanilla_cell(None)
    x, _, _, _ = numbers(cell)
    X = np.moveaxis(x, 0, 1)  # (batch, time, m)
    W_xi, W_xf, W_xo, W_xc = cell.W_xcu.T, cell.W_xcs.T, cell.W_xcr.T, cell.W_xdu.T
    W_hi, W_hf, W_ho, W_hc = cell.W_vcu.T, cell.W_vcs.T, cell.W_vcr.T, cell.W_vdu.T
    H = C = np.zeros((BATCH, D))
    hidden = []
    for t in range(N):
        I = sigmoid(X[:, t] @ W_xi + H @ W_hi + cell.b_cu)  # noqa: E741
        F = sigmoid(X[:, t] @ W_xf + H @ W_hf + cell.b_cs)
        O = sigmoid(X[:, t] @ W_xo + H @ W_ho + cell.b_cr)  # noqa: E741
        C = F * C + I * np.tanh(X[:, t] @ W_xc + H @ W_hc + cell.b_du)
        H = O * np.tanh(C)
        hidden.append(H)
    whole = np.stack(hidden, axis=1)
    np.testing.assert_allclose(np.moveaxis(run(cell, x).r, 0, 1), whole, rtol=0, atol=1e-14)
    output, _ = torch_lstm(cell, batch_first=True)(torch.tensor(X))
    np.testing.assert_allclose(whole, output.detach(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", CELLS)
def test_numpy_and_torch_agree(name: str) -> None:
    cell = CELLS[name]
    x, s0, _, _ = numbers(cell)
    one, other = run(cell, x, s0), run(in_torch(cell), torch.tensor(x), LSTMState(*map(torch.tensor, s0)))
    assert isinstance(other.s, torch.Tensor)
    np.testing.assert_allclose(other.s, one.s, rtol=0, atol=1e-14)
    np.testing.assert_allclose(other.r, one.r, rtol=0, atol=1e-14)
    single = run(in_torch(cell, dtype=torch.float32), torch.tensor(x, dtype=torch.float32))
    assert single.s.dtype == single.r.dtype == torch.float32


@pytest.mark.parametrize("name", ["vanilla, full peepholes", "augmented, all"])
def test_a_batch_is_its_members_one_by_one(name: str) -> None:
    cell = CELLS[name]
    x, s0, _, _ = numbers(cell, (2, 3))
    together = run(cell, x, s0)
    for k in np.ndindex(2, 3):
        alone = run(cell, x[:, *k], LSTMState(s0.s[k], s0.v[k]))
        np.testing.assert_allclose(together.s[:, *k], alone.s, rtol=0, atol=1e-14)
        np.testing.assert_allclose(together.r[:, *k], alone.r, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", [name for name in CELLS if "behind" not in name])
def test_a_run_goes_on_from_the_state_of_another(name: str) -> None:
    cell = CELLS[name]
    x, s0, _, _ = numbers(cell)
    whole, first = run(cell, x, s0), run(cell, x, s0)
    rest = run(cell, x[4:], LSTMState(first.s[3], first.r[3]))
    np.testing.assert_array_equal(rest.s, whole.s[4:])
    np.testing.assert_array_equal(rest.r, whole.r[4:])


@pytest.mark.parametrize("torched", [False, True])
def test_a_start_without_batch_serves_every_sequence(torched: bool) -> None:
    cell = vanilla_cell()
    x, s0, _, _ = numbers(cell)
    one = LSTMState(s0.s[0], s0.v)
    start = one
    if torched:
        cell, x, start = in_torch(cell), torch.tensor(x), LSTMState(*map(torch.tensor, one))
    expected = run(
        cell, x, LSTMState(start.s.reshape((1, D)).repeat(2, 0) if not torched else start.s.expand(2, D), start.v)
    )
    traj = run(cell, x, start)
    np.testing.assert_array_equal(traj.s, expected.s)
    np.testing.assert_array_equal(traj(-cell.dt), np.tile(one.s, (2, 1)))
    np.testing.assert_array_equal(run(cell, x, start.s).s, run(cell, x, LSTMState(start.s, 0 * start.v)).s)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("start", ["none", "s", "state"])
def test_the_gates_are_those_of_the_run(name: str, start: str) -> None:
    cell = CELLS[name]
    x, state, _, _ = numbers(cell)
    s0 = {"none": None, "s": state.s, "state": state}[start]
    gates, traj = cell.gates(x, s0), run(cell, x, s0)
    np.testing.assert_array_equal(gates.s, traj.s)
    np.testing.assert_array_equal(gates.v, traj.r)
    first = np.zeros((BATCH, D)) if s0 is None else state.s
    past = np.concatenate([first[None], traj.s[:-1]])
    np.testing.assert_allclose(gates.g_cs * past + gates.g_cu * gates.u, traj.s, rtol=0, atol=1e-15)
    np.testing.assert_allclose(gates.r, np.tanh(traj.s), rtol=0, atol=1e-15)
    np.testing.assert_allclose(gates.q, gates.g_cr * gates.r, rtol=0, atol=1e-15)
    shown = gates.q if getattr(cell, "W_qdr", None) is None else gates.q @ cell.W_qdr.T
    np.testing.assert_allclose(gates.v, shown, rtol=0, atol=1e-15)
    assert (gates.g_cx is None) is (getattr(cell, "b_cx", None) is None)
    for g in (gates.g_cu, gates.g_cs, gates.g_cr, *([] if gates.g_cx is None else [gates.g_cx])):
        assert g.shape == (N, BATCH, D)
        assert 0 < g.min() < g.max() < 1


def test_gates_of_inputs_that_a_batch_of_starts_shares() -> None:
    cell = augmented_cell("all")
    x, s0, _, _ = numbers(cell)
    shared, spread = cell.gates(x[:, 0], s0), cell.gates(np.stack([x[:, 0]] * 2, 1), s0)
    for one, other in zip(shared, spread, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-14)


def test_a_trajectory_keeps_a_readout_of_its_own_width(tmp_path: Path) -> None:
    cell = augmented_cell("all")
    x, s0, _, _ = numbers(cell)
    traj = run(cell, x, s0)
    assert (traj.s.shape[-1], traj.r.shape[-1]) == (D, D_V)
    np.testing.assert_allclose(traj(0.25 * cell.dt), 0.75 * traj.s[0] + 0.25 * traj.s[1], rtol=0, atol=1e-15)
    np.testing.assert_array_equal(traj(traj.t), traj.s)
    again = Trajectory.load(traj.save(tmp_path / "run.npz"))
    for field in ("t", "s", "r", "x"):
        np.testing.assert_array_equal(getattr(again, field), getattr(traj, field))
    header = traj.save(tmp_path / "run.csv").read_text().splitlines()[0].split(",")
    assert sum(name.startswith("r_") for name in header) == BATCH * D_V
    assert sum(name.startswith("s_") for name in header) == BATCH * D


def test_a_step_changes_nothing_that_it_was_given() -> None:
    cell = augmented_cell("all")
    x, s0, _, _ = numbers(cell)
    seen = cell.prepare(x)[0]
    before = copy.deepcopy((s0, seen))
    first, second = cell.step(s0, seen), cell.step(s0, seen)
    np.testing.assert_equal((s0, seen), before)
    np.testing.assert_equal(first, second)
    with pytest.raises(FrozenInstanceError):
        cell.dt = 2.0


def test_a_cell_of_one_state_takes_numbers() -> None:
    cell = VanillaLSTM(**dict.fromkeys(LETTERS, 0.5))
    assert run(cell, [1.0, 2.0], 0.3).s.shape == (2, 1)
    mixed = replace(cell, W_xcu=torch.tensor([[0.5]], dtype=torch.float64))
    assert all(isinstance(W, torch.Tensor) for W in leaves(mixed).values())
    np.testing.assert_allclose(run(mixed, [1.0, 2.0], 0.3).s, run(cell, [1.0, 2.0], 0.3).s, rtol=1e-14)


def test_the_gates_of_inputs_that_overflow_a_product_are_told_without_warnings() -> None:
    cell = replace(vanilla_cell(), W_xcu=np.full((D, M), 10.0))
    gates = cell.gates(np.full((4, M), 1e308))
    np.testing.assert_array_equal(gates.g_cu, np.ones((4, D)))


def test_the_state_grows_by_one_a_tick_at_most_and_never_overflows() -> None:
    huge = replace(vanilla_cell(), **{name: 1e300 * W for name, W in leaves(vanilla_cell()).items() if name[0] == "W"})
    traj = run(huge, np.random.default_rng(0).choice([-1.0, 1.0], (200, M)))
    assert traj.success
    assert (np.abs(traj.s) <= np.arange(1, 201)[:, None]).all()


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "W_xcs": ({"W_xcs": np.zeros((D, D_V))}, r"W_xcs: expected shape \(5, 3\), got \(5, 4\)"),
    "W_scu": ({"W_scu": np.zeros((D, M))}, r"W_scu: expected shape \(5, 5\), got \(5, 3\)"),
    "diagonal": ({"W_scr": np.zeros(M)}, r"W_scr: expected shape \(5,\), got \(3,\)"),
    "W_vdu": ({"W_vdu": np.zeros((M, D))}, r"W_vdu: expected shape \(5, 5\), got \(3, 5\)"),
    "b_cu": ({"b_cu": np.zeros((D, 1))}, r"b_cu: expected shape \(d,\), got \(5, 1\)"),
    "b_du": ({"b_du": np.zeros(D_V)}, r"b_du: expected shape \(5,\), got \(4,\)"),
    "nan": ({"W_vcr": np.full((D, D), np.nan)}, r"W_vcr: expected finite numbers, got an array that holds NaN"),
    "none": ({"W_vcr": None}, r"W_vcr: expected numbers, got None"),
    "words": ({"b_cs": ["a"] * D}, r"b_cs: expected an array of real numbers"),
    "dt": ({"dt": 0.0}, r"dt: expected a number > 0, got 0"),
}
WINDOWED = {
    "window": ({"W_xcs": np.zeros((2, D, M))}, r"W_xcs: expected shape \(6, 5, 3\), got \(2, 5, 3\)"),
    "matrix": ({"W_xdu": np.zeros((D, M))}, r"W_xdu: expected shape \(6, 5, 3\), got \(5, 3\)"),
    "W_vcu": ({"W_vcu": np.zeros((D, D))}, r"W_vcu: expected shape \(5, 4\), got \(5, 5\)"),
    "W_qdr": ({"W_qdr": np.zeros((D_V, M))}, r"W_qdr: expected shape \(d_v, 5\), got \(4, 3\)"),
    "gate": ({"W_vcx": None}, r"W_vcx: expected it with the other weights of the external gate, got None"),
    "no bias": ({"b_cx": None}, r"b_cx: expected it with the other weights of the external gate, got None"),
}


@pytest.mark.parametrize("name", [*BAD, *WINDOWED])
def test_what_does_not_fit_is_told_by_its_letter(name: str) -> None:
    change, message = (BAD | WINDOWED)[name]
    with pytest.raises(ValueError, match=message):
        replace(vanilla_cell() if name in BAD else augmented_cell("all"), **change)


def test_a_window_is_no_weight_of_the_vanilla_lstm() -> None:
    with pytest.raises(ValueError, match=r"W_xcu: expected shape \(5, m\), got \(6, 5, 3\)"):
        replace(vanilla_cell(), W_xcu=np.zeros((L, D, M)))


STARTS = {
    "s": (LSTMState(np.zeros(M), np.zeros(D)), r"s0.s: expected shape \(\.\.\., 5\), got \(3,\)"),
    "v": (LSTMState(np.zeros(D), np.zeros(M)), r"s0.v: expected shape \(\.\.\., 5\), got \(3,\)"),
    "batch": (
        LSTMState(np.zeros((7, D)), np.zeros(D)),
        r"s0: expected batch shapes that fit that of x, \(2,\), got \(7,\)",
    ),
    "nan": (LSTMState(np.full(D, np.nan), np.zeros(D)), r"s0.s: expected finite numbers, got an array that holds NaN"),
    "tensor": (LSTMState(torch.zeros(D), np.zeros(D)), r"s0.s: expected NumPy, as the cell's arrays, got a tensor"),
    "tuple": (
        (np.zeros(D), np.zeros(D)),
        r"s0: expected s.*, or the whole state as LSTMState\(.*, got a tuple",
    ),
    "plain": (np.zeros(M), r"s0: expected shape \(\.\.\., 5\), got \(3,\)"),
}


@pytest.mark.parametrize("name", STARTS)
def test_a_start_that_does_not_fit_is_told(name: str) -> None:
    start, message = STARTS[name]
    x, _, _, _ = numbers(vanilla_cell())
    for start_run in (run, lambda cell, x, s0: cell.gates(x, s0), lambda cell, x, s0: bptt(cell, x, x, s0)):
        with pytest.raises(ValueError, match=message):
            start_run(vanilla_cell(), x, start)


def test_inputs_that_do_not_fit_are_told() -> None:
    cell = augmented_cell("all")
    with pytest.raises(ValueError, match=r"x: expected shape \(N, \.\.\., 3\), got \(4, 2\)"):
        run(cell, np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"x: expected finite numbers, got an array that holds NaN"):
        run(cell, np.full((4, M), np.nan))
    with pytest.raises(ValueError, match=r"x: expected NumPy, as the cell's arrays, got a tensor"):
        run(cell, torch.zeros((4, M)))
