"""A config file says which simulation is run, and everything that is wrong with it is told in one line."""

import copy
import datetime
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ode2rnn import AdditiveModel, ContinuousRNN, SimulationError, integrate, signals
from ode2rnn.cli.config import load_config, parse_config

A, B, C, PHI = [[-1.0, 0.5], [0.0, -0.5]], [[0.5, 0.2], [0.1, -0.3]], [[1.0], [0.0]], [0.1, 0.0]
NETWORK = {"kind": "continuous_rnn", "A": A, "B": B, "C": C, "phi": PHI, "tau": 0.5, "activation": "tanh"}
SINE = {"kind": "sine", "amplitude": 1.0, "omega": 2.0, "phase": 0.5}
SOLVER = {"t": [0.0, 2.0], "samples": 5, "history": [0.0, 0.1], "s0": [0.1, 0.2], "method": "auto", "rtol": 1e-6}
CONFIG = {"model": NETWORK, "input": SINE, "solver": SOLVER, "output": {"csv": "a.csv", "plot": "a.png"}}
TERMS = {
    "kind": "additive",
    "state": [{"matrix": A}, {"matrix": [[0.1, 0.0], [0.0, 0.1]], "delay": 0.25}],
    "readout": [{"matrix": B, "delay": 0.5}],
    "input": [{"matrix": C, "delay": 0.5}],
    "phi": PHI,
    "activation": "sigmoid",
}
SERIES = {"kind": "series", "series": "sunspots", "hold": "cubic", "standardize": True}
ADDITIVE = {
    "model": TERMS,
    "input": SERIES,
    "solver": {"t": [1750.0, 1751.0, 1752.0], "history": [0.0, 0.1], "method": "rk4", "dt": 0.125},
}


def with_values(config: dict, **values: object) -> dict:
    """A copy of ``config`` with section__key=value replaced, or taken out where the value is ...."""
    config = copy.deepcopy(config)
    for name, value in values.items():
        section, _, key = name.partition("__")
        place, at = (config.setdefault(section, {}), key) if key else (config, section)
        if value is ...:
            del place[at]
        else:
            place[at] = value
    return config


def test_a_network_is_integrated_as_from_python():
    ran = parse_config(CONFIG).run()
    model = ContinuousRNN(A, B, C, PHI, tau=0.5)
    x = signals.Sine(1.0, 2.0, 0.5)
    expected = integrate(model, x, t=np.linspace(0, 2, 5), history=[0, 0.1], s0=[0.1, 0.2], rtol=1e-6)
    assert np.array_equal(ran.t, expected.t)
    assert np.array_equal(ran.s, expected.s)
    assert np.array_equal(ran.x, expected.x)


def test_terms_and_a_series_are_integrated_as_from_python():
    ran = parse_config(ADDITIVE).run()
    model = AdditiveModel(
        [(A, 0.0), ([[0.1, 0.0], [0.0, 0.1]], 0.25)], [(B, 0.5)], [(C, 0.5)], PHI, activation="sigmoid"
    )
    series = signals.load_series("sunspots").standardized()
    expected = integrate(
        model, signals.Cubic(series.t, series.x), t=[1750, 1751, 1752], history=[0, 0.1], method="rk4", dt=0.125
    )
    assert ran.stats.method == "rk4"
    assert np.array_equal(ran.s, expected.s)


def test_defaults_are_rest_no_input_the_solvers_nodes_and_the_whole_series(tmp_path: Path):
    bare = parse_config({"model": {"kind": "continuous_rnn", "A": -1, "B": 0, "phi": 1}, "solver": {"t": [0, 1]}})
    ran = bare.run()
    assert ran.x is None
    assert ran.s[0] == 0.0
    assert float(ran.s[-1, 0]) == pytest.approx(1 - math.exp(-1), abs=1e-5)
    whole = parse_config(with_values(ADDITIVE, solver__t=..., model__input=[{"matrix": C}]))
    assert whole.span == (1700.0, 2008.0)
    (tmp_path / "data.csv").write_text("a,b\n" + "".join(f"{n},{n * n}\n" for n in range(5)))
    held = with_values(CONFIG, input={"kind": "series", "series": "data.csv:b", "hold": "held"}, solver__t=...)
    simulation = parse_config(held, tmp_path)
    assert simulation.span == (0.0, 4.0)
    assert simulation.x(1.5) == 4.0
    assert simulation.sources == (tmp_path / "data.csv",)


