"""The work-precision table: error falls with the tolerance, and a failure is a row."""

import numpy as np
import pytest

from ode2rnn import Activation, ContinuousRNN, SimulationError, signals
from ode2rnn.analysis import work_precision

SINES = signals.Sine([1.0, 0.5], [1.0, 2.0], [0.0, 0.3])


def network(tau):
    rng = np.random.default_rng(1)
    A = -np.eye(3) + 0.2 * rng.normal(size=(3, 3))
    return ContinuousRNN(A, rng.normal(size=(3, 3)), rng.normal(size=(3, 2)), rng.normal(size=3), tau)


@pytest.mark.parametrize("tau", [0.0, 0.5])
@pytest.mark.parametrize("method", ["tsit5", "RK45", "Radau", "dopri5"])
def test_error_falls_and_work_grows_with_the_tolerance(method, tau):
    tolerances = [1e-4, 1e-6, 1e-8]
    study = work_precision(
        network(tau), SINES, t=(0, 2), history=[0.5, -0.5, 0.2], methods={method: tolerances}, repeats=1
    )
    rows = study.of(method)
    assert [row.rtol for row in rows] == tolerances
    errors = [row.error for row in rows]
    assert errors[0] > 5 * errors[1] > 25 * errors[2] > 25 * study.floor
    assert rows[0].evaluations < rows[1].evaluations < rows[2].evaluations
    assert rows[0].steps <= rows[1].steps <= rows[2].steps
    assert all(row.seconds >= 0 and row.dt is None and row.failure == "" for row in rows)


def test_fixed_step_methods_take_the_steps():
    study = work_precision(
        network(0.5), SINES, t=(0, 2), history=np.zeros(3), methods={"rk4": [0.1, 0.05], "backward_euler": [0.1, 0.05]}
    )
    rk4, euler = study.of("rk4"), study.of("backward_euler")
    assert [row.dt for row in rk4] == [0.1, 0.05]
    assert [row.steps for row in euler] == [20, 40]
    assert rk4[1].error < rk4[0].error / 8
    assert euler[1].error == pytest.approx(euler[0].error / 2, rel=0.1)


def test_the_error_is_that_against_the_reference():
    decay = ContinuousRNN(A=-1.0, B=0.0, C=None, phi=None)
    study = work_precision(
        decay, t=(0, 1), history=1.0, methods={"backward_euler": [1 / 256]}, reference=lambda t: np.exp(-t)
    )
    samples = (1 + 1 / 256) ** -np.arange(257.0)
    assert study.rows[0].error == pytest.approx(np.abs(samples - np.exp(-np.arange(257) / 256)).max(), rel=1e-10)


def test_a_failure_is_a_row_that_says_so():
    stiff = ContinuousRNN(A=-40.0, B=0.5, C=None, phi=None, activation="softplus")
    study = work_precision(
        stiff,
        t=(0, 150),
        history=1.0,
        methods={"euler": [0.5], "taylor": 1e-5, "tsit5": [1e-5]},
        repeats=1,
    )
    diverged, unfit, fine = study.rows
    assert "dt" in diverged.failure or "step" in diverged.failure
    assert "'taylor' needs" in unfit.failure
    assert np.isnan(diverged.error)
    assert np.isnan(unfit.seconds)
    assert fine.failure == ""
    assert fine.error < 1e-3
    lines = study.table().splitlines()
    assert len(lines) == 2 + len(study.rows)
    assert sum("failed: " in line for line in lines) == 2
    assert str(study) == study.table()


def test_a_step_that_does_not_divide_the_delay_is_a_row_too():
    study = work_precision(network(0.5), None, t=(0, 2), history=np.zeros(3), methods={"rk4": [0.4, 0.25]})
    assert "divides the delay" in study.rows[0].failure
    assert study.rows[1].failure == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": {}}, "methods: expected tolerances or steps by name"),
        ({"methods": ["tsit5"]}, "methods: expected tolerances or steps by name"),
        ({"methods": {"tsit": [1e-3]}}, "methods: .*did you mean 'tsit5'"),
        ({"methods": {None: [1e-3]}}, "methods: expected one of"),
        ({"methods": {"tsit5": []}}, "expected tolerances in"),
        ({"methods": {"tsit5": [0.0]}}, "expected tolerances in"),
        ({"methods": {"tsit5": [np.nan]}}, "NaN"),
        ({"methods": {"tsit5": [2.0]}}, "expected tolerances in"),
        ({"methods": {"rk4": []}}, "dts: expected a list of at least 1"),
        ({"methods": {"rk4": [0.1, -0.1]}}, "dts: expected steps > 0"),
        ({"t": [0.0, 1.0, 2.0]}, "t: expected the range"),
        ({"repeats": 0}, "repeats: expected a whole number"),
        ({"history": [1.0, 2.0]}, "history: expected shape"),
        ({"model": 1}, "model: expected an AdditiveModel"),
    ],
)
def test_bad_input_is_refused_by_name(change, message):
    arguments = {
        "model": ContinuousRNN(A=-1.0, B=0.5, C=None, phi=None, tau=0.5),
        "t": (0, 2),
        "history": 1.0,
        "methods": {"tsit5": [1e-3]},
        **change,
    }
    with pytest.raises(ValueError, match=message):
        work_precision(arguments.pop("model"), **arguments)


def test_a_reference_that_diverges_is_an_error():
    cube = Activation("cube", lambda s: s**3, lambda s: 3 * s**2)
    unstable = ContinuousRNN(A=0.0, B=1.0, C=None, phi=None, activation=cube)  # infinite at t = 1/2
    with pytest.raises(SimulationError):
        work_precision(unstable, t=(0, 1), history=1.0, methods={"tsit5": [1e-3]})
