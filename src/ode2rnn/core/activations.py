"""Warping functions G of the readout r = G(s), with their slopes and bounds.

Uses: C5.  Source: "The Roots of RNN" (the readout is the warped state).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ode2rnn.core.arrays import Array, as_like, brief, check_array, check_choice, check_positive, is_torch


@dataclass(frozen=True)
class Activation:
    """A warping function G, elementwise, with its slope G' and the bounds of both.

    Args:
        name: how messages and saved models call it.
        value: G, taking and returning a NumPy array of any shape, and a torch tensor where gradients are wanted.
        slope: the derivative G', likewise.
        bound: sup |G(s)|; infinity (the default) for a function that does not saturate.
        steepest: sup |G'(s)|; infinity (the default) where it is not known.

    Raises:
        ValueError: a value or slope that does not take a NumPy array near 0, or one of small positive numbers, to
            finite numbers of the same shape; a bound, or a steepest slope, that is not positive.

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
    steepest: float = math.inf

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"name: expected a non-empty name, got {brief(self.name)}")
        for field in ("value", "slope"):
            function = getattr(self, field)
            if not callable(function):
                raise ValueError(f"{field}: expected a function of the state, got {brief(function)}")
            _check_elementwise(field, function, PROBE)
        for field in ("bound", "steepest"):
            value = getattr(self, field)
            unbounded = isinstance(value, float) and value == math.inf
            object.__setattr__(self, field, math.inf if unbounded else check_positive(field, value))

    def check_for(self, like: Array) -> None:
        """Refuse an activation that does not work, with gradients, on tensors of the kind of ``like``."""
        probe = as_like(PROBE, like)
        if is_torch(probe):
            probe.requires_grad_()
        for field in ("value", "slope"):
            _check_elementwise(f"activation {self.name!r}, {field}", getattr(self, field), probe)


PROBE = np.array([[-0.3, 0.4, 0.0], [0.1, 0.2, -0.1]])
PROBE.flags.writeable = False  # a function that writes into its argument is found out


def _check_elementwise(name: str, function: Callable[[Array], Array], probe: Array) -> None:
    """Try the function around 0; one that is not defined there may be one of positive states alone."""
    try:
        _check_at(name, function, probe)
    except ValueError as error:
        positive = abs(probe.detach() if is_torch(probe) else probe) + 0.05
        if is_torch(positive):
            positive.requires_grad_()
        else:
            positive.flags.writeable = False
        try:
            _check_at(name, function, positive)
        except ValueError:
            raise ValueError(f"{error} (at states from -0.3 to 0.4; at 0.05 to 0.45 neither)") from error.__cause__


def _check_at(name: str, function: Callable[[Array], Array], probe: Array) -> None:
    kind = type(probe).__name__
    try:
        with np.errstate(all="ignore"):
            out = function(probe)
    except Exception as error:
        raise ValueError(f"{name}: expected a function of a {kind}, but it raised {error!r:.200}") from error
    shape = tuple(check_array(name, out).shape)
    if shape != tuple(probe.shape) or is_torch(out) != is_torch(probe):
        got = f"a {type(out).__name__} of shape {shape}"
        raise ValueError(f"{name}: expected a {kind} of shape {tuple(probe.shape)} back, got {got}")


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
        torch = sys.modules["torch"]
        return torch.logaddexp(s, torch.zeros_like(s))
    return np.logaddexp(0.0, s)


def _step(s: Array) -> Array:
    return (s > 0).to(s.dtype) if is_torch(s) else (s > 0).astype(np.float64)


def _sigmoid_slope(s: Array) -> Array:
    g = _sigmoid(s)
    return g * (1.0 - g)


ACTIVATIONS: dict[str, Activation] = {
    a.name: a
    for a in (
        Activation("tanh", _tanh, lambda s: 1.0 - _tanh(s) ** 2, 1.0, 1.0),
        Activation("sigmoid", _sigmoid, _sigmoid_slope, 1.0, 0.25),
        Activation("relu", _relu, _step, steepest=1.0),
        Activation("softplus", _softplus, _sigmoid, steepest=1.0),
        Activation("identity", lambda s: s, lambda s: 0.0 * s + 1.0, steepest=1.0),
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
