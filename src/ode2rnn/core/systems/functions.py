"""A function of the user's own as a Flow or a Map calls it: probed once, so that each state gets its own value."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, TypeVar

import numpy as np

from ode2rnn.core.arrays import FLOAT, Array, as_like, brief, check_number, is_torch, to_numpy
from ode2rnn.core.systems.tangents import check_gradients

# where a function is tried: inside (0, 1), so that one which is defined for positive states alone is not refused
ROWS = np.random.default_rng(20).uniform(0.1, 0.9, (5, 64))


Result = TypeVar("Result")


class Refused(ValueError):
    """What the function returned has not the shape or kind that it must have."""


class UserFunction:
    """f(*heads, *arrays, **parameters), an array (..., columns) from arrays (..., n) with any batch axes.

    A function that takes one state alone, as one that writes s[0] for its first number, is called once a state. One
    that takes tensors alone, as a torch module, gets tensors.

    Args:
        name: of the argument, for messages.
        function: the function.
        columns: the length of what it returns.
        parameters: what it takes by keyword.

    Raises:
        ValueError: it cannot be called so, or returns no numbers of that shape.
    """

    def __init__(self, name: str, function: Callable[..., Any], columns: int, parameters: Mapping[str, float]) -> None:
        if not callable(function) or isinstance(function, type):
            raise ValueError(f"{name}: expected a function, got {brief(function)}")
        self.name, self.function, self.columns, self.parameters = name, function, columns, dict(parameters)
        self.batched = True
        self.dtype: str | None = None  # of the tensors that it wants, None for NumPy
        self.makes_tensors = False  # of arrays

    def probe(self, call: Callable[[UserFunction, np.ndarray], Any], width: int) -> None:
        """Find out how it is called; ``call(self, rows)`` calls it with states (..., width) made of the rows.

        Raises:
            Refused: values of another shape, or a function that does more than give them.
        """
        rows = np.array(np.resize(ROWS, (5, width)) if width > 64 else ROWS[:, :width])
        failure: Exception | None = None
        kinds = (None, "float64", "float32") if "torch" in sys.modules else (None,)
        for dtype in kinds[1:] if self._of_tensors() else kinds:
            self.dtype = dtype
            try:
                self.batched = False
                with np.errstate(all="ignore"):
                    each = self._each_row(call, rows)
                failure = None
                break
            except Refused:
                raise
            except Exception as error:  # whatever the function itself raises
                failure = failure or error
        if failure is not None:
            kind = "tensors, as gradients of its parameters need" if self._of_tensors() else "arrays"
            raise ValueError(
                f"{self.name}: expected a function of {kind}, but it raised {failure!r:.200} at {rows[0][:4].round(3)}"
            ) from failure
        try:
            self.batched = True
            with np.errstate(all="ignore"):
                together = to_numpy(call(self, rows))
                deep = to_numpy(call(self, rows[None, :, None]))
            self.batched = _same(together, each) and _same(deep[0, :, 0], each)
        except Exception:  # one that takes one state alone fails here, or mixes the rows
            self.batched = False
        if self._of_tensors():
            like = next(value for value in self.parameters.values() if is_torch(value))
            names = [key for key, value in self.parameters.items() if is_torch(value)]

            def valued(row: Array, *given: Array) -> Array:
                return call(self.of({**self.parameters, **dict(zip(names, given, strict=True))}), row)

            shown = ["the state", *(f"the parameter {key!r}" for key in names)]
            check_gradients(
                self, self.name, shown, valued, [as_like(rows[0], like), *(self.parameters[n] for n in names)]
            )

    def of(self, parameters: Mapping[str, float]) -> UserFunction:
        """The same function with these parameters, unchecked."""
        twin = copy.copy(self)
        twin.parameters = dict(parameters)
        return twin

    def _each_row(self, call: Callable[[UserFunction, np.ndarray], Any], rows: np.ndarray) -> np.ndarray:
        """The values of each row; what a function does beside giving them is found out."""
        given = np.array(rows)  # what it writes into is a copy, and its own
        first = call(self, given[0])
        held = to_numpy(first).copy()
        each = np.array([held, *(to_numpy(call(self, row)).copy() for row in given[1:])])
        if not np.array_equal(given, rows):
            raise Refused(
                f"{self.name}: expected a function that leaves its arguments as they are, got one that changes them"
            )
        if not _same(to_numpy(first), held):
            raise Refused(f"{self.name}: expected a new array from every call, got one that a later call changes")
        if not _same(to_numpy(call(self, given[0])), held):
            raise Refused(
                f"{self.name}: expected a function of its arguments alone, got one that gives two values for one"
            )
        return each

    def __call__(self, heads: tuple[Any, ...], arrays: tuple[Any, ...], batch: tuple[int, ...]) -> Array:
        """The values (*batch, columns); ``arrays`` may hold None, and tuples of arrays."""
        tensors = any(is_torch(a) for a in _flat(arrays))
        if self.dtype is not None and not tensors:
            torch = sys.modules["torch"]
            kind = getattr(torch, self.dtype)
            with torch.no_grad():
                moved = _each(lambda a: torch.as_tensor(np.array(a), dtype=kind), arrays)
                return to_numpy(self._values(heads, moved, batch))
        # torch warns of arrays that cannot be written into
        given = _each(np.array, arrays) if self.makes_tensors and not tensors else arrays
        values = self._values(heads, given, batch)
        return values if tensors else to_numpy(values)  # of a function that makes tensors itself

    def _of_tensors(self) -> bool:
        return any(is_torch(value) for value in self.parameters.values())

    def _values(self, heads: tuple[Any, ...], arrays: tuple[Any, ...], batch: tuple[int, ...]) -> Array:
        if self.batched or not batch:
            return self._checked(self.function(*heads, *arrays, **self.parameters), batch)
        full = _each(lambda a: _broadcast(a, batch).reshape((-1, a.shape[-1])), arrays)
        count = int(np.prod(batch))
        rows = [
            self._checked(self.function(*heads, *_each(itemgetter(k), full), **self.parameters), ())
            for k in range(count)
        ]
        values: Any = sys.modules["torch"].stack(rows) if is_torch(rows[0]) else np.stack(rows)
        return values.reshape((*batch, self.columns))

    def _checked(self, value: Any, batch: tuple[int, ...]) -> Array:
        if isinstance(value, list | tuple) and any(is_torch(v) for v in value):
            value = sys.modules["torch"].stack([*value], dim=-1)
        try:
            if isinstance(value, np.ma.MaskedArray):
                raise ValueError("masked entries are no numbers")
            self.makes_tensors = self.makes_tensors or is_torch(value)
            array = value if is_torch(value) else np.asarray(value)
            if array.dtype is not FLOAT and not is_torch(array):
                if array.dtype.kind not in "biuf":
                    raise ValueError("no real numbers")
                array = array.astype(float)
        except (TypeError, ValueError) as error:
            raise Refused(f"{self.name}: expected real numbers back, got {brief(value)} ({error})") from None
        want = (*batch, self.columns)
        if tuple(array.shape) == want:
            return array
        if array.ndim == 0 and want == (1,):
            return array.reshape((1,))
        # a constant part has no batch; what mixes the axes is no value of these states
        if array.ndim < len(want) and tuple(array.shape) == want[len(want) - array.ndim :] and array.ndim:
            return _broadcast(array, batch)
        raise Refused(f"{self.name}: expected values of shape {want}, got {tuple(array.shape)}")


def check_parameters(parameters: Mapping[str, float] | None) -> dict[str, float]:
    """Numbers by name.

    Raises:
        ValueError: no mapping of names to numbers.
    """
    if parameters is not None and not isinstance(parameters, Mapping):
        raise ValueError(f"parameters: expected a dict of numbers by name, got {brief(parameters)}")
    found: dict[str, Any] = {}
    given: Mapping[str, Any] = parameters or {}
    for name, value in given.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"parameters: expected names, got {brief(name)}")
        if name == "dT":
            raise ValueError(
                "parameters: expected another name than 'dT', which is the sampling step of every analysis"
            )
        # a tensor stays one, with its gradient
        found[name] = value if is_torch(value) and value.ndim == 0 else check_number(f"parameters[{name!r}]", value)
    return found


def flat_matrix(name: str, found: object, d: int) -> Array:
    """A Jacobian (..., d, d) that a user's function returned as (..., d d).

    Raises:
        Refused: another shape.
    """
    matrix: Array = found if is_torch(found) else np.asarray(found, dtype=float)
    if matrix.ndim == 0 and d == 1:
        matrix = matrix.reshape((1, 1))
    if tuple(matrix.shape[-2:]) != (d, d):
        raise Refused(f"{name}: expected shape (..., {d}, {d}), got {tuple(matrix.shape)}")
    return matrix.reshape((*matrix.shape[:-2], d * d))


def checked_call(name: str, call: Callable[[], Result]) -> Result:
    """What ``call`` returns.

    Raises:
        ValueError: whatever the user's function of that name raised.
    """
    try:
        return call()
    except Refused:
        raise
    except Exception as error:
        raise ValueError(f"{name}: expected a function of the same arguments, but it raised {error!r:.200}") from error


def check_derivative(name: str, by: str, given: np.ndarray, numbers: np.ndarray) -> None:
    """Refuse a Jacobian (d, d) that differences of the function do not confirm.

    Raises:
        ValueError: they do not.
    """
    if not np.allclose(given, numbers, rtol=1e-4, atol=1e-6, equal_nan=True):
        d = len(numbers)
        raise ValueError(
            f"{name}: expected {by}, (..., {d}, {d}), derivatives of number i by number j at [i, j]; differences of the"
            f" function give {numbers.ravel()[:3].round(4)}, .., it gave {given.ravel()[:3].round(4)}, .."
        )


def _flat(arrays: Any) -> list[Any]:
    return [a for part in arrays for a in (_flat(part) if isinstance(part, tuple | list) else [part])]


def _each(function: Callable[[Any], Any], arrays: Any) -> tuple[Any, ...]:
    return tuple(
        _each(function, a) if isinstance(a, tuple | list) else None if a is None else function(a) for a in arrays
    )


def _broadcast(array: Array, batch: tuple[int, ...]) -> Array:
    shape = (*batch, array.shape[-1])
    return array.expand(shape) if is_torch(array) else np.broadcast_to(array, shape)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-6, atol=1e-9, equal_nan=True)
