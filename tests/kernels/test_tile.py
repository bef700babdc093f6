"""The products of the recursions, against those of NumPy, for every number of rows and columns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numba import njit

from ode2rnn.kernels.products.tile import CHUNK, add_outer, add_product, panel_width, start_of
from ode2rnn.nn.passes.compiled.simple import pack

KINDS = ("float32", "float64")


@njit
def product(Z, packed, scratch, out):
    add_product(start_of(Z), len(Z), packed, scratch, start_of(out), out.shape[1])


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
    scratch = np.full((rows, panel_width(np.dtype(kind))), np.nan, dtype=kind)
    product(Z, pack(torch.from_numpy(W)).contiguous().numpy(), scratch, guarded[: out.size].reshape(rows, m))
    tolerance = 8 * k * np.finfo(kind).eps
    np.testing.assert_allclose(guarded[: out.size].reshape(rows, m), expected, rtol=tolerance, atol=tolerance)
    assert (guarded[out.size :] == 7.0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 5, CHUNK, CHUNK + 3, 3 * CHUNK])
@pytest.mark.parametrize("d", [1, 6, 16])
def test_a_sum_of_outer_products_is_added(kind: str, n: int, d: int) -> None:
    rng = np.random.default_rng(n + d)
    width = panel_width(np.dtype(kind))
    Z, V, out = (rng.normal(size=shape).astype(kind) for shape in ((n, d), (n, 2 * width), (d, 2 * width)))
    expected = out.astype(np.float64) + Z.astype(np.float64).T @ V.astype(np.float64)
    add_outer(Z, V, width, out)
    tolerance = 8 * n * np.finfo(kind).eps
    np.testing.assert_allclose(out, expected, rtol=tolerance, atol=tolerance)
