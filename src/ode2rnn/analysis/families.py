"""A system with one of its numbers left open: what a bifurcation diagram is drawn over.

Uses: C10, D6.  Systems are those of the other analyses; of a model with a scheme its samples, of which the step dT is a
parameter like any other.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import numpy as np

from ode2rnn.analysis.as_rule import WHAT, rule_at_rest
from ode2rnn.analysis.convergence import tied_model
from ode2rnn.analysis.linear import roots_at as classified_roots
from ode2rnn.analysis.parameters import ITEM, STEP, parameter
from ode2rnn.analysis.rules import Rule
from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.core.arrays import brief, check_array, check_choice, check_count, check_shape, is_torch, to_numpy
from ode2rnn.discrete.schemes import discretize
from ode2rnn.gated.continuous import ContinuousLSTM

Build = Callable[[float], Any]
KEPT = 4  # a step of a continuation asks for few values, each many times
INPUT = re.compile(r"x\[(\d+)\]")


@dataclass(frozen=True, eq=False)
class Family:
    """A system for every value of a number.

    Attributes:
        build: the system at a value.
        discrete: whether it is a map.
        inputs: the constant input at a value, or None.
        grid: whether it is known at some values only: a step that must divide a delay.
        half: the same with half the step and the same delays; None of what has no step.
        flow: the equation behind it; itself of an equation, None where there is none.
        handling: in words, what becomes of the delays.
    """

    build: Build
    discrete: bool
    inputs: Callable[[float], np.ndarray | None]
    grid: bool = False
    half: Family | None = None
    flow: Family | None = None
    handling: str = ""
    _rules: dict[float, tuple[Any, Rule, np.ndarray]] = field(default_factory=dict, repr=False)

    def rule(self, p: float) -> tuple[Any, Rule, np.ndarray]:
        """The system at ``p``, its rule at rest, and the drive of the constant input."""
        if p not in self._rules:
            if len(self._rules) == KEPT:
                self._rules.pop(next(iter(self._rules)))
            system = self.build(p)
            rule = rule_at_rest(system)
            self._rules[p] = system, rule, rule.constant(self.inputs(p))
        return self._rules[p]

    def residual(self, s: np.ndarray, p: float) -> np.ndarray:
        """The rate at s (n,), or how far a step takes it."""
        _, rule, u = self.rule(p)
        after = rule.advance(s[None], None, u)[0][0]
        return after - s if self.discrete else after

    def jacobian(self, s: np.ndarray, p: float) -> np.ndarray:
        """Its derivative, (n, n)."""
        _, rule, u = self.rule(p)
        J = rule.jacobian(s[None], u)[0]
        return J - np.eye(len(s)) if self.discrete else J

    def roots(self, s: np.ndarray, p: float) -> np.ndarray:
        """Characteristic roots, eigenvalues or multipliers, the leading one first; the last of many is stable."""
        system, rule, u = self.rule(p)
        return classified_roots(system, rule, s, u)

    def growth(self, roots: np.ndarray) -> np.ndarray:
        """How far each root is beyond the boundary of stability, falling."""
        return np.sort(np.abs(roots) - 1 if self.discrete else roots.real)[::-1]


def family(
    model: Any,
    name: str,
    scheme: str | None = None,
    *,
    dt: float | None = None,
    delay: str = "fixed",
    lag: int = 1,
    alpha: float | None = None,
    x: Any = None,
) -> Family:
    """The family of ``model`` over the number ``name``, as :func:`bifurcation` describes them.

    Raises:
        ValueError: no such number, a dT without a scheme or the reverse.
    """
    if not isinstance(name, str):
        raise ValueError(f"name: expected the name of a number of the system, got {brief(name)}")
    check_choice("delay", delay, ("fixed", "tied"))
    lag = check_count("lag", lag)
    if not isinstance(model, AdditiveModel | ContinuousLSTM):
        if scheme is not None or dt is not None or delay == "tied" or name == STEP:
            raise ValueError(
                "scheme: expected none, nor dt, nor a delay that is tied, of what is no AdditiveModel or ContinuousLSTM"
            )
        build, inputs = _of_system(model, name), _inputs(model, name, x)
        discrete = rule_at_rest(build(0.5)).discrete
        own = Family(build, discrete, inputs)
        return own if discrete else replace(own, flow=own)
    model = model.like(np.zeros(1))
    inputs = _inputs(model, name, x)
    if name == STEP or INPUT.fullmatch(name):
        change: Build = lambda p: model  # noqa: E731
    else:
        change = changed_lstm(model, name) if isinstance(model, ContinuousLSTM) else parameter(model, name)
    if scheme is None:
        if name == STEP or dt is not None or delay == "tied":
            raise ValueError("scheme: expected the name of a scheme, since there is a step, got None")
        own = Family(change, False, inputs)
        return replace(own, flow=own)
    if (name == STEP) == (dt is not None):
        raise ValueError(f"dt: expected the step either here or as the parameter {STEP!r}, got {brief(dt)}")
    step: Callable[[float], float] = (lambda p: p) if name == STEP else (lambda p: float(dt))  # type: ignore[arg-type]

    def equation(p: float) -> Any:
        own = change(p)
        if delay == "fixed":
            return own
        if isinstance(own, ContinuousLSTM):
            return replace(own, tau=lag * step(p))
        return tied_model(own, lag * step(p))

    def sampled(parts: int) -> Build:
        return lambda p: discretize(equation(p), step(p) / parts, scheme, alpha)

    grid = delay == "fixed" and bool(model.delays) and (name == STEP or name.startswith("tau"))
    handling = f"tau = {'' if lag == 1 else f'{lag} '}dT, kept when dT is halved" if delay == "tied" else "delays fixed"
    flow = Family(equation, False, inputs)
    half = Family(sampled(2), True, inputs, grid)
    return Family(sampled(1), True, inputs, grid, half, flow, handling)


def _inputs(model: Any, name: str, x: Any) -> Callable[[float], np.ndarray | None]:
    held = None if x is None else to_numpy(check_array("x", x))
    entry = INPUT.fullmatch(name)
    if entry is None:
        return lambda p: held
    width = getattr(model, "input_width", getattr(model, "input_size", None))
    k = int(entry[1])
    if width is None or k >= width:
        raise ValueError(f"name: expected an input that the system has, got {name!r} of {width or 0}")
    start = np.zeros(width) if held is None else check_shape("x", held, (width,))

    def changed(p: float) -> np.ndarray:
        after = start.copy()
        after[k] = p
        return after

    return changed


def _of_system(model: Any, name: str) -> Build:
    """The function that takes a value to the system: a layer, a cell, or whatever a function makes of the value."""
    torch = sys.modules.get("torch")
    if INPUT.fullmatch(name):
        return lambda p: model
    if torch is not None and isinstance(model, torch.nn.Module):
        from ode2rnn.analysis.layer_families import changed_layer

        return changed_layer(model, name)
    if is_dataclass(model) and not isinstance(model, type):
        return _changed_cell(model, name)
    if callable(model) and not isinstance(model, type):
        return model
    raise ValueError(f"model: expected {WHAT}, or a function that makes one of a value, got {brief(model)}")


def changed_lstm(model: ContinuousLSTM, name: str) -> Build:
    """The function that takes a value to the model in which "tau", "gain" or an entry of its cell has it."""
    if name == "tau":
        return lambda p: replace(model, tau=p)
    build = _changed_cell(model.cell, name)
    return lambda p: replace(model, cell=build(p))


def _changed_cell(cell: Any, name: str) -> Build:
    held = {f.name: getattr(cell, f.name) for f in fields(cell) if f.init}
    if name == "gain":
        back = [key for key in held if key == "W_r" or key.startswith("W_v")]
        if not back:
            raise ValueError(f"name: expected the name of an entry, since {type(cell).__name__} has no gain")

        def scaled(p: float) -> Any:
            values = {key: held[key] for key in back}
            by_lag = {
                key: {k: p * to_numpy(W) for k, W in v.items()} for key, v in values.items() if hasattr(v, "items")
            }
            plain = {key: p * to_numpy(v) for key, v in values.items() if key not in by_lag and v is not None}
            return replace(cell, **by_lag, **plain)

        return scaled
    entry = ITEM.fullmatch(name)
    if entry is None or not (isinstance(held.get(entry[1]), np.ndarray) or is_torch(held.get(entry[1]))):
        raise ValueError(f"name: expected 'gain', 'x[k]' or an entry as in 'W_r[0, 1]', got {name!r}")
    place = tuple(int(i) for i in entry.groups()[1:] if i is not None)

    def changed(p: float) -> Any:
        array = to_numpy(held[entry[1]]).copy()
        array[place] = p
        return replace(cell, **{entry[1]: array})

    try:
        changed(0.5)
    except IndexError as error:
        raise ValueError(f"name: expected indices that {entry[1]} has, got {name!r} ({error})") from None
    return changed
