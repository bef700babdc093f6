"""Every kind of system and flow of the package, small, and one of the user's own of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ode2rnn import (
    GRU,
    AdditiveModel,
    AugmentedLSTM,
    CanonicalRNN,
    Carousel,
    ContinuousLSTM,
    ContinuousRNN,
    Flow,
    Gate,
    GatedCarousel,
    GatedReadout,
    Map,
    Sampled,
    SplitRNN,
    System,
    TappedRNN,
    VanillaLSTM,
    WarpedUpdate,
    discretize,
    nn,
)
from ode2rnn.discrete.standard import StandardRNN
from ode2rnn.gated import augmented, vanilla
from ode2rnn.gated import gru as gru_file
from ode2rnn.gated.transition import ComputedGates
from ode2rnn.nn.systems import system_of

D, M = 2, 1


def numbers(*shape: int, seed: int = 0, size: float = 0.6) -> np.ndarray:
    return size * np.random.default_rng((seed, *shape)).standard_normal(shape)


def letters(names: tuple[str, ...], peephole: str | None = None, **sizes: int) -> dict[str, Any]:
    """Random weights by letter; a peephole None is left out."""
    L, d_v = sizes.get("context", 1), sizes.get("d_v", D)
    shapes: dict[str, tuple[int, ...]] = {
        "W_x": (D, M) if L == 1 else (L, D, M),
        "W_s": (D, D) if peephole == "full" else (D,),
        "W_v": (D, d_v),
        "W_q": (d_v, D),
    }
    off = lambda n: (  # noqa: E731
        (n.startswith("W_s") and peephole is None)
        or (n.endswith("cx") and not sizes.get("gate"))
        or (n == "W_qdr" and "d_v" not in sizes)
    )
    return {n: None if off(n) else numbers(*shapes.get(n[:3], (D,)), seed=k) for k, n in enumerate(names)}


def lstm(peephole: str | None = None) -> VanillaLSTM:
    return VanillaLSTM(**letters(vanilla.LETTERS, peephole), dt=0.5)


def augmented_lstm(peephole: str | None = None, behind: int = 0, **sizes: int) -> AugmentedLSTM:
    return AugmentedLSTM(**letters(augmented.LETTERS, peephole, **sizes), dt=0.5, behind=behind)


def gru(after: bool) -> GRU:
    names = gru_file.LETTERS if after else gru_file.LETTERS[:-1]
    return GRU(**letters(names), reset_after=after, dt=0.5)


def canonical() -> CanonicalRNN:
    return CanonicalRNN(numbers(D, D, seed=1, size=0.3), numbers(D, D, seed=2), numbers(D, M), numbers(D), dt=0.5)


def rnn(tau: float = 0.0) -> ContinuousRNN:
    return ContinuousRNN(-np.eye(D), numbers(D, D, seed=3, size=1.0), numbers(D, M), numbers(D), tau=tau)


def layer(kind: Callable[..., torch.nn.Module], *args: Any, **options: Any) -> System:
    torch.manual_seed(3)
    return system_of(kind(M, D, *args, **options).double())


def adaptation(t: Any, s: Any, x: Any, *, drive: float) -> Any:
    """Two neurons that excite each other, each tired by its own a: the states are s_1, s_2, a_1, a_2."""
    own, tired = s[..., :2], s[..., 2:]
    fired = own.tanh() if isinstance(s, torch.Tensor) else np.tanh(own)
    cat = (lambda *p: torch.cat(p, dim=-1)) if isinstance(s, torch.Tensor) else lambda *p: np.concatenate(p, axis=-1)
    return cat(-own + drive * fired[..., [1, 0]] - tired + x, 0.5 * (fired - tired))


def logistic(s: Any, x: Any, *, r: float) -> Any:
    return r * s * (1 - s) + 0.1 * x


def gene(t: Any, s: Any, x: Any, past: Any, *, beta: float) -> Any:
    """A gene that represses itself a delay later (Hill function, defined for s >= 0)."""
    return beta / (1 + past[0] ** 2) - s


def chain() -> dict[str, Any]:
    g = [0.2 + 0.6 * np.abs(numbers(D, seed=k, size=0.5)).clip(0, 1) for k in range(3)]
    found: dict[str, Any] = {"T1": SplitRNN.of(canonical())}
    found["T2"] = Carousel.of(found["T1"])
    found["T3"] = GatedCarousel.of(found["T2"], g[0], g[1])
    found["T4"] = WarpedUpdate.of(found["T3"], warp="tanh")
    found["T5"] = GatedReadout.of(found["T4"], g[2])
    gates = {
        n: Gate(numbers(D, M, seed=k), numbers(D, seed=k + 5), numbers(D, D, seed=k + 9), numbers(D, seed=k))
        for k, n in enumerate(("g_cs", "g_cu", "g_cr"))
    }
    base = canonical()
    found["T6"] = ComputedGates(W_r=base.W_r, W_x=base.W_x, theta_s=base.theta_s, **gates)
    return {f"chain {name}": cell for name, cell in found.items()}


W, V, THETA = numbers(D, D, seed=4, size=0.3), numbers(D, M, seed=5), numbers(D, seed=6)

SYSTEMS: dict[str, Any] = {
    "CanonicalRNN": canonical(),
    "CanonicalRNN, lag 2": CanonicalRNN(W, numbers(D, D, seed=7), V, THETA, lag=2),
    "StandardRNN": StandardRNN(numbers(D, D, seed=8), V, THETA),
    "TappedRNN": TappedRNN({1: 0.5 * W, 2: 0.2 * W}, {1: 0.4 * W, 3: 0.3 * W.T}, {0: V, 1: 0.5 * V}, THETA),
    "TappedRNN, undelayed": TappedRNN({1: W}, {0: W.T, 1: W}, {0: V}, THETA),
    "Sampled, backward_euler": Sampled(rnn(), 0.25),
    "Sampled, rk4": Sampled(rnn(), 0.25, "rk4"),
    "Sampled, euler, 2 substeps": Sampled(rnn(), 0.25, "euler", substeps=2),
    "Sampled, tsit5": Sampled(rnn(), 0.25, "tsit5"),
    "Sampled flow": Sampled(Flow(adaptation, 4, input_width=M, parameters={"drive": 1.5}), 0.25, "rk4"),
    "VanillaLSTM": lstm(),
    "VanillaLSTM, diagonal": lstm("diagonal"),
    "VanillaLSTM, full": lstm("full"),
    "AugmentedLSTM": augmented_lstm(),
    "AugmentedLSTM, gate": augmented_lstm("full", gate=1),
    "AugmentedLSTM, projection": augmented_lstm("diagonal", d_v=1),
    "AugmentedLSTM, context 2": augmented_lstm(context=2),
    "AugmentedLSTM, context (1, 0)": augmented_lstm(behind=1, context=2),
    "AugmentedLSTM, context (2, 3), all": augmented_lstm("full", behind=2, context=6, gate=1, d_v=1),
    "GRU": gru(True),
    "GRU, reset before": gru(False),
    "SampledLSTM": discretize(ContinuousLSTM(lstm("full")), 0.25),
    "SampledLSTM, tau = 0": discretize(ContinuousLSTM(lstm(), tau=0.0), 0.25, "implicit_linear"),
    **chain(),
    "Map": Map(logistic, 1, input_width=1, parameters={"r": 2.7}),
    "Map of a module": Map.from_module(layer(torch.nn.RNN).module and torch.nn.GRUCell(M, D)),
    "torch.nn.RNN": layer(torch.nn.RNN, 2),
    "torch.nn.LSTM": layer(torch.nn.LSTM),
    "torch.nn.LSTM, projected": layer(torch.nn.LSTM, proj_size=1),
    "torch.nn.GRU": layer(torch.nn.GRU, 2),
    "torch.nn.RNNCell": layer(torch.nn.RNNCell),
    "torch.nn.LSTMCell": layer(torch.nn.LSTMCell),
    "torch.nn.GRUCell": layer(torch.nn.GRUCell),
    "nn.StandardRNN": layer(nn.StandardRNN),
    "nn.CanonicalRNN": layer(nn.CanonicalRNN, 2),
    "nn.VanillaLSTM": layer(nn.VanillaLSTM, peephole="full"),
    "nn.AugmentedLSTM": layer(nn.AugmentedLSTM, context=(1, 1)),
    "nn.GRU": layer(nn.GRU, reset_after=False),
}
DELAYED = {
    "Sampled, one delay": Sampled(rnn(0.5), 0.25),
    "Sampled, one delay, spectral": Sampled(rnn(0.5), 0.25, "spectral"),
    "Sampled, one delay, rk4": Sampled(rnn(0.5), 0.25, "rk4"),
}
FLOWS: dict[str, Any] = {
    "ContinuousRNN": rnn(),
    "ContinuousRNN, one delay": rnn(0.5),
    "AdditiveModel, three delays": AdditiveModel(
        [(-np.eye(D), 0.0), (0.3 * W, 0.2)], [(numbers(D, D, seed=9), 0.5), (W, 1.0)], [(V, 0.0)], THETA
    ),
    "ContinuousLSTM": ContinuousLSTM(lstm("full")),
    "ContinuousLSTM, tau = 0": ContinuousLSTM(lstm(), tau=0.0),
    "Flow": Flow(adaptation, 4, input_width=M, parameters={"drive": 1.5}),
    "Flow, delayed": Flow(gene, 1, delays=[1.0], parameters={"beta": 2.0}),
}
