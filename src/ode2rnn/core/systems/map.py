"""A map of the user's own as a system: a function of the state, or a torch module of an input and a state.

Uses: D5.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ode2rnn.core.arrays import Array, as_like, brief, check_count, check_positive, is_torch, to_numpy
from ode2rnn.core.systems.functions import (
    ROWS,
    UserFunction,
    check_derivative,
    check_parameters,
    checked_call,
    flat_matrix,
)
from ode2rnn.core.systems.parameters import entry
from ode2rnn.core.systems.system import System
from ode2rnn.core.systems.tangents import pushed

if TYPE_CHECKING:
    import torch


class MapState(NamedTuple):
    """What a map remembers: s[n], (..., d)."""

    s: Array


class Map(System[MapState]):
    """s[n] = F(s[n-1], x[n]), a recursion of the user's own.

    It goes wherever a cell goes: `run`, `bptt`, `analysis`.

    Args:
        F: F(s), or F(s, x) with an input; arrays (..., width), NumPy or torch; a function of one state alone is called
            once a state. Parameters come by keyword: F(s, *, gain).
        width: number of states d.
        input_width: number of inputs m.
        dt: length of a tick, in the caller's unit of time.
        parameters: numbers by name, which an analysis can vary and `bptt` differentiates by.
        jacobian: dF/ds (..., d, d), of the arguments of F. By default torch's derivative of tensors, central
            differences of order 4 of arrays.

    Raises:
        ValueError: no such function, one that does not return (..., width), dt <= 0.

    Example:
        >>> from ode2rnn import run
        >>> logistic = Map(lambda s, *, r: r * s * (1 - s), width=1, parameters={"r": 2.0})
        >>> run(logistic, 3, s0=0.25).s.ravel()
        array([0.375     , 0.46875   , 0.49804688])
    """

    def __init__(
        self,
        F: Callable[..., Any],
        width: int,
        *,
        input_width: int = 0,
        dt: float = 1.0,
        parameters: Mapping[str, float] | None = None,
        jacobian: Callable[..., Any] | None = None,
    ) -> None:
        self.width, self.input_width = check_count("width", width), check_count("input_width", input_width, 0)
        self.dt, self.parameters = check_positive("dt", dt), check_parameters(parameters)
        self.module: torch.nn.Module | None = None
        self._F = UserFunction("F", F, self.width, self.parameters)
        self._F.probe(lambda own, rows: self._called(own, rows, None), self.width)
        if jacobian is not None and not callable(jacobian):
            raise ValueError(f"jacobian: expected a function, got {brief(jacobian)}")
        self.jacobian = jacobian
        if jacobian is not None:
            self._check_jacobian()

    @classmethod
    def from_module(cls, module: torch.nn.Module, dt: float = 1.0) -> Map:
        """The map of a torch module (x, h) -> h, such as torch.nn.RNNCell, GRUCell or a network in continuous time.

        It works on a copy in double precision. Its widths are the module's ``input_size`` and ``hidden_size``.

        Raises:
            ValueError: no module, one that does not say its sizes, or whose result is no (batch, hidden_size).

        Example:
            >>> import torch
            >>> cell = Map.from_module(torch.nn.RNNCell(2, 3))
            >>> cell.width, cell.input_width
            (3, 2)
        """
        import torch

        if not isinstance(module, torch.nn.Module):
            raise ValueError(f"module: expected a torch module (x, h) -> h, got {brief(module)}")
        sizes = [getattr(module, name, None) for name in ("input_size", "hidden_size")]
        if not all(isinstance(size, int) for size in sizes):
            raise ValueError(
                f"module: expected one with whole numbers input_size and hidden_size, got {type(module).__name__}; say"
                " Map(F, width, input_width=m)"
            )
        own = copy.deepcopy(module).double().eval()
        m, d = int(sizes[0] or 0), int(sizes[1] or 0)

        def F(s: torch.Tensor, x: torch.Tensor | None = None) -> torch.Tensor:
            batch = tuple(s.shape[:-1])
            inputs = (s.new_zeros(m) if x is None else x).expand((*batch, m))
            after = own(inputs.reshape(-1, m), s.reshape(-1, d))
            if not is_torch(after) or tuple(after.shape) != (s.numel() // d, d):
                raise ValueError(f"module: expected a result of shape (batch, {d}), got {brief(after)}")
            return after.reshape((*batch, d))

        found = cls(F, d, input_width=m, dt=dt)
        found.module = own
        return found

    def __repr__(self) -> str:
        return f"Map(width={self.width}, input_width={self.input_width}, dt={self.dt:g}, parameters={self.parameters})"

    @property
    def like(self) -> Array:
        """An array of the map's kind: a tensor where it is a module's, or a parameter is one."""
        tensor: Array | None = next((p for p in self.parameters.values() if is_torch(p)), None)
        if self.module is not None:
            tensor = next(self.module.parameters(), tensor)
        return np.zeros(self.width) if tensor is None else as_like(np.zeros(self.width), tensor)

    def init(self, s0: Array) -> MapState:
        """The state s[-1] = s0."""
        return MapState(s0)

    def step(self, state: MapState, x: Array | None) -> MapState:
        """F of the state, with the input x (..., m)."""
        return MapState(self._called(self._F, state.s, x))

    def readout(self, state: MapState) -> tuple[Array, Array]:
        """s[n] twice: a map shows its state."""
        return state.s, state.s

    def readout_vjp(self, state: MapState, s_bar: Array | None, r_bar: Array) -> MapState:
        """The cotangent of the state."""
        return MapState(r_bar if s_bar is None else r_bar + s_bar)

    def readout_jvp(self, state: MapState, d_state: MapState) -> tuple[Array, Array]:
        """The tangents of what is shown."""
        return d_state.s, d_state.s

    def step_jvp(self, state: MapState, x: Array | None, d_state: MapState, d_x: Array | None = None) -> MapState:
        """The tangent of F, by its Jacobian where that is given."""
        if self.jacobian is None or d_x is not None:
            return super().step_jvp(state, x, d_state, d_x)
        return MapState((self._matrix(state.s, x) @ d_state.s[..., None])[..., 0])

    def step_vjp(self, state: MapState, x: Array | None, bar: MapState) -> tuple[MapState, Array | None, Map]:
        """The cotangent of F: of the state, the input, and the parameters as a Map that has these for numbers."""
        if is_torch(self.like) or is_torch(state.s):
            return super().step_vjp(state, x, bar)
        x = None if x is None else np.broadcast_to(x, (*state.s.shape[:-1], self.input_width))
        # a state has many directions: these stand in an axis of their own before the last
        s_wide, x_wide = state.s[..., None, :], None if x is None else x[..., None, :]
        if self.jacobian is None:
            matrix = _columns(state.s, lambda s: self._called(self._F, s, x_wide))
        else:
            matrix = to_numpy(self._matrix(state.s, x))
        s_bar, x_bar = (bar.s[..., None, :] @ matrix)[..., 0, :], None
        if x is not None:
            x_bar = (bar.s[..., None, :] @ _columns(x, lambda v: self._called(self._F, s_wide, v)))[..., 0, :]
        values = {}
        for name, value in self.parameters.items():
            along = pushed(
                lambda p, name=name: [self.with_weights({name: float(p[0])}).step(state, x).s],
                [np.array([float(value)])],
                [np.ones(1)],
            )[0]
            values[name] = np.array(float((bar.s * along).sum()))
        return MapState(s_bar), x_bar, self.with_weights(values)

    def weights(self) -> dict[str, Array]:
        """The parameters by name; of a module its own."""
        if self.module is not None:
            return dict(self.module.named_parameters())
        return {name: value if is_torch(value) else np.array(value) for name, value in self.parameters.items()}

    def with_weights(self, values: Mapping[str, Any]) -> Map:
        """The map with these parameters; of a module a copy of it."""
        twin = copy.copy(self)
        if self.module is not None:
            return _with_module(twin, self.module, values)
        twin.parameters = {name: values.get(name, old) for name, old in self.parameters.items()}
        twin._F = self._F.of({n: v if is_torch(v) else float(v) for n, v in twin.parameters.items()})
        return twin

    def plain(self) -> Map:
        """Itself: F takes arrays of either kind."""
        return self

    def parameter(self, name: str) -> Callable[[float], Map]:
        """The function that takes a value to the map whose parameter, or entry of a module's weight, has it."""
        if name in self.parameters:
            return lambda p: self.with_weights({name: p})
        if self.module is None:
            known = ", ".join(self.parameters) or "no parameter"
            raise ValueError(f"name: expected one of {known} or 'x[k]', got {name!r}")
        held = {key: to_numpy(value) for key, value in self.weights().items()}
        key, place = entry(name, held)

        def changed(p: float) -> Map:
            array = held[key].copy()
            array[place] = p
            return self.with_weights({key: array})

        return changed

    def _called(self, function: UserFunction, s: Array, x: Array | None) -> Array:
        if self.input_width and x is None:
            x = as_like(np.zeros(self.input_width), s)
        arrays: list[Array] = [s, x] if self.input_width else [s]
        return function((), tuple(arrays), np.broadcast_shapes(*(tuple(a.shape[:-1]) for a in arrays)))

    def _matrix(self, s: Array, x: Array | None) -> Array:
        d = self.width

        def flat(*arguments: Any, **parameters: float) -> Any:
            return flat_matrix("jacobian", self.jacobian(*arguments, **parameters), d)  # type: ignore[misc]

        own = UserFunction("jacobian", flat, d * d, self._F.parameters)
        own.batched, own.dtype = self._F.batched, self._F.dtype
        values = self._called(own, s, x)
        return values.reshape((*values.shape[:-1], d, d))

    def _check_jacobian(self) -> None:
        """Refuse a Jacobian that is not the derivative of F."""
        for s in np.resize(ROWS, (3, self.width)):
            numbers = pushed(lambda v: [self._called(self._F, v, None)], [s[None]], [np.eye(self.width)])[0].T
            given = to_numpy(checked_call("jacobian", partial(self._matrix, s, None)))
            check_derivative("jacobian", "dF/ds", given, numbers)


def _with_module(twin: Map, module: torch.nn.Module, values: Mapping[str, Any]) -> Map:
    """The map of the module with these weights, as tensors with their gradients."""
    import torch

    given = dict(module.named_parameters())
    new = {name: as_like(values.get(name, old), old) for name, old in given.items()}
    function = twin._F.function

    def F(s: torch.Tensor, x: torch.Tensor | None = None) -> torch.Tensor:
        with torch.nn.utils.stateless._reparametrize_module(module, new):
            return function(s, x)

    twin._F = copy.copy(twin._F)
    twin._F.function = F
    twin.weights = lambda: new  # type: ignore[method-assign]
    return twin


def _columns(v: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The derivative (..., d, n) of a function of (..., 1, n) at v (..., n)."""
    along = np.broadcast_to(np.eye(v.shape[-1]), (*v.shape, v.shape[-1]))
    return pushed(lambda a: [function(a)], [v[..., None, :]], [along])[0].swapaxes(-1, -2)
