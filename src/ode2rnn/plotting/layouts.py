"""Where the nodes of each cell's diagram stand: tables of places, and the ways of the lines that are not straight."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ode2rnn.plotting.diagram import Layout, Point

Routes = dict[tuple[str, str], list[Point]]


def taps(
    gates: Mapping[str, Point], buses: Mapping[str, tuple[float, float]], but: Collection[tuple[str, str]] = ()
) -> Routes:
    """Ways from sources to gates: along a line at the source's height, then up into its slot of the gate.

    Args:
        gates: gate -> its centre.
        buses: source -> the height of its line, and its slot, how far to the right of the centre it enters.
        but: (source, gate) that are not there.
    """
    return {
        (source, name): [(x + slot, height), (x + slot, y)]
        for name, (x, y) in gates.items()
        for source, (height, slot) in buses.items()
        if (source, name) not in but
    }


CANONICAL = Layout(
    places={
        "s[n-1]": (0, 4.2),
        "r[n-1]": (0, 1.2),
        "x[n]": (0, 0.0),
        "s[n]": (6.0, 4.2),
        "r[n]": (11.2, 2.4),
    },
    routes={
        ("r[n-1]", "s[n]"): [(5.0, 1.2), (5.0, 4.2)],
        ("x[n]", "s[n]"): [(7.0, 0.0), (7.0, 4.2)],
        ("s[n]", "r[n]"): [(11.2, 4.2), (11.2, 2.4)],
    },
    exits={"s[n]": [(14.6, 4.2)], "r[n]": [(14.6, 2.4)]},
    slots={"s[n]": 0.0},
    frames=[(1.2, -0.6, 13.6, 5.4)],
    box=(1.7, 0.6),
    size=(-1.2, -0.9, 16.0, 6.6),
    warps={"tanh": "G"},
)


def unrolled_rnn(ticks: int) -> Layout:
    """The canonical RNN repeated: s along the middle, r above, x below."""
    pitch = 6.8
    places: dict[str, Point] = {"s[-1]": (-6.0, 3.6), "r[-1]": (-6.0, 6.4)}
    routes: Routes = {}
    for n in range(ticks):
        x = pitch * n
        places |= {f"x[{n}]": (x, 0.4), f"s[{n}]": (x, 4.0), f"r[{n}]": (x, 6.4)}
        routes[f"s[{n - 1}]", f"s[{n}]"] = [(x, 3.6)]
        routes[f"r[{n - 1}]", f"s[{n}]"] = [(x - 3.3, 6.4), (x - 3.3, 4.4), (x, 4.4)]
    routes["s[-1]", "s[0]"] = [(0, 3.6)]
    for n in range(1, ticks):  # a line leaves a box at the height at which it arrives at the next
        routes[f"s[{n - 1}]", f"s[{n}]"] = [(pitch * (n - 1), 3.6), (pitch * n, 3.6)]
    last = pitch * (ticks - 1)
    return Layout(
        places=places,
        routes=routes,
        exits={f"s[{ticks - 1}]": [(last + 3.6, 4.0)]} | {f"r[{n}]": [(pitch * n, 8.2)] for n in range(ticks)},
        slots={f"s[{n}]": 0.9 for n in range(ticks)},
        frames=[(pitch * n - 2.2, 1.2, pitch * n + 2.2, 7.5) for n in range(ticks)],
        box=(1.95, 0.75),
        size=(-8.2, -0.4, last + 5.2, 10.4),
        warps={"tanh": "G"},
    )


# the steps T1 to T5
CHAIN = Layout(
    places={
        "s[n-1]": (0, 6.9),
        "r[n-1]": (0, 1.2),
        "v[n-1]": (0, 1.2),
        "x[n]": (0, 0.0),
        "g_cs": (3.2, 4.9),
        "g_cs * s[n-1]": (3.2, 6.9),
        "F_u": (7.2, 3.2),
        "u[n]": (7.2, 3.2),
        "g_cu": (4.9, 5.1),
        "g_cu * F_u": (7.2, 5.1),
        "g_cu * u[n]": (7.2, 5.1),
        "s[n]": (7.2, 6.9),
        "r[n]": (11.4, 5.1),
        "g_cr": (11.4, 1.5),
        "v[n]": (11.4, 3.2),
    },
    routes={
        **taps({"F_u": (7.2, 3.2)}, {"r[n-1]": (1.2, -1.1), "x[n]": (0.0, 1.1)}),
        **taps({"u[n]": (7.2, 3.2)}, {"r[n-1]": (1.2, -1.1), "v[n-1]": (1.2, -1.1), "x[n]": (0.0, 1.1)}),
        ("s[n]", "r[n]"): [(11.4, 6.9), (11.4, 5.1)],
    },
    exits={"s[n]": [(14.6, 6.9)], "r[n]": [(14.6, 5.1)], "v[n]": [(14.6, 3.2)]},
    tags={"s[n]": (0.0, 0.75)},
    slots={"F_u": 0.0, "u[n]": 0.0},
    frames=[(1.2, -0.7, 13.8, 8.2)],
    box=(2.0, 0.62),
    size=(-1.2, -1.0, 15.8, 9.6),
)


VANILLA_GATES: dict[str, Point] = {
    "g_cs[n]": (4.2, 5.0),
    "g_cu[n]": (8.9, 5.0),
    "u[n]": (13.6, 5.0),
    "g_cr[n]": (19.2, 5.0),
}
VANILLA = Layout(
    places={
        "s[n-1]": (0, 9.4),
        "v[n-1]": (0, 1.0),
        "x[n]": (0, 0.0),
        **VANILLA_GATES,
        "g_cs[n] * s[n-1]": (4.2, 9.4),
        "g_cu[n] * u[n]": (11.25, 7.2),
        "s[n]": (11.25, 9.4),
        "r[n]": (23.6, 7.9),
        "v[n]": (23.6, 6.2),
    },
    routes={
        **taps(
            VANILLA_GATES,
            {"s[n-1]": (2.0, -1.5), "v[n-1]": (1.0, -0.5), "x[n]": (0.0, 1.5)},
            but={("s[n-1]", "u[n]"), ("s[n-1]", "g_cr[n]")},
        ),
        ("s[n-1]", "g_cs[n]"): [(1.5, 9.4), (1.5, 2.0), (2.7, 2.0), (2.7, 5.0)],
        ("s[n-1]", "g_cu[n]"): [(1.5, 9.4), (1.5, 2.0), (7.4, 2.0), (7.4, 5.0)],
        ("g_cu[n]", "g_cu[n] * u[n]"): [(8.9, 7.2), (11.25, 7.2)],
        ("u[n]", "g_cu[n] * u[n]"): [(13.6, 7.2), (11.25, 7.2)],
        ("s[n]", "g_cr[n]"): [(17.9, 9.4), (17.9, 5.0)],
        ("s[n]", "r[n]"): [(23.6, 9.4), (23.6, 7.9)],
        ("g_cr[n]", "v[n]"): [(19.2, 6.2), (23.6, 6.2)],
    },
    exits={"s[n]": [(26.8, 9.4)], "v[n]": [(26.8, 6.2)]},
    slots=dict.fromkeys(VANILLA_GATES, 0.5),
    frames=[(1.0, -0.6, 26.0, 10.3)],
    box=(2.0, 0.58),
    size=(-1.2, -0.9, 28.2, 11.6),
)


def unrolled_lstm(ticks: int) -> Layout:
    """The Vanilla LSTM repeated, its weights not named."""
    pitch = 14.2
    places: dict[str, Point] = {"s[-1]": (-2.2, 8.2), "v[-1]": (-2.2, 1.2)}
    routes: Routes = {}
    exits: dict[str, list[Point]] = {}
    for n in range(ticks):
        x, t, past = pitch * n, f"[{n}]", f"[{n - 1}]"
        gates = {
            f"g_cs{t}": (x + 1.9, 4.6),
            f"g_cu{t}": (x + 4.3, 4.6),
            f"u{t}": (x + 6.7, 4.6),
            f"g_cr{t}": (x + 9.4, 4.6),
        }
        keep, add = f"g_cs{t} * s{past}", f"g_cu{t} * u{t}"
        places |= {f"x{t}": (x - 0.1, 0.0), **gates}
        places |= {keep: (x + 1.9, 8.2), add: (x + 5.5, 6.4), f"s{t}": (x + 5.5, 8.2)}
        places |= {f"r{t}": (x + 11.7, 6.7), f"v{t}": (x + 11.7, 5.4)}
        buses = {f"s{past}": (2.2, -0.6), f"v{past}": (1.2, 0.0), f"x{t}": (0.0, 0.6)}
        routes |= taps(gates, buses, but={(f"s{past}", f"u{t}"), (f"s{past}", f"g_cr{t}")})
        for gate in (f"g_cs{t}", f"g_cu{t}"):
            routes[f"s{past}", gate] = [(x + 0.2, 8.2), (x + 0.2, 2.2), *routes[f"s{past}", gate]]
        if n:
            for gate in gates:
                routes[f"v{past}", gate] = [(x - 1.0, 5.4), (x - 1.0, 1.2), *routes[f"v{past}", gate]]
        routes |= {
            (f"g_cu{t}", add): [(x + 4.3, 6.4), (x + 5.5, 6.4)],
            (f"u{t}", add): [(x + 6.7, 6.4), (x + 5.5, 6.4)],
            (f"s{t}", f"g_cr{t}"): [(x + 8.8, 8.2), (x + 8.8, 4.6)],
            (f"s{t}", f"r{t}"): [(x + 11.7, 8.2), (x + 11.7, 6.7)],
            (f"g_cr{t}", f"v{t}"): [(x + 9.4, 5.4), (x + 11.7, 5.4)],
        }
        exits[f"v{t}"] = [(x + 13.2, 5.4), (x + 13.2, 9.7)]
    end = pitch * (ticks - 1)
    exits[f"s[{ticks - 1}]"] = [(end + 14.4, 8.2)]
    return Layout(
        places=places,
        routes=routes,
        exits=exits,
        tags={f"s[{n}]": (0.0, 0.7) for n in range(ticks - 1)},
        frames=[(pitch * n - 0.75, 0.6, pitch * n + 12.75, 9.4) for n in range(ticks)],
        box=(1.0, 0.5),
        size=(-3.4, -0.7, end + 15.8, 11.8),
    )


AUGMENTED_GATES: dict[str, Point] = {
    "g_cs[n]": (5.6, 5.0),
    "g_cu[n]": (11.0, 5.0),
    "g_cx[n]": (16.4, 5.0),
    "xi_du[n]": (21.4, 5.0),
    "u[n]": (26.4, 5.0),
    "g_cr[n]": (32.0, 5.0),
}


def augmented(context: int) -> Layout:
    """The Augmented LSTM with a window of ``context`` = L inputs, the external gate and the projection."""
    window = f"x[n] .. x[n+{context - 1}]"
    inputs = {"x[n]" if k == 0 else f"x[n+{k}]": (0.0, -0.2 - 1.1 * k) for k in range(context)}
    middle = sum(y for _, y in inputs.values()) / context
    others = {
        ("s[n-1]", "xi_du[n]"),
        ("s[n-1]", "u[n]"),
        ("s[n-1]", "g_cr[n]"),
        ("v[n-1]", "xi_du[n]"),
        (window, "u[n]"),
    }
    buses = {"s[n-1]": (2.0, -1.7), "v[n-1]": (1.0, -0.5), window: (middle, 1.7)}
    routes = taps(AUGMENTED_GATES, buses, but=others)
    for gate in ("g_cs[n]", "g_cu[n]", "g_cx[n]"):
        routes["s[n-1]", gate] = [(1.9, 11.0), (1.9, 2.0), *routes["s[n-1]", gate]]
    routes[window, "xi_du[n]"] = [(21.4, middle), (21.4, 5.0)]
    return Layout(
        places={
            "s[n-1]": (0, 11.0),
            "v[n-1]": (0, 1.0),
            **inputs,
            window: (2.6, middle),
            **AUGMENTED_GATES,
            "g_cs[n] * s[n-1]": (5.6, 11.0),
            "g_cx[n] * xi_du[n]": (21.4, 7.1),
            "g_cu[n] * u[n]": (18.7, 8.9),
            "s[n]": (18.7, 11.0),
            "r[n]": (36.6, 9.2),
            "q[n]": (36.6, 7.1),
            "v[n]": (41.2, 7.1),
        },
        routes={
            **routes,
            **{(name, window): [(2.6, y)] for name, (_, y) in inputs.items()},
            ("g_cx[n]", "g_cx[n] * xi_du[n]"): [(16.4, 7.1), (21.4, 7.1)],
            ("g_cx[n] * xi_du[n]", "u[n]"): [(23.9, 7.1), (23.9, 5.0), (26.4, 5.0)],
            ("g_cu[n]", "g_cu[n] * u[n]"): [(11.0, 8.9), (18.7, 8.9)],
            ("u[n]", "g_cu[n] * u[n]"): [(26.4, 8.9), (18.7, 8.9)],
            ("s[n]", "g_cr[n]"): [(30.6, 11.0), (30.6, 5.0)],
            ("s[n]", "r[n]"): [(36.6, 11.0), (36.6, 9.2)],
            ("g_cr[n]", "q[n]"): [(32.0, 7.1), (36.6, 7.1)],
        },
        exits={"s[n]": [(44.8, 11.0)], "v[n]": [(44.8, 7.1)]},
        tags={"q[n]": (0.0, -0.75)},
        slots=dict.fromkeys(AUGMENTED_GATES, 0.65),
        frames=[(1.2, -0.9 - 1.1 * (context - 1), 43.9, 12.0)],
        box=(2.25, 0.6),
        size=(-1.2, -1.2 - 1.1 * (context - 1), 46.4, 13.6),
    )
