"""Correctness is not for sale: closed forms, known oscillators and chaos through every fast path that can take them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher
from tests.kernels.fast_paths import FAST_PATHS, FastPath
from tests.problems import (
    HOPF_AT_10,
    MACKEY_GLASS_AT_100,
    Case,
    cosine,
    exponential,
    hopf,
    mackey_glass,
    oscillator,
    pulse,
    pure_delay,
)

import ode2rnn
from ode2rnn import AdditiveModel, ContinuousRNN, integrate, kernels, signals

SOURCE = Path(ode2rnn.__file__).parent


def by_readout(history: float) -> Case:
    """R1 with the delayed state as a readout of the identity."""
    case = pure_delay(history=history)
    return Case(ContinuousRNN(0.0, -1.0, None, None, 1.0, "identity"), case.t, history, exact=case.exact)


def small_spiral() -> Case:
    """R13 close to its equilibrium, where A + B G' turns and grows with the eigenvalues 1/8 +- i/4.

    The next term of G there is of third order: 1e-6 cubed is nothing.
    """

    def exact(t: np.ndarray) -> np.ndarray:
        return 1e-6 * np.exp(t / 8)[:, None] * np.stack([np.cos(t / 4), -np.sin(t / 4)], axis=-1)

    return Case(oscillator().model, (0.0, 20.0), np.array([1e-6, 0.0]), exact=exact)


def driven_decay() -> Case:
    """s' = -s + sin t from -1/2."""
    model = ContinuousRNN(-1.0, 0.0, 1.0, None)
    return Case(model, (0.0, 10.0), -0.5, signals.Sine(), exact=lambda t: ((np.sin(t) - np.cos(t)) / 2)[:, None])


def circle() -> Case:
    """s' = [[0, 1], [-1, 0]] s, as a readout of the identity."""
    model = AdditiveModel(readout=[([[0.0, 1.0], [-1.0, 0.0]], 0.0)], activation="identity")
    return Case(model, (0.0, 10.0), np.array([0.0, 1.0]), exact=lambda t: np.stack([np.sin(t), np.cos(t)], axis=-1))


THIRDS = (1 / 3, 1 / 5)
CLOSED: dict[str, tuple[Case, list[float]]] = {
    "R1 from 0": (pure_delay(history=0.0), [1, 2, 3, 5, 10]),
    "R1 from 1": (pure_delay(), [3, 5, 10]),
    "R1 by readout": (by_readout(1.0), [3, 5, 10]),
    "R2 from 0": (pure_delay(THIRDS, 0.0, 1.0), [1]),
    "R2 from 1": (pure_delay(THIRDS, 1.0, 1.0), [1]),
    "R3 cosine": (cosine(), [1, 5, 10]),
    "R3 decay": (exponential(), [1, 5, 10]),
    "R13 spiral": (small_spiral(), [1, 5, 20]),
    "R16 pulse": (pulse(), [50.25, 52]),
    "driven decay": (driven_decay(), [1, 5, 10]),
    "circle": (circle(), [1, 5, 10]),
}


def every(cases: dict[str, Any]) -> list[Any]:
    """Every path with every case that it takes; the cases are tuples that begin with a Case."""
    return [
        pytest.param(path, *rest, id=f"{name}: {label}")
        for name, path in FAST_PATHS.items()
        for label, rest in cases.items()
        if path.takes(rest[0])
    ]


def solve(path: FastPath, case: Case, times: Any) -> np.ndarray:
    """The states at ``times``."""
    times = np.asarray(times, dtype=float)
    return path.solve(case, times) if path.sampled else path.solve(case, np.append(case.t[0], times))[1:]


@pytest.mark.parametrize(("path", "case", "times"), every(CLOSED))
def test_closed_forms(path: FastPath, case: Case, times: list[float]) -> None:
    assert case.exact is not None
    np.testing.assert_allclose(solve(path, case, times), case.exact(np.array(times, float)), rtol=0, atol=1e-12)


