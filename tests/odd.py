"""Odd values for any argument, and the promise about them: a good object, or a ValueError that names the argument."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ode2rnn import Circulant, ContinuousRNN, signals

tries = settings(
    max_examples=400, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


class Evil:
    """An object that fails whatever is asked of it."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise RuntimeError("no array")

    def __iter__(self) -> Any:
        raise RuntimeError("no iteration")

    def __len__(self) -> int:
        raise RuntimeError("no length")

    def __bool__(self) -> bool:
        raise RuntimeError("no truth")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no equality")

    __hash__ = None  # type: ignore[assignment]


class Nameless(Evil):
    """One that cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def _endless() -> list[Any]:
    endless: list[Any] = []
    endless.append(endless)
    return endless


def _fails(*_: Any) -> Any:
    raise KeyError("inside")


NUMBERS: st.SearchStrategy[Any] = st.one_of(
    st.floats(),
    st.floats(-3, 3),
    st.integers(-3, 5),
    st.sampled_from([10**400, -(10**400), 2**63, 1e308, -1e308, 5e-324, math.nan, math.inf, -0.0, True, False]),
    st.sampled_from([np.float32(1e30), np.int8(3), np.float16(2.0), np.bool_(True), np.longdouble(2.0)]),
)
WORDS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.text(max_size=6),
    st.binary(max_size=4),
    st.complex_numbers(),
    st.sampled_from(["tanh", "Tanh", "relu", "next", "previous", "x" * 9999, np.str_("tanh"), np.datetime64("2020")]),
)
DTYPES = st.sampled_from([np.float64, np.float32, np.int64, np.uint8, np.bool_, np.complex128, object, "U3", "M8[s]"])
ARRAYS: st.SearchStrategy[Any] = DTYPES.flatmap(
    lambda dtype: hnp.arrays(
        dtype,
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3),
        elements=NUMBERS if dtype is object else None,
    )
)
FINITE: st.SearchStrategy[Any] = hnp.arrays(
    np.float64, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4), elements=st.floats(-3, 3)
)
TENSORS: st.SearchStrategy[Any] = st.builds(
    lambda array, dtype, grad: torch.tensor(array).to(dtype).requires_grad_(grad and dtype.is_floating_point),
    FINITE,
    st.sampled_from([torch.float64, torch.float32, torch.float16, torch.int64, torch.bool, torch.complex64]),
    st.booleans(),
)
OBJECTS: st.SearchStrategy[Any] = st.sampled_from(
    [
        Evil(),
        _endless(),
        object(),
        {},
        {"t": 1.0},
        {1.0, 2.0},
        ...,
        NotImplemented,
        int,
        math.sin,
        np.tanh,
        _fails,
        lambda: 1.0,
        lambda t: None,
        lambda t: "1",
        range(3),
        slice(2),
        np.ma.masked_array([1.0, 2.0], mask=[True, False]),
        torch.eye(2).to_sparse(),
        torch.tensor([math.nan]),
        torch.zeros(0),
        torch.nn.Parameter(torch.eye(2)),
        signals.Constant(1.0),
        signals.Held([0.0, 1.0], [1.0, 2.0]),
        Circulant([1.0, 2.0]),
        ContinuousRNN(-1.0, 0.5, None, None),
    ]
)
NESTED: st.SearchStrategy[Any] = st.recursive(
    st.one_of(NUMBERS, NUMBERS, WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=8,
)
ODD: st.SearchStrategy[Any] = st.one_of(NUMBERS, WORDS, ARRAYS, FINITE, TENSORS, OBJECTS, NESTED)


@st.composite
def spoiled(draw: Callable[[st.SearchStrategy[Any]], Any], good: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments ``good`` with one to three of them odd."""
    count = draw(st.sampled_from([1, 1, 1, 2, 3]))
    names = draw(st.lists(st.sampled_from(sorted(good)), min_size=1, max_size=count, unique=True))
    return good | {name: draw(ODD) for name in names}


def refused_or_built(make: Callable[..., Any], given: dict[str, Any], names: str = "") -> Any:
    """What ``make`` builds, or None where it refuses by the name of an argument (or one of ``names``)."""
    known = "|".join([*map(re.escape, given), *filter(None, [names])])
    try:
        return make(**given)
    except ValueError as error:
        message = str(error)
        assert re.match(rf"({known})(\[\d+\])?( delay)?(, \w+)*: ", message), message
        assert len(message) < 700, message
        assert "\n" not in message, message
        return None


def is_finite(array: Any) -> bool:
    """Whether an array or tensor holds finite floats only."""
    if torch.is_tensor(array):
        return array.is_floating_point() and bool(torch.isfinite(array).all())
    return isinstance(array, np.ndarray) and array.dtype == np.float64 and bool(np.isfinite(array).all())
