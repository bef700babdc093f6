"""Long runs of which samples are asked for keep these alone, and are otherwise what they are without samples."""

from __future__ import annotations

import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest

from ode2rnn import ContinuousRNN, SimulationError, integrate, signals
from ode2rnn.solvers.explicit.network_steps import FIRST_BUFFER

METHODS = ["taylor", "tsit5"]
X = signals.Sine() + signals.Sine(0.3, 2.7) + 0.1
TIMES = np.sort(np.random.default_rng(0).uniform(0.0, 3000.0, 500))
TIMES[0], TIMES[-1] = 0.0, 3000.0


def network(d: int) -> ContinuousRNN:
    rng = np.random.default_rng(d)
    return ContinuousRNN(-np.eye(d), rng.normal(size=(d, d)) / np.sqrt(d), np.ones((d, 1)), None)


def solved(d: int, t: Any, method: str) -> Any:
    return integrate(network(d), X, t=t, history=np.full(d, 0.1), method=method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("d", [2, 6])
def test_samples_are_those_of_the_dense_output(d: int, method: str) -> None:
    sampled, whole = solved(d, TIMES, method), solved(d, (0.0, 3000.0), method)
    assert sampled.stats == whole.stats
    assert sampled.stats.steps > 3 * FIRST_BUFFER
    assert (sampled.s == whole(TIMES)).all()
    between = 0.5 * (TIMES[1:] + TIMES[:-1])
    assert (sampled(between) == whole(between)).all()


@pytest.mark.parametrize("method", METHODS)
def test_memory_does_not_grow_with_the_length(method: str) -> None:
    peaks = []
    for end in (1000.0, 10000.0):
        solved(2, (0.0, 1.0), method)  # whatever is kept for later
        tracemalloc.start()
        solved(2, np.linspace(0.0, end, 11), method)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_it_can_be_pickled_and_go_on() -> None:
    sampled = solved(2, TIMES, "taylor")
    copy = pickle.loads(pickle.dumps(sampled))
    assert (copy(TIMES + 0.0) == sampled.s).all()
    assert (copy(1234.5) == sampled(1234.5)).all()
    late = ContinuousRNN(-1.0, 0.0, None, None, tau=0.5)
    first = integrate(ContinuousRNN(0.0, -1.0, 1.0, None), signals.Sine(), t=np.linspace(0.0, 3000.0, 7), history=0.1)
    assert integrate(late, t=(3000.0, 3001.0), history=first).success


@pytest.mark.parametrize("method", METHODS)
def test_a_run_that_fails_late_hands_over_what_is_valid(method: str) -> None:
    # two states turn for thousands of steps while the third grows without bound
    A = np.array([[0.0, 6.0, 0.0], [-6.0, 0.0, 0.0], [0.0, 0.0, 0.5]])
    model, start = ContinuousRNN(A, np.zeros((3, 3)), None, None, activation="identity"), np.array([1.0, 0.0, 1e-3])
    parts = []
    for t in (np.linspace(0.0, 3000.0, 301), (0.0, 3000.0)):
        with pytest.raises(SimulationError) as error:
            integrate(model, t=t, history=start, method=method)
        parts.append(error.value.trajectory)
    sampled, whole = parts
    assert sampled is not None
    assert whole is not None
    assert sampled.stats.steps == whole.stats.steps > FIRST_BUFFER
    assert sampled.end == whole.end > 1000.0
    np.testing.assert_allclose(sampled.s, whole(sampled.t), rtol=1e-12)
