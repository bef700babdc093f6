"""The step-size study: its numbers are those of the analyses, and its steps fit the delays."""

import csv

import numpy as np
import pytest

from ode2rnn import AdditiveModel, ContinuousRNN, SimulationError, analysis, discretize, signals
from ode2rnn.cli.studies.steps import default_steps, step_study

MODEL = ContinuousRNN([[-1.0, 0.5], [-0.5, -1.0]], [[0.5, -1.0], [1.0, 0.5]], [[1.0], [0.5]], [0.1, 0.0], tau=0.5)
X = signals.Sine(omega=2.0, phase=0.4)
DTS = [0.5, 0.25, 0.125, 0.0625]


@pytest.fixture(scope="module")
def study():
    return step_study(MODEL, X, t=(0.0, 2.0), history=[0.2, -0.1], dts=DTS, schemes=["tustin", "forward_euler"])


def test_errors_and_orders_are_those_of_convergence(study):
    for scheme in ("tustin", "forward_euler"):
        own = analysis.convergence(MODEL, X, t=(0.0, 2.0), history=[0.2, -0.1], dts=DTS, scheme=scheme)
        assert np.array_equal(study.errors[scheme].errors["maximum"], own.errors["maximum"])
        assert study.errors[scheme].order["maximum"] == own.order["maximum"]
    assert study.errors["tustin"].order["maximum"] == pytest.approx(2.0, abs=0.2)


def test_stability_is_that_of_the_recursion_at_rest_under_the_mean_input(study):
    mean = (np.cos(0.4) - np.cos(4.4)) / 4  # of sin(2 t + 0.4) over [0, 2]
    rest = analysis.equilibrium(MODEL, [mean])
    assert study.rest == pytest.approx(rest, abs=1e-6)
    for scheme in ("tustin", "forward_euler"):
        for k, dt in enumerate(DTS):
            largest = np.abs(analysis.discrete_roots(discretize(MODEL, dt, scheme), rest)).max()
            assert study.moduli[scheme][k] == pytest.approx(largest, abs=1e-6)
    root = analysis.characteristic_roots(MODEL, rest, count=1)[0].real
    assert study.growth == pytest.approx(root, abs=1e-6)
    # the multipliers tend to those of the equation
    assert study.moduli["tustin"][-1] == pytest.approx(np.exp(root * DTS[-1]), abs=1e-3)


def test_an_unstable_step_is_told_beside_a_stable_one():
    fast = ContinuousRNN(A=-10.0, B=0.0, C=None, phi=1.0)
    found = step_study(fast, t=(0.0, 4.0), history=0.0, dts=[0.5, 0.1], schemes=["forward_euler", "backward_euler"])
    assert found.moduli["forward_euler"] == pytest.approx([4.0, 0.0], abs=1e-12)
    assert found.moduli["backward_euler"] == pytest.approx([1 / 6, 1 / 2], abs=1e-12)
    stable = {(row[0], row[1]): row[-1] for row in found.rows()}
    assert stable == {
        ("forward_euler", 0.5): "no",
        ("forward_euler", 0.1): "yes",
        ("backward_euler", 0.5): "yes",
        ("backward_euler", 0.1): "yes",
    }


def test_a_recursion_that_overflows_has_no_error_and_stops_nothing():
    # |1 + dT A| = 1e5 - 1 at dT = 0.1, so that 100 ticks overflow
    stiff = ContinuousRNN(A=-1e6, B=0.0, C=None, phi=1.0)
    found = step_study(stiff, t=(0.0, 10.0), history=1.0, dts=[0.1, 0.05], schemes=["forward_euler"])
    assert np.isinf(found.errors["forward_euler"].errors["maximum"]).all()
    assert "diverges" in found.table()
    assert "no range to fit it on" in found.table()


def test_without_an_equilibrium_stability_is_unknown():
    drift = AdditiveModel(phi=[1.0], state=[([[0.0]], 0.0)])
    found = step_study(drift, t=(0.0, 1.0), history=0.0, dts=[0.5, 0.25], schemes=["tustin"])
    assert found.rest is None
    assert {row[-1] for row in found.rows()} == {"unknown"}
    assert "no equilibrium" in found.table()


def test_a_multiplier_that_cannot_be_found_is_told(monkeypatch):
    def lost(cell, rest):
        if cell.dt < 0.1:
            raise SimulationError("no largest multiplier")
        return 0.5

    monkeypatch.setattr("ode2rnn.cli.studies.steps.spectral_radius", lost)
    found = step_study(MODEL, X, t=(0.0, 2.0), history=[0.0, 0.0], dts=DTS, schemes=["backward_euler"])
    assert np.isnan(found.moduli["backward_euler"]).tolist() == [dt < 0.1 for dt in DTS]
    assert "left out" in found.table()


