"""Which points an order is fitted on, and whether the record says so."""

import numpy as np
import pytest
from tests.analysis.networks import CUBE, KINDS

from ode2rnn import ContinuousRNN, signals
from ode2rnn.analysis import convergence
from ode2rnn.analysis.step_size.order import fit_order


def test_points_at_round_off_are_dropped():
    decay = ContinuousRNN(A=-1.0, B=0.0, C=None, phi=None)
    study = convergence(
        decay,
        t=(0, 1),
        history=1.0,
        dts=0.5 ** np.arange(2, 13),
        method="rk4",
        reference=lambda t: np.exp(-np.asarray(t))[..., None],
    )
    errors, used = study.errors["maximum"], study.used["maximum"]
    assert errors[-3:].max() < 1e-13  # there is round-off in the list
    assert not used[-3:].any()
    assert used.sum() >= 5
    assert abs(study.order["maximum"] - 4.0) <= 0.1
    slope_of_all = np.polyfit(np.log(study.dts), np.log(errors), 1)[0]
    assert abs(slope_of_all - 4.0) > 0.3  # and it would have spoiled the fit


def test_steps_that_are_not_yet_asymptotic_are_dropped():
    stiff = ContinuousRNN(A=-40.0, B=0.0, C=1.0, phi=None)
    study = convergence(stiff, signals.Sine(), t=(0, 1), history=1.0, dts=0.5 ** np.arange(1, 13))
    used = study.used["maximum"]
    assert not used[:4].any()
    assert used[-4:].all()
    assert abs(study.order["maximum"] - 1.0) <= 0.1


def test_the_record_says_what_was_fitted():
    stiff = ContinuousRNN(A=-40.0, B=0.0, C=1.0, phi=None)
    study = convergence(stiff, signals.Sine(), t=(0, 1), history=1.0, dts=0.5 ** np.arange(1, 13))
    for kind in KINDS:
        fitted = study.dts[study.used[kind]]
        assert study.range[kind] == (fitted[0], fitted[-1])
        slope = np.polyfit(np.log(fitted), np.log(study.errors[kind][study.used[kind]]), 1)[0]
        assert study.order[kind] == pytest.approx(slope)
    assert str(study) == study.table()
    assert study.table().count("*") == sum(int(study.used[kind].sum()) for kind in KINDS)
    assert f"{study.range['maximum'][0]:.6g}" in study.table().splitlines()[-2]


def test_a_step_at_which_the_recursion_diverges_has_infinite_error_and_the_study_goes_on():
    steep = ContinuousRNN(A=0.0, B=-1.0, C=None, phi=None, activation=CUBE)
    dts = [0.5, 2.0**-6, 2.0**-7, 2.0**-8, 2.0**-9]
    for how in ({"scheme": "forward_euler"}, {"method": "euler"}):
        study = convergence(steep, t=(0, 5), history=3.0, dts=dts, **how)
        assert np.isinf(study.errors["final"][0])
        assert not study.used["maximum"][0]
        assert abs(study.order["maximum"] - 1.0) <= 0.15


def test_fit_order_takes_the_range_nearest_to_zero():
    dts = 0.5 ** np.arange(9)
    early, late = 2.0 ** -np.arange(5), 2.0 ** (-4 - 2.0 * np.arange(1, 5))
    order, used = fit_order(dts, np.concatenate([early, late]), np.zeros(9))
    assert order == pytest.approx(2.0)
    assert used.tolist() == [False] * 4 + [True] * 5


@pytest.mark.parametrize(
    "errors",
    [
        [1e-3, 1e-3, 1e-3, 1e-3],  # no convergence
        [1e-3, 1e-6, 1e-6, 1e-9],  # no two slopes alike
        [1e-15, 1e-15, 1e-15, 1e-16],  # all of it round-off
        [np.inf, np.inf, 1e-3, 1e-4],  # two points are no range
    ],
)
def test_fit_order_says_nan_where_there_is_no_range(errors):
    order, used = fit_order(0.5 ** np.arange(4), np.array(errors), np.full(4, 1e-14))
    assert np.isnan(order)
    assert not used.any()
