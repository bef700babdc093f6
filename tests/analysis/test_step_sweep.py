"""Sweeps over the step: many steps together against one discretization and one run for each step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ode2rnn import AdditiveModel, ContinuousRNN, discretize, run, signals
from ode2rnn.analysis import Sampling, StepSweep, sweep_steps
from ode2rnn.analysis.step_size import shared_basis as fast
from ode2rnn.discrete.eigenbasis import eigenbasis, phi
from ode2rnn.kernels import plain

SCHEMES = ["backward_euler", "implicit_linear", "forward_euler", "tustin", "exponential", "foh"]
DTS = np.linspace(0.01, 0.2, 70)


def network(d: int, tau: float = 0.0, diagonal: bool = False, activation: str = "tanh") -> ContinuousRNN:
    rng = np.random.default_rng(d)
    A = -np.diag(rng.uniform(0.8, 1.2, d))
    if not diagonal:
        A = A + 0.4 * rng.normal(size=(d, d)) / np.sqrt(d)
    B = 0.8 * rng.normal(size=(d, d)) / np.sqrt(d)
    return ContinuousRNN(A, B, rng.normal(size=(d, 2)), rng.normal(size=d), tau=tau, activation=activation)


def both(model: AdditiveModel, x: Any = None, **arguments: Any) -> tuple[StepSweep, StepSweep]:
    arguments = {"keep": "states", **arguments}
    with plain():
        expected = sweep_steps(model, x, **arguments)
    return sweep_steps(model, x, **arguments), expected


def assert_same(got: StepSweep, expected: StepSweep) -> None:
    for name in ("dts", "ticks", "final", "low", "high", "diverged"):
        value, wanted = getattr(got, name), getattr(expected, name)
        assert (value is None) == (wanted is None)
        if wanted is not None:
            np.testing.assert_allclose(value, wanted, rtol=1e-12, atol=1e-12)
    for own, other in zip(got.states or [], expected.states or [], strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-12, atol=1e-12 * max(1, np.abs(other).max(initial=0)))


@pytest.fixture
def all_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a step is not run by the kernel."""
    together = fast.run_together

    def checked(job: fast.Job, steps: np.ndarray, *rest: Any) -> np.ndarray:
        done = together(job, steps, *rest)
        assert done.all() or not fast.kernels.compiled()
        return done

    monkeypatch.setattr("ode2rnn.analysis.step_size.step_sweep.run_together", checked)


@pytest.mark.usefixtures("all_together")
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("diagonal", [False, True])
def test_tied_delays_for_every_scheme(scheme: str, diagonal: bool) -> None:
    x = np.random.default_rng(0).normal(size=(80, 2))
    start = np.array([0.5, -1.0, 0.2, 0.1, 0.3])
    model = network(5, diagonal=diagonal)
    assert_same(*both(model, x, dts=DTS, t=80, history=start, sampling=Sampling(scheme, delay="tied")))


@pytest.mark.usefixtures("all_together")
@pytest.mark.parametrize("scheme", SCHEMES)
def test_fixed_delays_have_a_lag_for_each_step(scheme: str) -> None:
    dts = 1 / np.arange(10, 40)
    assert_same(*both(network(3, tau=1.0), signals.Sine([1.0, 0.5]), dts=dts, t=(0, 4), history=0.3, sampling=scheme))


@pytest.mark.usefixtures("all_together")
@pytest.mark.parametrize("scheme", ["backward_euler", "exponential"])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_last_states_of_networks_of_few_states(d: int, scheme: str) -> None:
    x = np.random.default_rng(0).normal(size=(80, 2))
    common = {"sampling": Sampling(scheme, delay="tied"), "keep": "final", "history": 0.3}
    assert_same(*both(network(d), x, dts=DTS[:64], t=80, **common))
    dts = 2.0 / np.arange(20, 84)
    assert_same(*both(network(d), signals.Sine([1.0, 2.0]), dts=dts, t=(0, 2), **common))


@pytest.mark.usefixtures("all_together")
def test_gbt_and_every_activation() -> None:
    for name in ("sigmoid", "relu", "softplus", "identity"):
        model = network(2, activation=name)
        assert_same(*both(model, dts=DTS, t=60, history=0.4, sampling=Sampling("gbt", alpha=0.7, delay="tied")))


