"""discretize, undiscretize and retime given anything: a finite cell or a ValueError, nothing else."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ode2rnn import (
    ACTIVATIONS,
    ALIASES,
    SCHEMES,
    AdditiveModel,
    CanonicalRNN,
    ContinuousRNN,
    SimulationError,
    TappedRNN,
    discretize,
    retime,
    run,
    undiscretize,
)

NAMES = sorted({*SCHEMES, *ALIASES})
ANYTHING = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
ODD = st.floats(width=64) | st.sampled_from([0.0, -0.0, 1e-300, 1e300, -1e300, 5e-324, np.inf, -np.inf, np.nan])
NO_MATRIX = [None, "A", [], [[]], np.zeros((0, 0)), np.ones(3), 1j, np.ones((2, 3, 4)), [[1], [1, 2]], {}, [[None]]]


def mostly(common: Any, odd: Any, share: int = 12) -> Any:
    """``odd`` in one case of ``share``."""
    return st.integers(1, share).flatmap(lambda k: odd if k == share else common)


@st.composite
def matrices(draw: st.DrawFn, rows: int, columns: int | None = None) -> Any:
    """A matrix (a vector where ``columns`` is None), now and then with an odd entry or of another shape."""
    size = rows * (columns or 1)
    values = draw(mostly(st.lists(st.floats(-3, 3), min_size=size, max_size=size), st.just(None)))
    if values is None:
        values = draw(st.lists(st.floats(-3, 3) | ODD, min_size=size, max_size=size))
    array = np.array(values).reshape((rows, columns) if columns else (rows,))
    return draw(mostly(st.just(array), st.sampled_from(NO_MATRIX), share=20))


STEPS = mostly(st.sampled_from([0.1, 0.05, 0.2, 1.0]), ODD)
DELAYS = mostly(st.sampled_from([0.0, 0.2, 0.4, 3 * 0.2, 1.0]), ODD)


@st.composite
def models(draw: st.DrawFn) -> Any:
    d, m = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    activation = draw(mostly(st.sampled_from(sorted(ACTIVATIONS)), st.sampled_from(["no such function", None, 3])))
    phi = draw(st.none() | matrices(d))
    if draw(st.booleans()):
        C = draw(st.none() | matrices(d, m))
        return ContinuousRNN(draw(matrices(d, d)), draw(matrices(d, d)), C, phi, draw(DELAYS), activation)
    kinds = [draw(st.lists(st.tuples(matrices(d, n), DELAYS), max_size=2)) for n in (d, d, m)]
    return AdditiveModel(*kinds, phi, activation)


def check_run(cell: CanonicalRNN | TappedRNN) -> str:
    """A short run is finite, or a SimulationError whose valid part is; tells which."""
    try:
        traj = run(cell, np.ones((3, cell.input_width)), s0=np.ones(cell.width))
    except SimulationError as error:
        assert error.trajectory is None or np.isfinite(error.trajectory.s).all()
        return "diverged"
    assert np.isfinite(traj.s).all()
    assert np.isfinite(traj.r).all()
    return "ran"


def arrays_of(cell: CanonicalRNN | TappedRNN) -> list[np.ndarray]:
    taps = [cell.W_s, cell.W_r, cell.W_x]
    return [
        cell.theta_s,
        *(W for tap in taps for W in (tap.values() if isinstance(tap, dict) else [tap]) if W is not None),
    ]


def test_discretize_gives_a_finite_cell_or_a_value_error() -> None:
    outcomes: Counter[str] = Counter()

    @settings(ANYTHING, max_examples=1200)
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        scheme = data.draw(mostly(st.sampled_from(NAMES), st.sampled_from([None, "", "tustn", 3])))
        alpha = data.draw(mostly(st.just(0.3 if scheme == "gbt" else None), st.floats(-1, 2) | ODD))
        try:
            cell = discretize(data.draw(models()), data.draw(STEPS), scheme, alpha)
        except ValueError as error:
            assert ": " in str(error)
            outcomes["refused"] += 1
            return
        assert all(np.isfinite(W).all() for W in arrays_of(cell))
        outcomes[check_run(cell)] += 1

    check()
    assert min(outcomes["refused"], outcomes["ran"]) >= 300  # both sides are looked at


def test_undiscretize_and_retime_give_finite_values_or_a_value_error() -> None:
    outcomes: Counter[str] = Counter()

    @settings(ANYTHING, max_examples=600)
    @given(data=st.data(), d=st.integers(1, 3), lag=mostly(st.integers(1, 3), st.integers(-1, 0)))
    def check(data: st.DataObject, d: int, lag: int) -> None:
        W_s, W_r, W_x, theta = (data.draw(matrices(d, n)) for n in (d, d, 2, None))
        try:
            cell = CanonicalRNN(W_s, W_r, W_x, theta, data.draw(STEPS), lag=lag)
            model, retimed = undiscretize(cell), retime(cell, data.draw(STEPS))
        except ValueError as error:
            assert ": " in str(error)
            outcomes["refused"] += 1
            return
        arrays = [model.A, model.B, model.C, model.phi, *arrays_of(retimed)]
        assert all(np.isfinite(W).all() for W in arrays if W is not None)
        outcomes[check_run(retimed)] += 1

    check()
    assert min(outcomes["refused"], outcomes["ran"]) >= 150
