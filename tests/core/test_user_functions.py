"""What a user may hand to Flow and Map: a function of its arguments alone, of real numbers; all else is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from ode2rnn import Flow, Map, integrate

calls = [0]
kept = np.zeros(2)


def counting(t: Any, s: Any) -> Any:
    calls[0] += 1
    return -s + calls[0]


def in_place(t: Any, s: Any) -> Any:
    s *= -1
    return s


def late_in_place(t: Any, s: Any, x: Any, past: Any) -> Any:
    past[0][...] = 0
    return -s


def one_buffer(t: Any, s: Any) -> Any:
    kept[0], kept[1] = s[1], -s[0]
    return kept


REFUSED: dict[str, tuple[Callable[..., Any], dict[str, Any], str]] = {
    "nothing back": (lambda t, s: None, {}, "f: expected real numbers back, got NoneType"),
    "complex": (lambda t, s: -1j * s, {}, "f: expected real numbers back"),
    "masked": (lambda t, s: np.ma.masked_array(s, mask=True), {}, r"f: expected real numbers back.*masked"),
    "text": (lambda t, s: "abc", {}, "f: expected real numbers back, got str"),
    "another width": (lambda t, s: np.zeros(3), {}, r"f: expected values of shape \(2,\), got \(3,\)"),
    "raises": (lambda t, s: 1 / 0, {}, "f: expected a function of arrays, but it raised ZeroDivisionError"),
    "counts its calls": (counting, {}, "f: expected a function of its arguments alone"),
    "changes the state": (in_place, {}, "f: expected a function that leaves its arguments as they are"),
    "changes the past": (late_in_place, {"delays": [1.0]}, "f: expected a function that leaves its arguments"),
    "one buffer": (one_buffer, {}, "f: expected a new array from every call"),
    "no such parameter": (lambda t, s: -s, {"parameters": {"k": 1.0}}, "but it raised TypeError"),
    "a parameter twice": (lambda t, s: -s, {"parameters": {"s": 1.0}}, "but it raised TypeError"),
    "a parameter dT": (lambda t, s, *, dT: -s, {"parameters": {"dT": 1.0}}, "expected another name than 'dT'"),
    "no name": (lambda t, s, **p: -s, {"parameters": {"a b": 1.0}}, "parameters: expected names, got str 'a b'"),
    "delay 0": (lambda t, s, x, past: -s, {"delays": [0.0]}, r"delays\[0\]: expected a number > 0"),
    "equal delays": (lambda t, s, x, past: -s, {"delays": [1, 1.0]}, "delays: expected distinct delays"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_flow_of_anything_else_is_refused(name: str) -> None:
    f, given, says = REFUSED[name]
    with pytest.raises(ValueError, match=says):
        Flow(f, 2, **given)


JACOBIANS: dict[str, tuple[Callable[..., Any], str]] = {
    "another shape": (lambda *a: np.eye(3), r"jacobian: expected shape \(\.\.\., 2, 2\), got \(3, 3\)"),
    "a vector": (lambda *a: -np.ones(2), r"jacobian: expected shape \(\.\.\., 2, 2\), got \(2,\)"),
    "nothing": (lambda *a: None, r"jacobian: expected shape"),
    "raises": (lambda *a: 1 / 0, "jacobian: expected a function of the same arguments, but it raised"),
    "another sign": (lambda *a: np.eye(2), r"jacobian: expected d[fF]/ds, \(\.\.\., 2, 2\)"),
}


@pytest.mark.parametrize("name", JACOBIANS)
def test_a_jacobian_that_is_none_is_refused(name: str) -> None:
    jacobian, says = JACOBIANS[name]
    with pytest.raises(ValueError, match=says):
        Flow(lambda t, s: -s, 2, jacobian=jacobian)
    with pytest.raises(ValueError, match=says):
        Map(lambda s: -s, 2, jacobian=jacobian)


def test_the_jacobian_of_the_past_is_checked_as_well() -> None:
    def rate(t: Any, s: Any, x: Any, past: Any) -> Any:
        return -s + 2 * past[0]

    Flow(rate, 1, delays=[1.0], jacobian=lambda *a: [-np.eye(1), 2 * np.eye(1)])
    with pytest.raises(ValueError, match=r"jacobian: expected df/ds\(t - 1\), .* give \[2\.\], \.\., it gave \[5\.\]"):
        Flow(rate, 1, delays=[1.0], jacobian=lambda *a: [-np.eye(1), 5 * np.eye(1)])


KINDS: dict[str, Callable[..., Any]] = {
    "list": lambda t, s: [-s[0]],
    "whole numbers and floats": lambda t, s: [-s[0] + 0],
    "float32": lambda t, s: np.float32(-1) * s,
    "tensor": lambda t, s: -torch.as_tensor(s),
    "number": lambda t, s: -float(s[0]),
}


@pytest.mark.parametrize("name", KINDS)
def test_values_of_every_kind_are_numbers(name: str) -> None:
    found = integrate(Flow(KINDS[name], 1), t=[0.0, 1.0], history=1.0, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.s[-1], np.exp(-1), atol=1e-8)


def test_a_function_that_is_not_defined_where_it_is_tried_is_taken_where_it_is() -> None:
    flow = Flow(lambda t, s: -np.log(s - 5), 1)  # s - 5 goes to 1
    np.testing.assert_allclose(integrate(flow, t=[0.0, 30.0], history=7.0).s[-1], 6.0, atol=1e-5)
