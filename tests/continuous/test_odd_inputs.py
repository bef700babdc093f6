"""Whatever the constructors of models are given: a valid finite model, or an error that names the argument."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.odd import FINITE, ODD, is_finite, refused_or_built, spoiled, tries

from ode2rnn import AdditiveModel, Circulant, ContinuousRNN

A = -np.eye(2)


def check_model(model: AdditiveModel | None) -> None:
    if model is None:
        return
    assert model.width >= 1
    assert model.phi.shape == (model.width,)
    assert is_finite(model.phi)
    for kind in ("state", "readout", "input"):
        terms = getattr(model, kind)
        for term in terms:
            assert is_finite(term.entries)
            assert torch.is_tensor(term.entries) == torch.is_tensor(model.phi)
            assert term.entries.dtype == model.phi.dtype
            assert term.delay >= 0 or kind == "input"  # an input is known ahead of time
            columns = model.input_width if kind == "input" else model.width
            assert tuple(term.matrix.shape) == (model.width, columns)
        assert len({term.delay for term in terms}) == len(terms)
    assert len(repr(model)) < 1000


@tries
@given(spoiled({"A": A, "B": A, "C": np.ones((2, 1)), "phi": np.ones(2), "tau": 0.5, "activation": "tanh"}))
def test_continuous_rnn(kwargs: dict[str, Any]) -> None:
    check_model(refused_or_built(ContinuousRNN, kwargs))


@tries
@given(spoiled({"A": -1.0, "B": 1.0, "C": None, "phi": None, "tau": 0.0, "activation": "relu"}))
def test_continuous_rnn_of_numbers(kwargs: dict[str, Any]) -> None:
    check_model(refused_or_built(ContinuousRNN, kwargs))


@tries
@given(st.fixed_dictionaries({"A": FINITE, "B": FINITE, "C": FINITE, "phi": FINITE}))
def test_continuous_rnn_of_arrays_of_any_shape(kwargs: dict[str, Any]) -> None:
    check_model(refused_or_built(ContinuousRNN, kwargs))


GOOD = {
    "state": [(A, 0.0)],
    "readout": [(A, 1.0), (A, 2.0)],
    "input": [(A, 0.0)],
    "phi": [1.0, 2.0],
    "activation": "tanh",
}


@tries
@given(spoiled(GOOD))
def test_additive_model(kwargs: dict[str, Any]) -> None:
    check_model(refused_or_built(AdditiveModel, kwargs, names="state, readout, input, phi"))


TERMS = st.lists(st.tuples(st.one_of(st.just(A), FINITE, ODD), st.one_of(st.floats(0, 2), ODD)), max_size=3)


@tries
@given(st.fixed_dictionaries({"state": TERMS, "readout": TERMS, "input": TERMS}))
def test_additive_model_of_odd_terms(kwargs: dict[str, Any]) -> None:
    check_model(refused_or_built(AdditiveModel, kwargs, names="state, readout, input, phi"))


@tries
@given(ODD)
def test_circulant(kernel: Any) -> None:
    circulant = refused_or_built(Circulant, {"kernel": kernel})
    if circulant is not None:
        assert is_finite(circulant.kernel)
        assert np.asarray(circulant).shape == circulant.shape


SIDES = st.lists(st.one_of(st.integers(0, 4), st.sampled_from([-1, 2.5, None, "3"])), max_size=3).map(tuple)


@tries
@given(
    st.one_of(FINITE, ODD), st.one_of(SIDES, st.lists(st.integers(1, 4), max_size=3), st.sampled_from([None, 3, "5"]))
)
def test_circulant_from_stencil(stencil: Any, shape: Any) -> None:
    circulant = refused_or_built(Circulant.from_stencil, {"stencil": stencil, "shape": shape})
    if circulant is not None:
        assert is_finite(circulant.kernel)
        assert tuple(circulant.kernel.shape) == tuple(shape)


def test_a_sparse_tensor_and_a_number_too_large_for_the_others_precision_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^A: expected a dense tensor, got torch.sparse_coo; use A\.to_dense\(\)"):
        ContinuousRNN(torch.eye(2).to_sparse(), A, None, None)
    for name in ("B", "phi"):
        given: dict[str, Any] = {"A": torch.eye(2), "B": A, "C": None, "phi": np.ones(2)}
        given[name] = given[name] * 1e300
        with pytest.raises(ValueError, match=rf"^{name}: expected finite numbers, got an array that holds inf"):
            ContinuousRNN(**given)
