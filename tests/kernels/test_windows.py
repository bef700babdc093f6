"""The numbers by which windows are taken four ticks at a time: what they compute, and what they cost in digits."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from ode2rnn.kernels.toom import PARTS, POINTS, lagrange, powers


def test_the_parts_make_up_the_products_of_a_window() -> None:
    """sum_p p^i p^l X[p, j] is 1 for j = i + l and 0 otherwise."""
    found = np.einsum("pi,pl,pj->ilj", powers(), powers(), lagrange())
    i, k, j = np.ogrid[:4, :4, :7]
    assert found == pytest.approx((i + k == j).astype(float), abs=1e-14)
    assert PARTS == 7 < 16


def test_the_polynomials_are_those_of_exact_arithmetic() -> None:
    points = [Fraction(p) for p in POINTS]
    for p, row in zip(points, lagrange(), strict=False):
        values = [sum(Fraction(float(c)) * q**j for j, c in enumerate(row)) for q in points]
        assert [float(v) for v in values] == pytest.approx([float(p == q) for q in points], abs=1e-14)


def test_the_bound_of_the_error_is_18_times_that_of_the_products_one_by_one() -> None:
    V, X = np.abs(powers()), np.abs(lagrange())
    growth = (V.T @ (V.sum(axis=1) * X.sum(axis=1))).max() / 4  # of terms that are all at most 1
    assert 18.0 < growth < 18.5


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_error_is_typically_five_times_that_of_the_products_one_by_one(kind: type) -> None:
    m, rows = 64, 500
    generator = np.random.default_rng(0)
    x, W = (generator.standard_normal(shape).astype(kind) for shape in ((7, m, rows), (4, m)))
    exact = sum_of_products(W.astype(np.longdouble), x.astype(np.longdouble))
    V, X = powers().astype(kind), lagrange().astype(kind)
    # einsum would keep more digits
    parts = [combined(v, W) @ combined(row, x) for v, row in zip(V, X, strict=True)]
    found = np.array([combined(column, parts) for column in V.T])

    def error(y: np.ndarray) -> float:
        return float(np.sqrt(np.mean((y - exact) ** 2)))

    assert 3.0 < error(found) / error(sum_of_products(W, x)) < 7.0


def sum_of_products(W: np.ndarray, x: np.ndarray) -> np.ndarray:
    """y[i] = sum_l W(l) x[i + l] for i = 0 .. 3."""
    return np.array([sum(W[k] @ x[i + k] for k in range(4)) for i in range(4)])


def combined(factors: np.ndarray, terms: np.ndarray | list[np.ndarray]) -> np.ndarray:
    """The sum of the terms, each by its factor, in their own precision."""
    total = factors[0] * terms[0]
    for factor, term in zip(factors[1:], terms[1:], strict=True):
        total = total + factor * term
    return total
