"""Declared orders of convergence, by fitted slopes and by the order conditions of the tableau."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement
from math import factorial

import numpy as np
import pytest
from tests.problems import Case, driven_ode, driven_two_delays, fitted_order, hopf

from ode2rnn.solvers.explicit import tsit5
from ode2rnn.solvers.methods import METHODS, Method

FIXED = [pytest.param(m, id=m.name) for m in METHODS.values() if not m.adaptive]
ROUNDING = 1e-13  # of coefficients up to 60
STEPS = 0.5 ** np.arange(4, 9)  # four halvings; every breaking point is on the mesh


def reached_orders(method: Method, case: Case) -> dict[str, float]:
    """Fitted orders of the error at the end, at all nodes, and between them."""
    solutions = [case.solve(method.name, dt=dt) for dt in STEPS]
    errors = {
        "final": [case.error(solution, case.t[1]) for solution in solutions],
        "nodes": [case.error(solution, solution.t) for solution in solutions],
        "dense": [case.error(solution, np.linspace(*case.t, 613)) for solution in solutions],
    }
    return {kind: fitted_order(STEPS, error, 1e-13) for kind, error in errors.items()}


@pytest.mark.parametrize("method", FIXED)
def test_order_without_delay(method: Method) -> None:
    for kind, order in reached_orders(method, driven_ode(2.0, speed=1.5)).items():
        assert order == pytest.approx(method.order, abs=0.1), kind


@pytest.mark.parametrize("method", FIXED)
def test_order_with_delays_and_an_undelayed_readout(method: Method) -> None:
    for kind, order in reached_orders(method, driven_two_delays((1.0, 1.5), 2.0, speed=1.5)).items():
        assert order == pytest.approx(method.order, abs=0.2), kind


@pytest.mark.parametrize("method", FIXED)
def test_order_across_jumps_of_the_derivatives(method: Method) -> None:
    case = hopf(1.0, end=2.5)  # a constant history: s', s'', ... jump at 0, 1, 2
    reference = case.solve("spectral", rtol=1e-13, atol=1e-14)
    assert np.abs(reference(2.5) - case.solve("DOP853", rtol=1e-13, atol=1e-14)(2.5)) < 1e-12
    known = Case(case.model, case.t, case.history, exact=reference)
    orders = reached_orders(method, known)
    assert orders["nodes"] == pytest.approx(method.order, abs=0.2)
    assert orders["dense"] == pytest.approx(method.order, abs=0.2)


# Rooted trees and the order conditions (Hairer, Norsett and Wanner, II.2): a tree is the tuple of its branches.

Tree = tuple["Tree", ...]


def trees(nodes: int) -> Iterator[Tree]:
    """Every rooted tree with that many nodes."""

    def forests(left: int, most: int) -> Iterator[Tree]:
        if left == 0:
            yield ()
        for size in range(1, min(left, most) + 1):
            for count in range(1, left // size + 1):
                for rest in forests(left - size * count, size - 1):
                    for same in combinations_with_replacement(list(trees(size)), count):
                        yield (*same, *rest)

    yield from forests(nodes - 1, nodes - 1)


def size(tree: Tree) -> int:
    return 1 + sum(size(branch) for branch in tree)


def density(tree: Tree) -> int:
    return size(tree) * int(np.prod([density(branch) for branch in tree], dtype=int))


def weights(tree: Tree) -> np.ndarray:
    """The elementary weight of every stage."""
    return np.prod([np.ones(7), *(tsit5.A @ weights(branch) for branch in tree)], axis=0)


def test_the_trees_are_all_there() -> None:
    assert [len(list(trees(n))) for n in range(1, 7)] == [1, 1, 2, 4, 9, 20]
    assert sorted(density(tree) for tree in trees(4)) == [4, 8, 12, 24]
    assert density(((((),),),)) == factorial(4)  # the tall tree


def test_tsit5_is_of_order_five() -> None:
    b = tsit5.A[6]  # the last stage lies at the new point
    np.testing.assert_allclose(tsit5.A.sum(axis=1), tsit5.C, atol=1e-14)
    for n in range(1, 6):
        for tree in trees(n):
            assert b @ weights(tree) == pytest.approx(1 / density(tree), abs=ROUNDING)
    assert max(abs(b @ weights(tree) - 1 / density(tree)) for tree in trees(6)) > 1e-5


def test_the_error_estimate_of_tsit5_is_of_order_four() -> None:
    for n in range(1, 5):
        for tree in trees(n):
            assert tsit5.ERROR @ weights(tree) == pytest.approx(0, abs=ROUNDING)
    assert max(abs(tsit5.ERROR @ weights(tree)) for tree in trees(5)) > 1e-5


def test_the_interpolant_of_tsit5_is_of_order_four_and_meets_the_step_smoothly() -> None:
    theta = np.linspace(0, 1, 21)
    b = tsit5.interpolant(theta)
    for n in range(1, 5):
        for tree in trees(n):
            np.testing.assert_allclose(b @ weights(tree), theta**n / density(tree), atol=ROUNDING)
    np.testing.assert_array_equal(b[0], 0.0)
    np.testing.assert_allclose(b[-1], tsit5.A[6], atol=1e-14)
    h = 1e-6
    slopes = [
        (tsit5.interpolant(np.array([u + h])) - tsit5.interpolant(np.array([u - h])))[0] / (2 * h) for u in (0, 1)
    ]
    np.testing.assert_allclose(slopes, np.eye(7)[[0, 6]], atol=1e-9)


def test_the_steps_of_tsit5_grow_as_the_tolerance_to_the_power_of_a_fifth() -> None:
    tolerances = 10.0 ** -np.arange(6, 12)
    steps = [driven_ode(10.0).solve("tsit5", rtol=r, atol=r).stats.steps for r in tolerances]
    assert fitted_order(tolerances, steps) == pytest.approx(-1 / 5, abs=0.02)
