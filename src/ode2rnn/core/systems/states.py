"""States of systems as trees: nested tuples of arrays, and records of weights as dataclasses of arrays."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np

from ode2rnn.core.arrays import Array, concatenate, is_torch, to_numpy

Record = TypeVar("Record")


def is_array(value: object) -> bool:
    """Whether ``value`` is a NumPy array or a tensor."""
    return isinstance(value, np.ndarray) or is_torch(value)


def arrays_of(state: object) -> list[Array]:
    """The arrays of a state, an array or nested tuples of arrays, in their order; what is None is passed over.

    Example:
        >>> arrays_of((np.zeros(2), (np.ones(1), None)))
        [array([0., 0.]), array([1.])]
    """
    if isinstance(state, tuple):
        return [array for part in state for array in arrays_of(part)]
    return [state] if is_array(state) else []


def mapped(function: Callable[..., Array], state: Record, *others: Record) -> Record:
    """A state of the same form, each of its arrays from the arrays of the given ones; None stays None."""
    tree: Any = state
    if isinstance(tree, tuple):
        nodes: Any = others
        return _like_tuple(tree, [mapped(function, *same) for same in zip(tree, *nodes, strict=True)])
    return function(tree, *others) if is_array(tree) else tree


def rebuilt(state: Record, arrays: Iterator[Array]) -> Record:
    """A state of the form of ``state`` with these arrays in place of its own."""
    return mapped(lambda old: next(arrays), state)


def joined(state: object) -> Array:
    """The arrays of a state side by side, (..., n), with the batch axes of all."""
    arrays = arrays_of(state)
    if len(arrays) == 1:
        return arrays[0]
    batch = np.broadcast_shapes(*(tuple(a.shape[:-1]) for a in arrays))
    if any(tuple(a.shape[:-1]) != batch for a in arrays):
        arrays = [
            a.expand((*batch, a.shape[-1])) if is_torch(a) else np.broadcast_to(a, (*batch, a.shape[-1]))
            for a in arrays
        ]
    return concatenate(arrays, axis=-1)


def added(state: Record, other: Record) -> Record:
    """The sum of two states of one form, or of two cotangents, where None stands for zero."""
    one: Any = state
    two: Any = other
    if one is None or two is None:
        return two if one is None else one
    if isinstance(one, tuple):
        return _like_tuple(one, [added(a, b) for a, b in zip(one, two, strict=True)])
    return one + two if is_array(one) else one


def _like_tuple(tree: Any, parts: list[object]) -> Any:
    """A tuple of the type of ``tree``, named or not, with these parts."""
    return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)


def weights_of(cell: object, prefix: str = "") -> dict[str, Array]:
    """The arrays that a cell is made of, by name: its fields, by lag "W_s[2]", of a part of its own "g_cs.W_x".

    Raises:
        ValueError: no dataclass.
    """
    if not is_dataclass(cell) or isinstance(cell, type):
        raise ValueError(
            "cell: expected a dataclass whose fields are its weights, or `weights` and `with_weights` of its own, got"
            f" {type(cell).__name__}"
        )
    found: dict[str, Array] = {}
    for field in fields(cell):
        value, name = getattr(cell, field.name), prefix + field.name
        if is_array(value):
            found[name] = value
        elif isinstance(value, Mapping):
            found |= {f"{name}[{key}]": part for key, part in value.items() if is_array(part)}
        elif is_dataclass(value) and not isinstance(value, type) and not callable(getattr(value, "value", None)):
            found |= weights_of(value, f"{name}.")
    return found


def with_weights(cell: Record, values: Mapping[str, Array]) -> Record:
    """A copy of the cell with these arrays, named as by :func:`weights_of`; unchecked: gradients are one."""
    twin = copy.copy(cell)
    # what was derived from the old arrays and kept must not outlive them
    own = {field.name for field in fields(cell)}  # type: ignore[arg-type]
    vars(twin).clear()
    vars(twin).update({name: value for name, value in vars(cell).items() if name in own})
    for field in fields(cell):  # type: ignore[arg-type]
        value, name = getattr(cell, field.name), field.name
        new: Any = values.get(name, value)
        if isinstance(value, Mapping):
            new = {key: values.get(f"{name}[{key}]", part) for key, part in value.items()}
        elif is_dataclass(value) and not isinstance(value, type) and not is_array(value):
            inner = {k.removeprefix(f"{name}."): v for k, v in values.items() if k.startswith(f"{name}.")}
            new = with_weights(value, inner) if inner else value
        vars(twin)[name] = new
    return twin


def plain(cell: Record) -> Record:
    """The cell with its arrays in NumPy, float64."""
    weights = weights_of(cell)
    if not any(is_torch(value) for value in weights.values()):
        return cell
    return with_weights(cell, {name: to_numpy(value).copy() for name, value in weights.items()})


def as_tensor(value: Array) -> Array:
    """``value`` as a tensor, with its gradient where it is one; NumPy as float64."""
    if is_torch(value):
        return value
    import torch

    return torch.as_tensor(np.array(value, dtype=np.float64))