def test_the_example_loads_and_runs():
    simulation = load_config(Path(__file__).parents[2] / "demos" / "simulate.toml")
    assert set(simulation.output) == {"csv", "npz", "plot"}
    assert simulation.run().s.shape == (1081, 3)


BAD = {
    r"\[modle\]: .* did you mean 'model'": {"modle": {}},
    r"\[solver\]: expected this section": {"solver": ...},
    "model: expected a section": {"model": 3},
    "model.taw: .* did you mean 'tau'": {"model__taw": 1.0},
    "model.kind: .* did you mean 'continuous_rnn'": {"model__kind": "continous_rnn"},
    "model.kind: .* got none": {"model__kind": ...},
    "model.state: expected one of": {"model__state": []},
    "model.A: .* got none": {"model__A": ...},
    "model.A: expected numbers in rows of one length": {"model__A": [[1.0, 2.0], [3.0]]},
    "model.A: expected finite numbers, .* NaN": {"model__A": [[math.nan, 0.0], [0.0, 1.0]]},
    "model.B: expected shape .2, 2., got .2, 1.": {"model__B": [[1.0], [2.0]]},
    "model.C: expected shape .2, m., got .1, 1.": {"model__C": [[1.0]]},
    "model.phi: expected numbers, got str 'zero'": {"model__phi": "zero"},
    "model.phi: expected numbers, got bool": {"model__phi": [True, False]},
    "model.tau: expected a number >= 0, got -1": {"model__tau": -1},
    "model.tau: expected one number": {"model__tau": [1.0]},
    "smallest delay: expected at least": {"model__tau": 1e-300},
    "model.activation: .* did you mean 'tanh'": {"model__activation": "tahn"},
    "input.kind: expected 'zero', since the model has no C": {"model__C": ...},
    "input.omegga: .* did you mean 'omega'": {"input__omegga": 1.0},
    "input.value: expected a number": {"input": {"kind": "constant"}},
    "input: expected values of shape": {"input": {"kind": "constant", "value": [1.0, 2.0]}},
    "input.amplitude: expected shape": {"input__amplitude": [[1.0]]},
    "input.series: expected 'sunspots' or 'FILE.csv:COLUMN', got none": {"input": {"kind": "series"}},
    "input.series: .* does not exist": {"input": {"kind": "series", "series": "no.csv:a"}},
    "input.hold: .* did you mean 'linear'": {"input": {"kind": "series", "series": "sunspots", "hold": "liner"}},
    "input.standardize: expected true or false": {"input": SERIES | {"standardize": 1}},
    r"input: Cubic is defined on \[1700, 2008\]": {"input": SERIES},
    "solver.t: .* got none": {"solver__t": ...},
    "solver.t: expected increasing times": {"solver__t": [1.0, 0.0]},
    r"solver.t: expected \[t0, t1\]": {"solver__t": [1.0]},
    "solver.t: expected strictly increasing": {"solver__t": [0.0, 2.0, 1.0, 3.0], "solver__samples": ...},
    "solver.samples: expected a whole number": {"solver__samples": 2.5},
    "solver.samples: expected none beside a list": {"solver__t": [0.0, 1.0, 3.0]},
    "solver.history: expected shape .2,., got .3,.": {"solver__history": [1.0, 2.0, 3.0]},
    "solver.s0: expected finite numbers": {"solver__s0": [math.inf, 0.0]},
    "solver.method: .* did you mean 'Radau'": {"solver__method": "radua"},
    "solver.rtol: expected a number in": {"solver__rtol": 0.0},
    "solver.atol: expected a number > 0": {"solver__atol": -1e-9},
    "solver.dt: 'rk4' has a fixed step": {"solver__method": "rk4"},
    "solver.dt: expected a step that divides the delay 0.5, got 0.3": {"solver__method": "rk4", "solver__dt": 0.3},
    "solver.dt: expected at least 2e-07": {"solver__method": "rk4", "solver__dt": 1e-300},
    "output.cvs: .* did you mean 'csv'": {"output__cvs": "a.csv"},
    "output.csv: expected a file name that ends in .csv": {"output__csv": "a.txt"},
    "output.plot: .* .png or .pdf or .svg": {"output__plot": 3},
}
BAD_TERMS = {
    r"model.state: expected a list of \{matrix": {"model__state": A},
    r"model.state\[1\].delay: expected a number >= 0": {"model__state": [{"matrix": A}, {"matrix": A, "delay": -1}]},
    r"model.readout\[0\].matrix: .* got none": {"model__readout": [{"delay": 0.5}]},
    r"model.readout\[0\].mtrix: .* did you mean 'matrix'": {"model__readout": [{"mtrix": B}]},
    r"model.input\[0\]: expected shape": {"model__input": [{"matrix": [[1.0]]}]},
    "model.state: expected distinct delays": {"model__state": [{"matrix": A}, {"matrix": A}]},
    "solver.dt: expected a step that divides": {"solver__dt": 0.2},
}


