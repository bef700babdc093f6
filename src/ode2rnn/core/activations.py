"""Warping functions G of the readout r = G(s), with their slopes and bounds.

Uses: C5.  Source: "The Roots of RNN" (the readout is the warped state).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ode2rnn.core.arrays import Array, check_choice, is_torch


@dataclass(frozen=True)
class Activation:
    """A warping function G, elementwise, with its slope G' and the bound sup |G|.

    Args:
        name: how messages and saved models call it.
        value: G, taking and returning an array of any shape (NumPy, or torch where gradients are wanted).
        slope: the derivative G', likewise.
        bound: sup |G(s)|; infinity (the default) for a function that does not saturate.

    Raises:
        ValueError: a value or slope that cannot be called, changes the shape of its argument or is not
            finite near 0, or a bound that is not positive.

    Example:
        >>> G = Activation("mackey_glass", lambda s: s / (1 + s**10),
        ...                lambda s: (1 - 9 * s**10) / (1 + s**10) ** 2, bound=0.8)
        >>> round(float(G.value(np.array(1.2))), 6)
        0.166858
    """

    name: str
    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    bound: float = math.inf

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"name: expected a non-empty name, got {self.name!r}")
        for field in ("value", "slope"):
            function = getattr(self, field)
            if not callable(function):
                raise ValueError(f"{field}: expected a function of the state, got {function!r}")
            _check_elementwise(field, function)
        bound = self.bound
        if isinstance(bound, bool) or not isinstance(bound, int | float | np.number) or not bound > 0:
            raise ValueError(f"bound: expected a number > 0 (math.inf if unbounded), got {bound!r}")


def _check_elementwise(field: str, function: Callable[[Array], Array]) -> None:
    probe = np.array([[-0.3, 0.4], [0.1, 0.2]])
    try:
        with np.errstate(all="ignore"):
            out = np.asarray(function(probe), dtype=np.float64)
    except Exception as error:
        if "torch" in sys.modules:  # a function written for torch only is fine; it is tried there
            try:
                out = function(sys.modules["torch"].tensor(probe)).detach().numpy()
            except Exception:
                out = None
        else:
            out = None
        if out is None:
            raise ValueError(f"{field}: expected a function of an array, but it raised {error!r}") from None
    if out.shape != probe.shape:
        raise ValueError(f"{field}: expected an array of shape {probe.shape} back, got {out.shape}")


def _by_kind(numpy_function: Callable, torch_name: str) -> Callable[[Array], Array]:
    def function(s: Array) -> Array:
        return getattr(sys.modules["torch"], torch_name)(s) if is_torch(s) else numpy_function(s)

    return function


def _numpy_sigmoid(s: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(0.5 * s)  # never overflows


_tanh = _by_kind(np.tanh, "tanh")
_sigmoid = _by_kind(_numpy_sigmoid, "sigmoid")
_relu = _by_kind(lambda s: np.maximum(s, 0.0), "relu")


def _softplus(s: Array) -> Array:
    if is_torch(s):
        return sys.modules["torch"].logaddexp(s, s * 0.0)
    return np.logaddexp(0.0, s)


def _step(s: Array) -> Array:
    return (s > 0).to(s.dtype) if is_torch(s) else (s > 0).astype(np.float64)


def _sigmoid_slope(s: Array) -> Array:
    g = _sigmoid(s)
    return g * (1.0 - g)


ACTIVATIONS: dict[str, Activation] = {
    a.name: a
    for a in (
        Activation("tanh", _tanh, lambda s: 1.0 - _tanh(s) ** 2, 1.0),
        Activation("sigmoid", _sigmoid, _sigmoid_slope, 1.0),
        Activation("relu", _relu, _step),
        Activation("softplus", _softplus, _sigmoid),
        Activation("identity", lambda s: s, lambda s: 0.0 * s + 1.0),
    )
}


def as_activation(activation: str | Activation) -> Activation:
    """The activation itself, or the registered one of that name.

    Raises:
        ValueError: an unknown name; the message lists the known ones and the nearest.
    """
    if isinstance(activation, Activation):
        return activation
    return ACTIVATIONS[check_choice("activation", activation, ACTIVATIONS)]
