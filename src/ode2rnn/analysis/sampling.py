"""How an equation is sampled, said once for every analysis of samples.

Uses: D2, D4, D10, K3.
"""

from __future__ import annotations

from dataclasses import dataclass

from ode2rnn.core.arrays import brief, check_choice, check_count, check_positive
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.systems.system import System
from ode2rnn.discrete.schemes import discretize, rule_name

STEP = "dT"  # the name of the step, where it is the parameter


@dataclass(frozen=True)
class Sampling:
    """Samples of a flow.

    Args:
        scheme: as `discretize` takes it.
        dt: the step, in the unit of time of the flow; None where the step is the parameter "dT".
        delay: "fixed": the delays stay what they are. "tied": the readout comes lag * dT late at every step (D2), of a
            flow that is an ordinary equation.
        lag: how many steps a tied delay is.
        alpha: the weight of the new sample, of the scheme "gbt".

    Raises:
        ValueError: an unknown scheme, dt <= 0, another delay, lag < 1.

    Example:
        >>> from ode2rnn import ContinuousRNN
        >>> Sampling("tustin").of(ContinuousRNN(A=-1.0, B=0.5, C=None, phi=None, tau=1.0), 0.25).dt
        0.25
    """

    scheme: str = "backward_euler"
    dt: float | None = None
    delay: str = "fixed"
    lag: int = 1
    alpha: float | None = None

    def __post_init__(self) -> None:
        rule_name(self.scheme, self.alpha)
        if self.dt is not None:
            object.__setattr__(self, "dt", check_positive("dt", self.dt))
        check_choice("delay", self.delay, ("fixed", "tied"))
        object.__setattr__(self, "lag", check_count("lag", self.lag))

    def equation(self, flow: Flow, dt: float) -> Flow:
        """The flow that is sampled at this step."""
        return flow if self.delay == "fixed" else flow.tied(self.lag * dt)

    def of(self, flow: Flow, dt: float, parts: int = 1) -> System:
        """The samples at this step, or at a part of it with the delays of the whole."""
        return discretize(self.equation(flow, dt), dt / parts, self.scheme, self.alpha)

    @property
    def handling(self) -> str:
        """What becomes of the delays, in words."""
        if self.delay == "fixed":
            return "delays fixed"
        return f"tau = {'' if self.lag == 1 else f'{self.lag} '}dT, kept when dT is halved"


def check_sampling(sampling: Sampling | str | None, names: tuple[str, ...], discrete: bool) -> Sampling | None:
    """The Sampling; a scheme's name stands for one. ``names``: of the parameters, of which the step may be one.

    What is ``discrete`` has ticks already and is not sampled again; a step among its names is its own parameter.

    Raises:
        ValueError: a step that is given twice, or not at all; a sampling of what has ticks.
    """
    if discrete:
        if sampling is not None:
            raise ValueError(
                f"sampling: expected None for a system with ticks of its own, got {brief(sampling)}; give the flow"
            )
        return None
    own = Sampling(sampling) if isinstance(sampling, str) else sampling
    if own is None:
        if STEP in names:
            raise ValueError("sampling: expected a Sampling or the name of a scheme, since there is a step, got None")
        return None
    if not isinstance(own, Sampling):
        raise ValueError(f"sampling: expected a Sampling or the name of a scheme, got {brief(sampling)}")
    if (STEP in names) == (own.dt is not None):
        raise ValueError(f"dt: expected the step either in Sampling or as the parameter {STEP!r}, got {brief(own.dt)}")
    return own