def test_the_closed_forms_are_the_reference_values() -> None:
    known = {
        "R1 from 0": [1, 0, -1 / 2, 5 / 24, 19223 / 362880],
        "R1 from 1": [-1 / 6, 19 / 120, 10493 / 518400],
        "R2 from 0": [-8407 / 243000],
        "R2 from 1": [-2924347 / 45562500],
        "R16 pulse": [1 - np.exp(-0.25), (np.exp(0.5) - 1) * np.exp(-2.0)],
    }
    for name, values in known.items():
        case, times = CLOSED[name]
        assert case.exact is not None
        np.testing.assert_allclose(
            case.exact(np.array(times, float))[:, 0], values, rtol=0, atol=1e-13
        )  # sums that cancel


VALUES = {
    "Mackey-Glass": (mackey_glass(), 100.0, MACKEY_GLASS_AT_100),
    "R8, tau = 1": (hopf(1.0), 10.0, HOPF_AT_10[1.0]),
    "R8, tau = 2": (hopf(2.0), 10.0, HOPF_AT_10[2.0]),
}


@pytest.mark.parametrize(("path", "case", "end", "value"), every(VALUES))
def test_reference_values_of_delay_equations(path: FastPath, case: Case, end: float, value: float) -> None:
    digits = len(f"{value}".split(".")[1])
    assert solve(path, case, [end])[0, 0] == pytest.approx(value, abs=0.6 * 10.0**-digits)


GRID = np.linspace(0.0, 100.0, 41)
BEER, STILL = oscillator(), oscillator(transposed=True)


@cache
def truth(label: str, tolerance: float) -> np.ndarray:
    """scipy's DOP853 on ``GRID``, segment by segment between breaking points."""
    return COMPARED[label].solve("DOP853", t=GRID, rtol=tolerance, atol=0.1 * tolerance).s


@pytest.mark.parametrize(("path", "case"), every({"R13": (BEER,)}))
def test_beers_oscillator_cycles(path: FastPath, case: Case) -> None:
    """Errors along a limit cycle grow no faster than the time: DOP853 and the paths agree all the way."""
    grid = GRID[GRID <= 20] if path.sampled else GRID
    exact = truth("R13", 1e-13)
    np.testing.assert_allclose(solve(path, case, grid[1:]), exact[1 : len(grid)], rtol=0, atol=1e-10)
    assert np.ptp(exact[20:], axis=0).min() > 1.0


CONTINUOUS = [
    pytest.param(path, id=name) for name, path in FAST_PATHS.items() if path.takes(STILL) and not path.sampled
]


@pytest.mark.parametrize("path", CONTINUOUS)
def test_the_transposed_oscillator_rests(path: FastPath) -> None:
    late = solve(path, STILL, [90.0, 95.0, 100.0])
    assert np.ptp(late, axis=0).max() < 1e-3 * np.abs(late).max()


# Chaos. g = 2 makes large networks chaotic and few of the small: these seeds were looked for, and the test below sees
# to it that they are.


def chaotic(d: int, seed: int, tau: float) -> Case:
    """s' = -s + J tanh(s(t - tau)), J of variance g^2 / d, g = 2."""
    rng = np.random.default_rng(seed)
    J = 2.0 * rng.normal(size=(d, d)) / np.sqrt(d)
    return Case(ContinuousRNN(-np.eye(d), J, None, None, tau), (0.0, 100.0), rng.normal(size=d))


CHAOS = {"ordinary": (chaotic(30, 1, 0.0), "ordinary"), "delayed": (chaotic(40, 19, 1.0), "delayed")}
COMPARED = {"R13": BEER} | {label: case for case, label in CHAOS.values()}


def horizon(label: str) -> np.ndarray:
    """The times of ``GRID`` over which agreement at 1e-10 can be asked for.

    What a solver misses at a tolerance grows as e^(lambda t), lambda the largest Lyapunov exponent. Two runs of
    DOP853 itself, one at the tolerance of the comparison and one at ten times that, show how far: the horizon ends
    where they differ by a tenth of 1e-10. From there on the reference is not known well enough to tell.
    """
    apart = np.abs(truth(label, 1e-13) - truth(label, 1e-12)).max(axis=1)
    within = np.maximum.accumulate(apart) < 1e-11
    return GRID[within]