@pytest.mark.parametrize(
    ("config", "message", "values"),
    [(CONFIG, *item) for item in BAD.items()] + [(ADDITIVE, *item) for item in BAD_TERMS.items()],
    ids=[*BAD, *BAD_TERMS],
)
def test_what_is_wrong_is_named_in_one_line(config, message, values):
    with pytest.raises(ValueError, match=message) as caught:
        parse_config(with_values(config, **values)).run()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"model = [", "CONFIG: .* does not parse"),
        (b"a = 1\na = 2", "CONFIG: .* does not parse"),
        (b"a = " + b"[" * 100_000, "CONFIG: .* nested too deeply|CONFIG: .* does not parse"),
        (b"a = " + b"9" * 5000, "CONFIG: .* does not parse"),
        (b"\xff\xfe", "CONFIG: .* in UTF-8"),
        (b"", r"\[model\]: expected this section"),
    ],
    ids=["torn", "repeated", "deep", "long", "not text", "empty"],
)
def test_a_file_that_is_no_config_is_told(tmp_path, text, message):
    path = tmp_path / "config.toml"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=message):
        load_config(path)
    with pytest.raises(ValueError, match=r"CONFIG: expected a TOML file, got .*No such file"):
        load_config(tmp_path / "other.toml")


# no large times or frequencies among them: a long simulation is no error
NUMBERS = [math.nan, math.inf, -math.inf, -1, 0, -0.0, 1e-300, -1e200, 10**400, 2**63, 2, 0.25, 0.3, 1e-3]
WORDS = ["", "x", "a\0b.csv:c", "tanh", "rk4", "tsit5", "identity", "cubic", "sunspots", "no.csv:a", "tau", "a: b"]
OTHERS = [True, [], [[]], {}, [1, [2]], [[1, 2], [3]], [0.0, 1.0], [1, 2, 3], [[1e200, 0], [0, 1]]]
ODD = st.sampled_from([*NUMBERS, *WORDS, *OTHERS, datetime.date(2020, 1, 1)])


def paths_of(value: object, path: tuple = ()) -> list[tuple]:
    """Every place inside ``value``."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [p for key, inner in items for p in ((*path, key), *paths_of(inner, (*path, key)))]


@st.composite
def mutated(draw: st.DrawFn) -> dict:
    """A valid config with one to three places deleted, replaced or added."""
    config = copy.deepcopy(draw(st.sampled_from([CONFIG, ADDITIVE])))
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(paths_of(config)))
        place = config
        for key in way:
            place = place[key]
        action = draw(st.sampled_from(["replace", "replace", "delete", "add"]))
        if action == "delete":
            del place[last]
        elif action == "replace" or isinstance(place, list):
            frequency = {"omega"} & {*map(str, way), str(last)}
            place[last] = copy.deepcopy(draw(ODD.filter(lambda v: v != 2**63) if frequency else ODD))
        else:
            place[draw(st.sampled_from(WORDS))] = copy.deepcopy(draw(ODD))
    return config


@settings(max_examples=1000, deadline=None)
@given(mutated())
def test_a_mutated_config_ends_in_finite_values_or_one_clear_line(config):
    try:
        solution = parse_config(config).run()
    except ValueError as error:
        message = str(error)
        assert message.startswith(("model", "input", "solver", "output", "["))
        assert "\n" not in message
        assert type(error) is ValueError
        return
    except SimulationError as error:
        solution = error.trajectory
    assert solution is not None
    assert np.isfinite(solution.s).all()
    assert np.isfinite(solution.r).all()