def test_a_growth_that_cannot_be_found_is_told(monkeypatch):
    def not_found(*args, **kwargs):
        raise SimulationError("not all roots were found")

    monkeypatch.setattr("ode2rnn.cli.studies.steps.characteristic_roots", not_found)
    found = step_study(MODEL, X, t=(0.0, 1.0), history=[0.2, -0.1], dts=[0.5, 0.25], schemes=["tustin"])
    assert np.isnan(found.growth)
    assert found.rest is not None
    assert "own growth there is not known" in found.table()


def test_the_table_and_the_file_hold_the_same_numbers(study, tmp_path):
    with open(study.save(tmp_path / "steps.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["scheme"], float(row["dt"])) for row in rows] == [
        (s, dt) for s in ("tustin", "forward_euler") for dt in DTS
    ]
    for row in rows:
        k, result = DTS.index(float(row["dt"])), study.errors[row["scheme"]]
        for kind in ("final", "maximum", "dense"):
            assert float(row[f"error_{kind}"]) == result.errors[kind][k]
        assert float(row["modulus"]) == study.moduli[row["scheme"]][k]
        assert float(row["order"]) == result.order["maximum"]
        assert f"{result.errors['maximum'][k]:.3e}" in study.table()


def test_gbt_takes_its_alpha_from_the_name():
    found = step_study(MODEL, X, t=(0.0, 2.0), history=[0.0, 0.0], dts=DTS, schemes=["gbt:0.5", "tustin"])
    assert np.allclose(found.errors["gbt:0.5"].errors["final"], found.errors["tustin"].errors["final"], atol=1e-14)


@pytest.mark.parametrize(
    ("delays", "t", "first"),
    [((), (0, 8), 1.0), ((1.0,), (0, 24), 1.0), ((0.3, 0.2), (0, 6), 0.1), ((1 / 3, 1 / 5), (0, 2), 1 / 15)],
)
def test_default_steps_divide_the_range_and_every_delay(delays, t, first):
    model = AdditiveModel(state=[(-1.0, 0.0), *((0.1, delay) for delay in delays)])
    steps = default_steps(model, t)
    assert steps == pytest.approx([first / 2**k for k in range(8)])
    for dt in steps:
        for length in (*delays, t[1] - t[0]):
            assert length / dt == pytest.approx(round(length / dt), abs=1e-9)


def test_default_steps_refuse_lengths_without_a_common_step():
    with pytest.raises(ValueError, match="with a common step; give the steps"):
        default_steps(AdditiveModel(state=[(-1.0, np.sqrt(2))]), (0, 24))


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("divides the delay 0.5, got 0.3; the nearest", {"dts": [0.3, 0.1]}),
        ("divide t1 - t0", {"dts": [0.5, 0.25], "t": (0.0, 1.8)}),
        ("at least 2 steps", {"dts": [0.5]}),
        ("dts: expected steps > 0", {"dts": [0.5, -0.5]}),
        ("dts: expected finite", {"dts": [0.5, np.nan]}),
        ("at most 1000000 steps", {"dts": [0.5, 1e-9]}),
        ("did you mean 'tustin'", {"schemes": ["tustn"]}),
        ("expected distinct schemes", {"schemes": ["tustin", "tustin"]}),
        ("expected distinct schemes, got none", {"schemes": []}),
        ("expected alpha with 'gbt'", {"schemes": ["gbt"]}),
        ("as in 'gbt:0.7', got 'gbt:x'", {"schemes": ["gbt:x"]}),
        ("history: expected shape", {"history": [1.0, 2.0, 3.0]}),
    ],
)
def test_bad_arguments_are_told_before_any_work(message, arguments):
    given = {"t": (0.0, 2.0), "history": [0.0, 0.0], "dts": DTS, "schemes": ["tustin"]} | arguments
    with pytest.raises(ValueError, match=message):
        step_study(MODEL, X, **given)


def test_of_very_many_steps_some_are_printed_and_all_are_saved(tmp_path):
    dts = default_steps(MODEL, (0.0, 2.0), 60)
    assert dts[:3] == pytest.approx([dts[0], dts[0] / 2, dts[0] / 3])
    study = step_study(MODEL, X, t=(0.0, 2.0), history=[0.0, 0.0], dts=dts, schemes=["tustin"])
    lines = [line for line in study.table().splitlines() if line.startswith("tustin")]
    assert len(lines) <= 12 + 2
    assert f"{dts[0]:.6g}" in lines[0]
    assert f"{dts[-1]:.6g}" in lines[-3]
    assert "of 60 dT 60 are stable, 0 diverge" in lines[-1]
    assert len(study.save(tmp_path / "steps.csv").read_text().splitlines()) == 61
    with pytest.raises(ValueError, match="count: expected at least 2"):
        default_steps(MODEL, (0.0, 2.0), 1)
