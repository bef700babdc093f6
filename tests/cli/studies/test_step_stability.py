"""dT* of each scheme is where its multipliers say, against the equation's own verdict."""

import csv

import numpy as np
import pytest

from ode2rnn import ContinuousRNN, analysis, discretize
from ode2rnn.cli.figures import draw_steps
from ode2rnn.cli.studies.step_stability import step_stability
from ode2rnn.cli.studies.steps import step_study

W = np.array([[0.5, -2.0], [2.0, 0.5]])
TURNING = ContinuousRNN(-np.eye(2), W, None, None)
RULES = {name: (name, None) for name in ("forward_euler", "implicit_linear", "backward_euler", "tustin")}


def test_without_delays_the_limits_are_exact():
    found = step_stability(TURNING, np.zeros(2), -0.5, [0.4, 0.2, 0.1], RULES)
    assert found.stable
    # |1 + dT (w - 1)| = 1 and dT* = 2 (1 - Re w) / (|w|^2 - 1)
    for scheme, exact in (("forward_euler", 4 / 17), ("implicit_linear", 4 / 13)):
        (change,) = found.changes[scheme]
        assert change.dt == pytest.approx(exact, abs=1e-12)
        assert (change.stable, change.by) == (False, "Neimark-Sacker")
        assert abs(change.multiplier) == pytest.approx(1.0, abs=1e-12)
    # A-stable schemes keep the verdict of an equation that is stable
    assert found.changes["backward_euler"] == found.changes["tustin"] == ()
    assert found.finest["tustin"]
    assert "backward_euler   stable for every dT, as the equation" in found.table()
    assert "dT* = 0.23529412: loses stability beyond it, unlike the equation" in found.table()


def test_backward_euler_gains_stability_that_the_equation_has_not():
    # growth 1/4 +- i: |1 - dT lambda| = 1 at dT = 2 Re lambda / |lambda|^2
    growing = ContinuousRNN([[0.25, -1.0], [1.0, 0.25]], np.zeros((2, 2)), None, None)
    found = step_stability(growing, np.zeros(2), 0.25, [0.4, 0.2], RULES)
    (change,) = found.changes["backward_euler"]
    assert change.dt == pytest.approx(0.5 / (1 + 1 / 16), abs=1e-12)
    assert change.stable
    assert not found.stable
    assert "gains stability beyond it, unlike the equation" in found.table()


def test_with_a_delay_the_limit_lies_between_two_steps_that_divide_it():
    # stable with backward Euler and m ticks a delay iff 1.7 < 2 m cos((m - 1) pi / (2 m - 1))
    lag = ContinuousRNN(0.0, -1.7, None, None, tau=1.0, activation="identity")
    stable = [m for m in range(1, 17) if 2 * m * np.cos((m - 1) * np.pi / (2 * m - 1)) > 1.7]
    growth = analysis.characteristic_roots(lag, count=1)[0].real
    found = step_stability(lag, np.zeros(1), growth, [1 / 8, 1 / 16], {"backward_euler": ("backward_euler", None)})
    (change,) = found.changes["backward_euler"]
    assert change.between == pytest.approx((1 / (max(stable) + 1), 1 / max(stable)))
    assert change.stable


def test_the_study_has_it_in_table_files_and_picture(tmp_path):
    study = step_study(
        TURNING, t=(0.0, 2.0), history=[0.1, 0.0], dts=[0.5, 0.25, 0.125], schemes=["forward_euler", "tustin"]
    )
    assert study.stability is not None
    assert "dT* = 0.23529412" in study.table()
    changes, multipliers = study.stability.save(tmp_path)
    with open(changes, newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["scheme"], row["beyond_it"], row["by"]) == ("forward_euler", "unstable", "Neimark-Sacker")
    assert float(row["dt_star"]) == float(row["dt_low"]) == study.stability.changes["forward_euler"][0].dt
    with open(multipliers, newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 3 * 2
    for row in rows[:2]:
        z = analysis.discrete_roots(discretize(TURNING, 0.5, "forward_euler"))[int(row["rank"]) - 1]
        assert complex(float(row["real"]), float(row["imag"])) == pytest.approx(z, abs=1e-12)
    figure = draw_steps(study)
    assert len(figure.axes) == 3
    dotted = [line for line in figure.axes[1].lines if line.get_linestyle() == ":"]
    assert [line.get_xdata()[0] for line in dotted] == [pytest.approx(4 / 17)]
