"""A continuous model seen through its own solver, one tick at a time.

Uses: D2, D5, B6.  The state of a delay equation is a segment of its past. With tau = dt and one backward-Euler
substep that segment shrinks to one vector, and `Sampled` is the canonical RNN, to rounding.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.core.arrays import (
    Array,
    as_like,
    brief,
    check_count,
    check_divides,
    check_positive,
    concatenate,
    is_torch,
    to_numpy,
)
from ode2rnn.core.dense import Piecewise
from ode2rnn.core.signals import Constant
from ode2rnn.core.systems import states
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.systems.system import Parts, System
from ode2rnn.core.systems.tangents import pulled, pushed
from ode2rnn.core.systems.variation import Variation
from ode2rnn.core.trajectory import SimulationError
from ode2rnn.discrete.past import History, Past, Tick
from ode2rnn.discrete.schemes import continuous_of, discretize, rule_name, sampled_of
from ode2rnn.solvers.explicit.runge_kutta import TABLEAUS, advance
from ode2rnn.solvers.integrate import integrate
from ode2rnn.solvers.methods import METHODS

NUMPY_ALONE = ("taylor", "RK45", "DOP853", "Radau", "BDF", "LSODA")  # methods without gradients


class Sampled(System[Past]):
    """The differential equation, stepped by its solver from sample to sample: a System for `run`.

    During tick n the input is held at x[n], the convention of D1. Unlike a discretized cell it solves the
    equation itself, so it shows what sampling alone does, at any accuracy.

    Args:
        model: a Flow whose input has no delay, neither back nor ahead, and whose rate depends on time by its input
            alone: an AdditiveModel, or a right-hand side of your own.
        dt: length of a tick, in the model's unit of time.
        method: as `integrate` takes it; "backward_euler" (the default) with tau = dt and one substep is the
            canonical RNN.
        substeps: steps a tick of a fixed-step method.
        rtol, atol: tolerances of an adaptive method.

    Raises:
        ValueError: dt <= 0, a delayed input, a rate that depends on time, substeps < 1.

    Example:
        >>> from ode2rnn import ContinuousRNN, discretize, run
        >>> model = ContinuousRNN(A=-1.0, B=0.5, C=1.0, phi=0.1, tau=0.25)
        >>> x = np.sin(np.arange(20.0))
        >>> sampled, canonical = run(Sampled(model, 0.25), x), run(discretize(model, 0.25), x)
        >>> bool(np.abs(sampled.s - canonical.s).max() <= 1e-15)
        True
    """

    def __init__(
        self,
        model: Flow,
        dt: float,
        method: str = "backward_euler",
        substeps: int = 1,
        rtol: float = 1e-9,
        atol: float = 1e-12,
    ) -> None:
        if not isinstance(model, Flow):
            raise ValueError(f"model: expected an AdditiveModel, ContinuousRNN or another Flow, got {brief(model)}")
        if any(model.input_delays):
            raise ValueError(
                f"model: expected input terms without delay, since a tick knows its own input alone, got delays"
                f" {model.input_delays}; shift the input series instead: x(t - delay) in place of x(t)"
            )
        if model.feedback_width:
            raise ValueError(f"model: expected a flow of s alone, got {brief(model)}; use discretize(model, dt)")
        if model.depends_on_time:
            raise ValueError(
                "model: expected a rate that depends on time by its input alone, since all ticks of a System are alike,"
                " got one that depends on t; give what changes as the input x"
            )
        substeps = check_count("substeps", substeps)
        self.model, self.dt = model, check_positive("dt", dt)
        self.method, self.substeps = method, substeps
        self.adaptive = method not in METHODS or METHODS[method].adaptive
        self._options: dict[str, Any] = {"method": method, "rtol": rtol, "atol": atol}
        if not self.adaptive:
            self._options["dt"] = self.dt / substeps
            for delay in model.delays:
                check_divides(self._options["dt"], delay)
        self._kept = int(np.ceil(max(model.delays, default=0.0) / self.dt - 1e-9))
        self._explicit = method in TABLEAUS and not model.delays

    @property
    def width(self) -> int:  # type: ignore[override]
        """Number of states d."""
        return self.model.width

    @property
    def input_width(self) -> int:  # type: ignore[override]
        """Number of inputs m."""
        return self.model.input_width

    @property
    def parameters(self) -> Mapping[str, float]:  # type: ignore[override]
        """Those of the model."""
        return self.model.parameters

    @property
    def like(self) -> Array:
        """An array of the model's kind."""
        return as_like(np.zeros(self.width), next(iter(self.weights().values()), np.zeros(0)))

    @property
    def State(self) -> type:
        """The type of the states that init and step return."""
        return Past

    def init(self, s0: Array) -> Past:
        """The past that has been s0 for ever."""
        return Past(s0, (), self.dt)

    def step(self, state: Past, x: Array | None) -> Past:
        """The past one tick later, with the input held at ``x`` (..., m).

        Raises:
            SimulationError: the method found no solution; the times of its message begin with the tick.
        """
        signal = None if x is None else Constant(x)
        if self._explicit:
            return Past(self._advanced(self.model, state.state, x), (), self.dt)
        try:
            if not self._kept:  # what comes depends on the state now alone
                ran = integrate(self.model, signal, t=(0.0, self.dt), history=state.state, **self._options)
                return Past(ran.s[-1], (), self.dt)
            past = History(state)
            ran = integrate(self.model, signal, t=(0.0, self.dt), history=past, s0=state.state, **self._options)
        except SimulationError as error:  # a tick begins at t = 0 whichever it is
            raise SimulationError(f"within the tick, {error}") from None
        dense = ran.dense
        assert isinstance(dense, Piecewise)  # every method that takes delays gives one
        return Past(state.first, (*state.ticks, Tick.of(dense))[-self._kept :], self.dt)

    def _advanced(self, model: Flow, s: Array, x: Array | None) -> Array:
        """The state of ``model`` a tick later: what integrate gives, without what it keeps for later times."""
        return advance(lambda s: model.rate(0.0, s, (), x), s, self.dt / self.substeps, self.method, self.substeps)

    def readout(self, state: Past) -> tuple[Array, Array]:
        """s and r = G(s) at the end of the tick."""
        return state.state, self._shown(state.state)

    def _shown(self, s: Array) -> Array:
        model = self.model
        return model.readout(s)

    # -- tangent and cotangent

    def step_jvp(self, state: Past, x: Array | None, d_state: Past, d_x: Array | None = None) -> Past:
        """The tangent of a tick: the variational equation by the same method and step, the method's own derivative.

        With an input that deviates, or by a method of no fixed step, that of System.

        Raises:
            ValueError: a model with delays, whose state is no vector.
        """
        self.parts()
        model = self.model
        if d_x is not None or self.adaptive or self.method == "backward_euler":
            return super().step_jvp(Past(state.state, (), self.dt), x, Past(d_state.state, (), self.dt), d_x)
        s, along = state.state, d_state.state
        shape = np.broadcast_shapes(tuple(s.shape), tuple(along.shape))
        zero = as_like(np.zeros(shape), s)
        signal = None if x is None else Constant(x)
        both = concatenate([s + zero, along + zero], axis=-1)
        if self._explicit:
            return Past(self._advanced(Variation(model), both, x)[..., self.width :], (), self.dt)
        ran = integrate(Variation(model), signal, t=(0.0, self.dt), history=both, **self._options)
        return Past(ran.s[-1][..., self.width :], (), self.dt)

    def step_vjp(self, state: Past, x: Array | None, bar: Past) -> tuple[Past, Array | None, Sampled]:
        """The cotangent of a tick, by automatic differentiation of the method in torch (B6).

        A method that runs in NumPy alone is replaced by "tsit5" of the same tolerances.

        Raises:
            ValueError: a rate that does not run on tensors.
        """
        names, own = list(self.weights()), self
        if not is_torch(self.like):
            own = copy.copy(self._with_tensors())
            own._options = dict(self._options)
            if self.method in NUMPY_ALONE:
                own._options["method"] = "tsit5"
        weights = own.weights()
        values = [states.as_tensor(a) for a in states.arrays_of(state)]
        inputs = [] if x is None else [states.as_tensor(x)]

        def tick(*given: Array) -> list[Array]:
            rest = iter(given)
            before = states.rebuilt(state, rest)
            seen = None if x is None else next(rest)
            after = own.with_weights(dict(zip(names, rest, strict=True))).step(before, seen)
            # the nodes of an adaptive method may be others now: the values are wanted at the nodes of the run
            return states.arrays_of(after.at_nodes_of(bar))

        bars = [states.as_tensor(a) for a in states.arrays_of(bar)]
        try:
            found = pulled(tick, [*values, *inputs, *(weights[name] for name in names)], bars)
        except (TypeError, RuntimeError, AttributeError) as error:
            raise ValueError(f"model: expected a rate that runs on tensors; it raised {error!r:.200}") from error
        back = iter(found if is_torch(self.like) else [to_numpy(value) for value in found])
        before = states.rebuilt(state, back)
        x_bar = None if x is None else next(back)
        return before, x_bar, self.with_weights(dict(zip(names, back, strict=True)))

    def errors(self, state: Past, x: Array | None, bar: Past) -> tuple[Array, None]:
        """psi[n], the cotangent of s at the end of the tick; nothing later reads r[n], since it is made of s again."""
        return bar.state, None

    def readout_jvp(self, state: Past, d_state: Past) -> tuple[Array, Array]:
        """The tangents of s and r."""
        s, along, model = state.state, d_state.state, self.model
        if isinstance(model, AdditiveModel):
            return along, model.activation.slope(s) * along
        return along, pushed(lambda a: [model.readout(a)], [s], [along])[0]

    def readout_vjp(self, state: Past, s_bar: Array | None, r_bar: Array) -> Past:
        """The cotangent of the past: of its last value."""
        s, model = state.state, self.model
        if isinstance(model, AdditiveModel):
            total = model.activation.slope(s) * r_bar
        elif type(model).readout is Flow.readout:
            total = r_bar
        else:
            eye = as_like(np.eye(self.width), s)
            total = (pushed(lambda a: [model.readout(a)], [s[..., None, :]], [eye])[0] * r_bar[..., None, :]).sum(-1)
        return state.ending(total if s_bar is None else total + s_bar)

    # -- the weights

    def weights(self) -> dict[str, Array]:
        """The arrays of an AdditiveModel, "state[k]", "readout[k]", "input[k]" and "phi"; a flow's parameters."""
        return self.model.weights()

    def with_weights(self, values: Mapping[str, Array]) -> Sampled:
        """The same samples of the model with these arrays."""
        twin = copy.copy(self)
        twin.model = self.model.with_weights(values)
        return twin

    def plain(self) -> Sampled:
        """The same samples in NumPy."""
        if not is_torch(self.like):
            return self
        return self.with_weights({name: to_numpy(value) for name, value in self.weights().items()})

    def parameter(self, name: str) -> Callable[[float], Sampled]:
        """The function that takes a value to the samples of the model where ``name`` has it; "dT" is the tick."""
        rest = {k: self._options[k] for k in ("rtol", "atol")}
        if name == "dT":
            return lambda p: Sampled(self.model, p, self.method, self.substeps, **rest)
        change = self.model.parameter(name)
        return lambda p: Sampled(change(p), self.dt, self.method, self.substeps, **rest)

    # -- as a map on vectors

    def parts(self) -> Parts:
        """s, of a model without delays.

        Raises:
            ValueError: a model with delays, whose state is its past.
        """
        if self.model.delays:
            raise ValueError(
                f"system: expected a model without delays, since the state of a delay equation is its past, no vector;"
                f" got delays {self.model.delays} and the method {self.method!r}; discretize(model, dt) is a map"
            )
        return (("s", self.width),)

    def flatten(self, state: Past) -> Array:
        """The state now."""
        return state.state

    def unflatten(self, vector: Array, direction: Array | None, x: Array | None) -> tuple[Past, Past | None, Any]:
        """The past that ends at a vector, and the deviation of it."""
        return Past(vector, (), self.dt), None if direction is None else Past(direction, (), self.dt), x

    def settled(self) -> Any:
        """What rests where the samples do: by backward Euler the cell, by an adaptive method the flow."""
        own = self.inner()[0]
        return self if own is self else own.settled()

    def inner(self) -> tuple[Any, float]:
        """By backward Euler of an AdditiveModel the recursion and how many ticks of it one takes; by an adaptive method
        the flow and dt; else itself and 1.
        """
        if isinstance(self.model, AdditiveModel) and self.method == "backward_euler":
            return discretize(self.model, self.dt / self.substeps), float(self.substeps)
        return (self.model, self.dt) if self.adaptive else (self, 1.0)


METHOD_OF = {"backward_euler": "backward_euler", "forward_euler": "euler"}


@sampled_of.register
def _sampled_flow(model: Flow, dt: float, scheme: str, alpha: float | None) -> Sampled:
    name, _ = rule_name(scheme, alpha)
    if name not in METHOD_OF:
        raise ValueError(
            f"scheme: expected {' or '.join(METHOD_OF)} of a flow of your own, got {name!r}, which needs the linear"
            " part of an AdditiveModel; or use Sampled(model, dt, method)"
        )
    return Sampled(model, dt, METHOD_OF[name])


@continuous_of.register
def _equation(cell: Sampled) -> Any:
    raise ValueError(
        "cell: expected a CanonicalRNN or VanillaLSTM, got Sampled, which knows its equation, cell.model; for another"
        " step say Sampled(cell.model, dt)"
    )