@pytest.mark.usefixtures("all_together")
def test_runs_of_different_lengths_and_what_is_kept() -> None:
    dts = 2.0 / np.arange(20, 148)
    got, expected = both(
        network(2), signals.Sine([1.0, 2.0]), dts=dts, t=(0, 2), sampling=Sampling(delay="tied"), settle=0.25
    )
    assert_same(got, expected)
    final = sweep_steps(network(2), signals.Sine([1.0, 2.0]), dts=dts, t=(0, 2), sampling=Sampling(delay="tied"))
    np.testing.assert_allclose(final.final, got.final, rtol=1e-12, atol=1e-12)
    assert (final.low, final.high, final.states) == (None, None, None)


def test_a_run_that_diverges_is_told_and_ends_where_it_did() -> None:
    model = ContinuousRNN(-np.diag([1.0, 40.0]), np.eye(2), None, None)
    dts = np.linspace(0.01, 0.5, 40)
    got, expected = both(model, dts=dts, t=600, history=1.0, sampling=Sampling("forward_euler", delay="tied"))
    assert_same(got, expected)
    assert 0 < got.diverged.sum() < len(dts)
    assert got.states is not None
    assert [len(s) == 600 for s in got.states] == (~got.diverged).tolist()


@pytest.mark.parametrize(
    "model",
    [
        ContinuousRNN([[-1.0, 1.0], [0.0, -1.0]], np.eye(2), None, None),  # eigenvectors that coincide
        AdditiveModel(state=[(-1.0, 0.0)], readout=[(-1.0, 0.1), (0.5, 0.2)]),
        network(3),
    ],
)
def test_what_has_no_common_basis_or_is_implicit_is_run_step_by_step(model: AdditiveModel) -> None:
    dts = 0.1 / np.arange(1, 12)
    sweep = sweep_steps(model, dts=dts, t=60, history=0.5)
    for dt, final in zip(dts, sweep.final, strict=True):
        cell = discretize(model, dt)
        x = np.zeros((60, cell.input_width)) if cell.input_width else 60
        np.testing.assert_allclose(final, run(cell, x, np.full(model.width, 0.5)).s[-1], rtol=1e-12)


def test_basis_turns_the_matrix_into_blocks() -> None:
    for d in (1, 2, 5, 8):
        A = np.random.default_rng(d).normal(size=(d, d))
        basis = eigenbasis(A)
        assert basis is not None
        blocks = np.diag(basis.values.real)
        for k in range(0, 2 * basis.pairs, 2):
            blocks[k, k + 1], blocks[k + 1, k] = basis.values[k].imag, -basis.values[k].imag
        np.testing.assert_allclose(A @ basis.V, basis.V @ blocks, atol=1e-12)
    assert eigenbasis(np.array([[1.0, 1.0], [0.0, 1.0]])) is None


def test_phi_functions_of_scalars_are_those_of_matrices() -> None:
    from ode2rnn.discrete.rules import phi_functions

    for z in (0.0, 1e-9, -0.3, 0.99, 1.01, -5.0, 0.2 + 0.4j, -3 + 2j):
        block = np.array([[np.real(z), np.imag(z)], [-np.imag(z), np.real(z)]])
        for scalar, matrix in zip(phi(np.array([z + 0j])), phi_functions(block)[1:], strict=True):
            np.testing.assert_allclose([scalar[0].real, scalar[0].imag], matrix[0], rtol=2e-14, atol=1e-16)


def test_arguments_that_do_not_fit_are_refused() -> None:
    model = network(2)
    good: dict[str, Any] = {"dts": [0.1], "t": 10, "sampling": Sampling(delay="tied")}
    for change, match in (
        ({"dts": []}, "dts"),
        ({"dts": [0.1, -0.1]}, "dts"),
        ({"t": None}, "t: expected"),
        ({"t": (1, 0)}, "t0 < t1"),
        ({"t": (0, 1.05)}, "divide"),
        ({"keep": "all"}, "keep"),
        ({"settle": 1.0}, "settle"),
        ({"sampling": None}, "sampling"),
        ({"sampling": Sampling(dt=0.1)}, "sampling: expected the name of a scheme, or a Sampling without dt"),
        ({"sampling": "eule"}, "scheme"),
        ({"sampling": "gbt"}, "alpha"),
        ({"history": [1.0, 2.0, 3.0]}, "history"),
        ({"x": np.zeros((9, 2))}, "x"),
    ):
        with pytest.raises(ValueError, match=match):
            sweep_steps(model, **{**good, **change})
    singular = ContinuousRNN(2.0, 1.0, None, None)
    with pytest.raises(ValueError, match="singular"):
        sweep_steps(singular, dts=np.linspace(0.4, 0.6, 21), t=10, sampling=Sampling(delay="tied"))
