"""A flow that the package does not know: two neurons that excite each other, each of which tires."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ode2rnn import Flow


def tiring(t: Any, s: Any, x: Any, *, drive: float) -> Any:
    """ds/dt = -s + drive tanh(s of the other) - a + x,  da/dt = (tanh s - a) / 2;  states s_1, s_2, a_1, a_2."""
    own, a = s[..., :2], s[..., 2:]
    if isinstance(s, torch.Tensor):  # for gradients
        fired = own.tanh()
        return torch.cat([-own + drive * fired.flip(-1) - a + x, 0.5 * (fired - a)], dim=-1)
    fired = np.tanh(own)
    return np.concatenate([-own + drive * fired[..., ::-1] - a + x, 0.5 * (fired - a)], axis=-1)


model = Flow(tiring, 4, input_width=1, parameters={"drive": 1.3})
