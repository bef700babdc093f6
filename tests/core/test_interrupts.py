"""Ctrl-C: a run ends at once, and hands over what was done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ode2rnn import CanonicalRNN, Flow, Interrupted, Map, Trajectory, integrate, kernels, run
from ode2rnn.kernels import engine


def interrupted(job: Callable[[], object]) -> Trajectory:
    with pytest.raises(KeyboardInterrupt) as caught:
        job()
    assert isinstance(caught.value, Interrupted)
    found = caught.value.trajectory
    assert (found.status, found.message) == (-1, "interrupted")
    return found


def stopping(function: Callable[..., Any], at: int) -> Callable[..., Any]:
    """The function, which is interrupted when it is called for the ``at``-th time."""
    calls = iter(range(at))

    def called(*given: object) -> object:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return function(*given)

    return called


def test_ticks_of_a_system() -> None:
    halved = Map(lambda s: 0.5 * s + 1.0, 1)
    whole = run(halved, 40)
    found = interrupted(lambda: run(Map(stopping(lambda s: 0.5 * s + 1.0, 25), 1), 40))
    assert 0 < len(found.s) < 40
    assert np.array_equal(found.s, whole.s[: len(found.s)])
    assert len(found.s) == len(found.r) == len(found.t)


def test_ticks_of_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    cell, x = CanonicalRNN(0.5, 0.3, 1.0, 0.0), np.sin(np.arange(100.0))[:, None]
    whole = run(cell, x)
    monkeypatch.setattr(engine, "AT_ONCE", 40.0)  # ten ticks at once
    monkeypatch.setattr(kernels, "run_ticks", stopping(kernels.run_ticks, 3))
    found = interrupted(lambda: run(cell, x))
    assert len(found.s) == len(found.r) == len(found.x) == 30
    assert np.array_equal(found.s, whole.s[:30])
    assert np.array_equal(found.r, whole.r[:30])


def test_a_kernel_in_parts_gives_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    cell, x = CanonicalRNN(np.eye(2) / 2, np.eye(2)[::-1], np.ones((2, 1)), np.zeros(2)), np.ones((77, 3, 1))
    whole = run(cell, x)
    monkeypatch.setattr(engine, "AT_ONCE", 500.0)
    parts = run(cell, x)
    assert np.array_equal(parts.s, whole.s)
    assert np.array_equal(parts.r, whole.r)


@pytest.mark.parametrize("method", ["tsit5", "DOP853"])
def test_steps_of_a_flow(method: str) -> None:
    def rate(t: float, s: np.ndarray) -> np.ndarray:
        return -s

    stopped = stopping(rate, 60)
    whole = integrate(Flow(rate, 1), t=(0.0, 50.0), history=[1.0], method=method)
    found = interrupted(
        lambda: integrate(Flow(lambda t, s: stopped(t, s), 1), t=(0.0, 50.0), history=[1.0], method=method)
    )
    assert 0 < found.t[-1] < 50
    np.testing.assert_allclose(found(found.t[-1] / 2), whole(found.t[-1] / 2), rtol=1e-4)
