"""The neuron of FitzHugh and Nagumo as a Flow of your own: a spike, and the recovery that ends it.

    dv/dt = v - v^3 / 3 - w + current + x(t)
    dw/dt = eps (v + a - b w)

Below a current of 0.33 it rests, above it fires without end. Run: python demos/fhn.py

`ode2rnn analyze demos/fhn.py:model` looks at its dynamics, `ode2rnn simulate demos/fhn.toml` shows it a current.
"""

import numpy as np

from ode2rnn import Flow, integrate


def rate(t, s, x, *, current, a, b, eps):
    v, w = s[..., 0], s[..., 1]
    return np.stack([v - v**3 / 3 - w + current + x[..., 0], eps * (v + a - b * w)], axis=-1)


model = Flow(rate, width=2, input_width=1, parameters={"current": 0.5, "a": 0.7, "b": 0.8, "eps": 0.08})

if __name__ == "__main__":
    solution = integrate(model, t=(0, 200), history=[0.0, 0.0])
    v = solution.s[:, 0]
    times = solution.t[1:][(v[:-1] < 1) & (v[1:] >= 1)]
    print(f"{len(times)} spikes until t = 200, the last two {times[-1] - times[-2]:.1f} apart")
