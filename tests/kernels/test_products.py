"""The products of the kernels, against those of NumPy, for every number of rows and columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit

from ode2rnn.kernels.elementwise.vectors import address
from ode2rnn.kernels.products import batch
from ode2rnn.kernels.products.packing import packed
from ode2rnn.kernels.products.tile import add_product, add_to_vector, panel_width, panels
from ode2rnn.solvers.explicit.packing import pack_pair, padded

KINDS = ("float32", "float64")
NONE = np.zeros((0, 0))


@njit
def product(Z, W, scratch, out):
    zero, (rows, k), m = Z.dtype.type(0.0), Z.shape, out.shape[1]
    add_product(zero, (address(Z), k), panels(W), (address(out), m), rows, m, address(scratch))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [1, 2, 3, 5, 7, 8, 9, 21])
def test_a_product_is_added(kind: str, rows: int) -> None:
    for m in (1, 7, 8, 31, 32, 33, 64, 70):
        for k in (1, 3, 4, 17):
            check_product(kind, rows, m, k)


def check_product(kind: str, rows: int, m: int, k: int) -> None:
    rng = np.random.default_rng(rows * 1000 + m * 10 + k)
    Z, W, out = (rng.normal(size=shape).astype(kind) for shape in ((rows, k), (m, k), (rows, m)))
    expected = out.astype(np.float64) + Z.astype(np.float64) @ W.astype(np.float64).T
    guarded = np.full(out.size + 64, 7.0, dtype=kind)  # nothing past the end is touched
    guarded[: out.size] = out.ravel()
    width = panel_width(np.dtype(kind))
    scratch = np.full((rows, width), np.nan, dtype=kind)
    product(Z, packed(W, width), scratch, guarded[: out.size].reshape(rows, m))
    tolerance = 8 * k * np.finfo(kind).eps
    np.testing.assert_allclose(guarded[: out.size].reshape(rows, m), expected, rtol=tolerance, atol=tolerance)
    assert (guarded[out.size :] == 7.0).all()


def test_packed_weights_hold_the_matrix_and_zeros() -> None:
    W = np.arange(70.0 * 3).reshape(70, 3) + 1
    panels, k, width = (panels_of_W := packed(W, 16)).shape
    assert (panels, k, width) == (5, 3, 16)
    flat = panels_of_W.swapaxes(1, 2).reshape(-1, 3)
    np.testing.assert_array_equal(flat[:70], W)
    assert not flat[70:].any()


@njit
def to_vector(flat, columns, rows):
    width = rows.shape[1]
    add_to_vector((address(flat), columns[0], columns[1], width), address(rows), 0, width, 2 * width)


@pytest.mark.parametrize("d", [1, 3, 5, 8, 10, 16, 31, 100])
@pytest.mark.parametrize("kinds", ["dense dense", "diagonal dense", "dense diagonal", "none dense", "dense none"])
def test_the_pair_multiplies_like_the_matrices_it_was_made_from(d: int, kinds: str) -> None:
    rng = np.random.default_rng(d)
    makers: dict[str, Any] = {
        "dense": lambda: rng.normal(size=(d, d)),
        "diagonal": lambda: np.diag(rng.normal(size=d)),
        "none": lambda: NONE,
    }
    A, B = (makers[kind]() for kind in kinds.split())
    rows = np.zeros((3, padded(d)))
    rows[:, :d] = rng.normal(size=(3, d))
    expected = rows[2, :d] + sum(M @ v[:d] for M, v in ((A, rows[0]), (B, rows[1])) if M.size)
    flat, *columns = pack_pair(A, B, d)
    to_vector(flat, tuple(columns), rows)
    np.testing.assert_allclose(rows[2, :d], expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())
    assert not rows[2, d:].any()


@pytest.mark.parametrize(("n", "k"), [(1, 1), (2, 4), (3, 7), (10, 20), (13, 6), (64, 65)])
def test_the_product_of_a_block_is_the_matrix_product(n: int, k: int) -> None:
    rng = np.random.default_rng(n)
    W, Z, out = rng.normal(size=(n, k)), rng.normal(size=(k, batch.COLUMNS)), rng.normal(size=(n, batch.COLUMNS))
    expected = out + W @ Z
    batch.add_product(W, Z.reshape(-1), out.reshape(-1))
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)
