"""integrate() given anything: a finite trajectory, a ValueError that names the argument, or a SimulationError."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.odd import is_finite, refused_or_built, spoiled, tries

from ode2rnn import AdditiveModel, ContinuousRNN, SimulationError, integrate, signals

NETWORK = ContinuousRNN([[-1.0, 0.2], [0.0, -0.5]], [[0.5, 1.0], [-1.0, 0.3]], [[1.0], [0.5]], [0.1, 0.0])
LATE = ContinuousRNN(NETWORK.A, NETWORK.B, NETWORK.C, NETWORK.phi, tau=0.5)
DOUBLE = AdditiveModel(state=[(-1.0, 0.0), (0.2, 0.5)], readout=[(0.5, 0.0)], input=[(1.0, 0.25)])
COMMON: dict[str, Any] = {
    "x": signals.Sine(),
    "t": (0.0, 2.0),
    "history": [0.5, -0.5],
    "s0": None,
    "method": "auto",
    "rtol": 1e-4,
    "atol": 1e-6,
    "dt": None,
    "adjoint": False,
}
GOOD = {
    "ordinary": {"model": NETWORK, **COMMON},
    "delayed": {"model": LATE, **COMMON},
    "fixed step": {"model": LATE, **COMMON, "method": "backward_euler", "dt": 0.25},
    "samples": {"model": NETWORK, **COMMON, "t": [0.0, 1.0, 2.0], "s0": [0.1, 0.2]},
    "one state": {"model": DOUBLE, **COMMON, "history": 0.5},
}


def is_short(arguments: dict[str, Any]) -> bool:
    """Whether the run ends in a moment where it runs at all: no range of a million delays, no step of a millionth."""
    for name, least, most in (("t", 0.0, 20.0), ("dt", 1e-3, np.inf), ("atol", 1e-12, np.inf), ("rtol", 1e-12, np.inf)):
        try:
            values = np.abs(np.asarray(arguments[name], dtype=float))
        except Exception:
            continue
        if not (values <= most).all() or (name != "t" and not (values >= least).all()):
            return not np.isfinite(values).all()  # refused at once
    return True


@pytest.mark.parametrize("good", [pytest.param(value, id=key) for key, value in GOOD.items()])
@tries
@given(data=st.data())
def test_anything_ends_in_finite_values_or_in_a_named_refusal(good: dict[str, Any], data: st.DataObject) -> None:
    arguments = data.draw(spoiled(good))
    assume(is_short(arguments))
    try:
        trajectory = refused_or_built(integrate, arguments, "s0, history, x|amplitude|function|activation")
    except SimulationError as error:
        trajectory = error.trajectory
    if trajectory is None:
        return
    times = trajectory.t.numpy() if torch.is_tensor(trajectory.t) else trajectory.t
    assert np.isfinite(times).all()
    assert (np.diff(times) > 0).all()
    for array in (trajectory.s, trajectory.r):
        assert torch.is_tensor(array) or is_finite(array)
        assert bool(np.isfinite(np.asarray(array.detach() if torch.is_tensor(array) else array, dtype=float)).all())


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="s0, history, x: expected a batch of at least one trajectory"):
        integrate(NETWORK, signals.Sine(), t=(0.0, 1.0), history=np.zeros((0, 2)))