@pytest.mark.parametrize("label", CHAOS)
def test_the_networks_are_chaotic_and_the_horizon_is_long(label: str) -> None:
    case = COMPARED[label]
    rng = np.random.default_rng(0)
    s0 = case.history + 1e-9 * rng.normal(size=(4, case.model.width))
    s = integrate(case.model, t=[0.0, 30.0, 100.0], history=case.history, s0=s0, rtol=1e-11, atol=1e-13).s
    apart = np.linalg.norm(s[:, 1:] - s[:, :1], axis=-1).max(axis=1)
    assert apart[2] / apart[1] > np.exp(0.03 * 70)
    assert apart[2] / apart[0] > 50
    assert horizon(label)[-1] >= 50


@pytest.mark.parametrize(("path", "case", "label"), every(CHAOS))
def test_a_chaotic_network_agrees_with_dop853_as_long_as_that_is_possible(
    path: FastPath, case: Case, label: str
) -> None:
    times = horizon(label)
    if path.sampled:  # dT -> 0 takes 2048 ticks a unit of time
        times = times[times <= 10]
    exact = truth(label, 1e-13)[1 : len(times)]
    np.testing.assert_allclose(solve(path, case, times[1:]), exact, rtol=0, atol=1e-10)


# No kernel escapes


def asked_for() -> dict[str, set[str]]:
    """The names that each file of the package outside ``kernels`` asks the door of ``kernels`` for."""
    found = {}
    for file in SOURCE.rglob("*.py"):
        if (SOURCE / "kernels") not in file.parents:
            nodes = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Attribute)]
            names = {node.attr for node in nodes if isinstance(node.value, ast.Name) and node.value.id == "kernels"}
            found[str(file.relative_to(SOURCE))] = names & kernels.ENTRIES.keys()
    return found


def test_every_entry_is_there_and_asked_for() -> None:
    assert set().union(*asked_for().values()) == kernels.ENTRIES.keys()
    assert all(getattr(kernels, name) is not None for name in kernels.ENTRIES)
    with pytest.raises(AttributeError, match="no attribute 'run_tocks'"):
        _ = kernels.run_tocks


def test_every_kernel_has_a_path_here() -> None:
    # but for those of the layers, which solve no equation and are kept to their twins in tests/nn
    called = set().union(*(names for file, names in asked_for().items() if not file.startswith("nn/")))
    named = {name for path in FAST_PATHS.values() for name in path.kernels}
    assert named == {name for name in called if isinstance(getattr(kernels, name), Dispatcher)}


@pytest.mark.parametrize("name", [name for name, path in FAST_PATHS.items() if path.kernels])
def test_a_path_runs_the_kernels_it_names(name: str) -> None:
    path = FAST_PATHS[name]
    case, times = next(found for found in CLOSED.values() if path.takes(found[0]))
    solve(path, case, times)  # compiled now: what stands in for a function below is not seen by the compiler
    for called in path.kernels:
        with mock.patch.object(kernels, called, wraps=getattr(kernels, called)) as watched:
            solve(path, case, times)
        assert watched.called, called


@pytest.mark.parametrize("label", CLOSED)
def test_every_case_goes_through_some_path(label: str) -> None:
    assert sum(path.takes(CLOSED[label][0]) for path in FAST_PATHS.values()) >= 4


@pytest.mark.parametrize("name", FAST_PATHS)
def test_every_path_is_put_to_a_closed_form_and_to_a_nonlinear_network(name: str) -> None:
    path = FAST_PATHS[name]
    assert any(path.takes(case) for case, _ in CLOSED.values())
    nonlinear = [case for case, *_ in (*VALUES.values(), *CHAOS.values(), (BEER,))]
    assert any(path.takes(case) for case in nonlinear)
