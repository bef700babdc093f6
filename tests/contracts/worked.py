"""Equations that people bring, small: a Flow or Map of each, in a file that the commands take."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ode2rnn import GRU, ContinuousGRU, Flow, Map


def join(parts: list[Any], like: Any) -> Any:
    return torch.stack(parts, -1) if torch.is_tensor(like) else np.stack(parts, axis=-1)


def neuron_rate(t: Any, s: Any, x: Any, *, current: Any) -> Any:
    """FitzHugh and Nagumo."""
    v, w = s[..., 0], s[..., 1]
    return join([v - v**3 / 3 - w + current + x[..., 0], 0.08 * (v + 0.7 - 0.8 * w)], s)


def lorenz_rate(t: Any, s: Any, *, rho: Any) -> Any:
    x, y, z = s[..., 0], s[..., 1], s[..., 2]
    return join([10 * (y - x), x * (rho - z) - y, x * y - 8 / 3 * z], s)


def liquid_rate(t: Any, s: Any, x: Any, *, target: Any, weight: Any) -> Any:
    """A liquid time constant: ds/dt = -(1 / tau + f) s + f a, f = sigma(w s + x)."""
    own = torch.sigmoid(weight * s + x) if torch.is_tensor(s) else 1 / (1 + np.exp(-weight * s - x))
    return -(0.5 + own) * s + own * target


def switch_rate(t: Any, s: Any, x: Any, past: Any, *, beta: Any) -> Any:
    """Two genes that repress each other, a delay after; the Hill function is a number for s >= 0 alone."""
    hill = beta / (1 + past[0] ** 2.5)
    return join([hill[..., 1], hill[..., 0]], s) - s


neuron = Flow(neuron_rate, 2, input_width=1, parameters={"current": 0.5})
lorenz = Flow(lorenz_rate, 3, parameters={"rho": 28.0})
liquid = Flow(liquid_rate, 1, input_width=1, parameters={"target": 2.0, "weight": 1.5})
switch = Flow(switch_rate, 2, delays=[1.5], parameters={"beta": 4.0})


class CTRNN(torch.nn.Module):
    """h <- h + a (-h + tanh(W h + V x)), forward Euler of a network in continuous time."""

    input_size, hidden_size = 1, 3

    def __init__(self, a: float = 0.2) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.a, self.recurrent, self.external = a, torch.nn.Linear(3, 3), torch.nn.Linear(1, 3, bias=False)

    def rate(self, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        return -h + torch.tanh(self.recurrent(h) + self.external(x))

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        return h + self.a * self.rate(x, h)


_network = CTRNN().double()
_rng = np.random.default_rng(6)
_shapes = {"W_x": (2, 1), "W_v": (2, 2), "b_": (2,)}
_gru = GRU(
    **{name + gate: _rng.normal(size=shape) for name, shape in _shapes.items() for gate in "zrh"},
    b_vh=_rng.normal(size=2),
    dt=0.5,
)
network = Flow(lambda t, s, x: _network.rate(torch.as_tensor(x), torch.as_tensor(s)), 3, input_width=1)
ticks = Map.from_module(_network, dt=0.2)
gated = ContinuousGRU(_gru, 0.0)
late_gated = ContinuousGRU(_gru)
