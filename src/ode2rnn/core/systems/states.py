"""States of systems as trees: nested tuples of arrays, and records of weights as dataclasses of arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np

from ode2rnn.core.arrays import Array, broadcast_to, concatenate, is_torch, stack, to_numpy

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


def stacked(trees: list[Record], batch: tuple[int, ...]) -> Record | None:
    """States of N ticks as one of arrays (N, *batch, n); None of states that are not of arrays (*batch, n) alone."""
    first: Any = trees[0]
    if isinstance(first, tuple):
        each: Any = trees
        if any(len(tree) != len(first) for tree in each):
            return None  # a past that grows
        parts = [stacked([*same], batch) for same in zip(*each, strict=True)]
        return None if any(part is None for part in parts) else _like_tuple(first, parts)
    arrays: Any = trees
    if not all(is_array(array) and array.ndim <= len(batch) + 1 for array in arrays):
        return None
    return stack([broadcast_to(array, (*batch, array.shape[-1])) for array in arrays])


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
    for own in _names(type(cell)):
        value, name = getattr(cell, own), prefix + own
        if is_array(value):
            found[name] = value
        elif isinstance(value, Mapping):
            found |= {f"{name}[{key}]": part for key, part in value.items() if is_array(part)}
        elif is_dataclass(value) and not isinstance(value, type) and not callable(getattr(value, "value", None)):
            found |= weights_of(value, f"{name}.")
    return found


@functools.cache
def _names(kind: Hashable) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))  # type: ignore[arg-type]


def with_weights(cell: Record, values: Mapping[str, Array]) -> Record:
    """A copy of the cell with these arrays, named as by :func:`weights_of`; unchecked: gradients are one."""
    # its fields alone: what was derived from the old arrays and kept must not outlive them
    given = {name: getattr(cell, name) for name in _names(type(cell))}  # type: ignore[arg-type]
    twin: Any = object.__new__(type(cell))
    vars(twin).update(given)
    vars(twin).update({name: value for name, value in values.items() if name in given})
    if values.keys() <= given.keys():
        return twin
    # by lag "W_s[2]", or of a part of its own "g_cs.W_x"
    for name, value in given.items():
        if isinstance(value, Mapping):
            vars(twin)[name] = {key: values.get(f"{name}[{key}]", part) for key, part in value.items()}
        elif is_dataclass(value) and not isinstance(value, type) and not is_array(value):
            inner = {k.removeprefix(f"{name}."): v for k, v in values.items() if k.startswith(f"{name}.")}
            vars(twin)[name] = with_weights(value, inner) if inner else value
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
