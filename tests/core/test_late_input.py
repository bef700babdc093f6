"""The inputs of a trajectory are worked out when they are first asked for, and are like any other field."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np

from ode2rnn import ContinuousRNN, integrate, signals

TIMES = np.linspace(0.0, 2.0, 5)


def test_the_inputs_are_those_of_the_signal_however_they_are_reached() -> None:
    model = ContinuousRNN(-1.0, 0.5, 1.0, None)

    def solved() -> object:
        return integrate(model, signals.Sine(omega=3.0), t=TIMES, history=0.1)

    for path in (
        lambda s: s,
        lambda s: pickle.loads(pickle.dumps(s)),
        copy.copy,
        copy.deepcopy,
        lambda s: replace(s, status=-1),
        lambda s: s.failed("stopped"),
    ):
        found = path(solved())
        np.testing.assert_array_equal(found.x, np.sin(3.0 * TIMES)[:, None])
        assert found.x is found.x
    assert "function" not in repr(solved())


def test_a_model_without_input_has_none() -> None:
    assert integrate(ContinuousRNN(-1.0, 0.5, None, None), t=TIMES, history=0.1).x is None
