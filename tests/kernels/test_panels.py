"""The packed matrices multiply like the matrices they were made from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ode2rnn.kernels.products.packing import pack, padded

NONE = np.zeros((0, 0))


@pytest.mark.parametrize("d", [1, 3, 5, 8, 10, 16, 31, 100])
@pytest.mark.parametrize("kinds", ["dense dense", "diagonal dense", "dense diagonal", "none dense", "dense none"])
@pytest.mark.parametrize("turn", [0, 1])
def test_the_product_is_that_of_the_matrices(d: int, kinds: str, turn: int) -> None:
    from ode2rnn.kernels.products.vector import add_linear

    rng = np.random.default_rng(d)
    makers: dict[str, Any] = {
        "dense": lambda: rng.normal(size=(d, d)),
        "diagonal": lambda: np.diag(rng.normal(size=d)),
        "none": lambda: NONE,
    }
    A, B = (makers[kind]() for kind in kinds.split())
    width = padded(d)
    rows = np.zeros((3, width))
    rows[:, :d] = rng.normal(size=(3, d))
    expected = rows[2, :d] + sum(M @ v[:d] for M, v in ((A, rows[0]), (B, rows[1])) if M.size)
    flat, first, second = pack(A, B, d)
    matrices = (flat.ctypes.data, first, second, width)
    add_linear(matrices, rows.ctypes.data, 0, width, 2 * width, turn)
    np.testing.assert_allclose(rows[2, :d], expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())
    assert not rows[2, d:].any()
