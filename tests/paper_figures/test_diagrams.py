"""The diagrams: their graphs are those of the cells, and nothing in the pictures covers anything else."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import PathPatch
from matplotlib.transforms import Bbox
from tests.paper_figures.scripts import quick_data, script, shared

from ode2rnn import run
from ode2rnn.analysis.cells.graph import CellGraph, Edge, cell_graph
from ode2rnn.gated.augmented import AugmentedLSTM
from ode2rnn.gated.cell import LSTMState
from ode2rnn.gated.vanilla import LETTERS
from ode2rnn.plotting.diagram import check_layout, letters
from ode2rnn.plotting.layouts import CANONICAL, CHAIN, VANILLA, augmented, unrolled_lstm, unrolled_rnn

CELLS = shared("figure_cells")
augmented_cell, canonical_cell, chain_cells, vanilla_cell = (
    getattr(CELLS, name) for name in ("augmented_cell", "canonical_cell", "chain_cells", "vanilla_cell")
)
DIAGRAMS = range(20, 26)


def triples(graph: CellGraph) -> set[tuple[str, str, str]]:
    return {(edge.source, edge.label, edge.target) for edge in graph.edges}


def test_the_canonical_rnn_has_the_four_terms_of_d5():
    graph = CellGraph.of(quick_data(20))
    assert triples(graph) == {
        ("s[n-1]", "W_s", "s[n]"),
        ("r[n-1]", "W_r", "s[n]"),
        ("x[n]", "W_x", "s[n]"),
        ("s[n]", "", "r[n]"),
    }
    assert graph.biases == (("theta_s", "s[n]"),)
    assert graph.nodes["r[n]"] == "tanh"


def test_the_unrolled_rnn_is_its_cell_at_every_sample():
    graph, one = CellGraph.of(quick_data(21)), CellGraph.of(quick_data(20))
    for n in range(4):
        times = {"[n-1]": f"[{n - 1}]", "[n]": f"[{n}]"}

        def at(name, times=times):
            return next((name.replace(old, new) for old, new in times.items() if old in name), name)

        assert {(at(a), label, at(b)) for a, label, b in triples(one)} <= triples(graph)
    assert graph.outputs == ("r[0]", "r[1]", "r[2]", "s[3]", "r[3]")


def test_the_vanilla_lstm_has_l1_to_l6_term_by_term():
    graph = CellGraph.of(quick_data(23))
    gates = {"cu": "g_cu[n]", "cs": "g_cs[n]", "du": "u[n]", "cr": "g_cr[n]"}
    weighted = {
        (f"{source}[{when}]", f"W_{source}{kind}", name)
        for kind, name in gates.items()
        for source, when in (("x", "n"), ("s", "n-1"), ("v", "n-1"))
        if (source, kind) not in {("s", "du"), ("s", "cr")}
    }
    weighted.add(("s[n]", "W_scr", "g_cr[n]"))  # the readout gate sees the new state (L5)
    assert {edge for edge in triples(graph) if edge[1]} == weighted
    keep, add = "g_cs[n] * s[n-1]", "g_cu[n] * u[n]"
    assert {edge for edge in triples(graph) if not edge[1]} == {
        *(("g_cs[n]", "", keep), ("s[n-1]", "", keep), ("g_cu[n]", "", add), ("u[n]", "", add)),
        *((keep, "", "s[n]"), (add, "", "s[n]"), ("s[n]", "", "r[n]"), ("g_cr[n]", "", "v[n]"), ("r[n]", "", "v[n]")),
    }
    assert set(graph.biases) == {(f"b_{kind}", name) for kind, name in gates.items()}
    assert {graph.nodes[name] for kind, name in gates.items() if kind != "du"} == {"sigmoid"}
    assert graph.nodes["u[n]"] == graph.nodes["r[n]"] == "tanh"
    assert graph.letters == set(LETTERS)


def test_without_peepholes_their_edges_are_gone():
    cell = replace(vanilla_cell(), W_scu=None, W_scs=None, W_scr=None)
    whole, less = cell_graph(vanilla_cell()), cell_graph(cell)
    assert {label for _, label, _ in triples(whole) - triples(less)} == {"W_scu", "W_scs", "W_scr"}
    assert triples(less) < triples(whole)
    check_layout(less, VANILLA)


def test_diagonal_peepholes_are_peepholes():
    cell = replace(vanilla_cell(), W_scu=np.ones(3), W_scs=np.ones(3), W_scr=np.ones(3))
    assert triples(cell_graph(cell)) == triples(cell_graph(vanilla_cell()))


def test_the_augmented_lstm_has_what_the_vanilla_lstm_has_and_its_extensions():
    graph = cell_graph(augmented_cell(context=3))
    for kind, name in {"cu": "g_cu[n]", "cs": "g_cs[n]", "cx": "g_cx[n]", "du": "xi_du[n]", "cr": "g_cr[n]"}.items():
        for lead, source in enumerate(("x[n]", "x[n+1]", "x[n+2]")):  # X1
            assert (source, f"W_x{kind}({lead})", name) in triples(graph)
    gated = "g_cx[n] * xi_du[n]"  # X2
    assert {("g_cx[n]", "", gated), ("xi_du[n]", "", gated), (gated, "", "u[n]")} <= triples(graph)
    assert {("g_cr[n]", "", "q[n]"), ("r[n]", "", "q[n]"), ("q[n]", "W_qdr", "v[n]")} <= triples(graph)  # X3
    own = {f.name for f in fields(augmented_cell()) if f.name.startswith(("W_", "b_"))}
    assert graph.letters == own == graph.bundled().letters
    seen = replace(augmented_cell(context=3), behind=1)
    terms = {(e.source, e.label) for e in cell_graph(seen).edges if e.label.startswith("W_xcu")}
    assert terms == {("x[n-1]", "W_xcu(-1)"), ("x[n]", "W_xcu(0)"), ("x[n+1]", "W_xcu(1)")}
    assert "x[n-1] .. x[n+1]" in cell_graph(seen).bundled().nodes


def test_with_its_extensions_off_the_augmented_lstm_is_the_graph_of_the_vanilla_lstm():
    vanilla = vanilla_cell()
    assert triples(cell_graph(AugmentedLSTM.of(vanilla))) == triples(cell_graph(vanilla))


def test_the_steps_of_the_chain_are_new_where_the_text_says():
    data = quick_data(22)
    graphs = {step: CellGraph.of(part) for step, part in data.items()}
    steps = list(graphs)
    new = {b: graphs[b].newer_than(graphs[a]) for a, b in zip(steps[:-1], steps[1:], strict=True)}
    assert {part for part in new["T1"] if isinstance(part, str)} == {"F_u"}
    assert new["T2"] == {Edge("s[n-1]", "s[n]")}
    assert {part for part in new["T3"] if isinstance(part, str)} == {"g_cs", "g_cu", "g_cs * s[n-1]", "g_cu * F_u"}
    assert new["T4"] == {"u[n]"}
    assert {part for part in new["T5"] if isinstance(part, str)} == {"g_cr", "v[n-1]", "v[n]"}
    assert {part for part in new["T6"] if isinstance(part, str)} == {"g_cs[n]", "g_cu[n]", "g_cr[n]"}
    assert graphs["T6"].nodes == graphs["L"].nodes


def test_an_edge_is_a_dependence_and_no_edge_is_none():
    """Each weight of each source is moved: the gates that change first are those that its edge enters."""
    cell, rng = vanilla_cell(), np.random.default_rng(0)
    past, x = LSTMState(rng.standard_normal(3), rng.standard_normal(3)), rng.standard_normal(2)
    before = cell.tick(past, x)
    targets = {edge.label: edge.target.split("[")[0] for edge in cell_graph(cell).edges if edge.label}
    first = ("g_cu", "g_cs", "u")  # what comes before s[n]
    for label, target in targets.items():
        after = replace(cell, **{label: getattr(cell, label) + 0.1}).tick(past, x)
        moved = {name for name in (*first, "g_cr") if not np.array_equal(getattr(after, name), getattr(before, name))}
        assert target in moved
        assert moved & set(first) == {target} & set(first)
        if target == "g_cr":
            assert moved == {"g_cr"}


def test_a_graph_does_not_depend_on_the_weights():
    zero = {name: 0 * getattr(vanilla_cell(), name) for name in LETTERS}
    assert cell_graph(replace(vanilla_cell(), **zero)) == cell_graph(vanilla_cell())
    assert run(vanilla_cell(), np.ones((2, 2))).s.shape == (2, 3)  # the cell itself is as it was


def test_a_node_without_a_place_is_refused():
    with pytest.raises(ValueError, match=r"layout: expected a place for every node, got none for .*g_cx\[n\]"):
        check_layout(cell_graph(augmented_cell(1)), VANILLA)


@pytest.mark.parametrize(
    ("layout", "graphs"),
    [
        (CANONICAL, [cell_graph(canonical_cell())]),
        (unrolled_rnn(4), [cell_graph(canonical_cell(), ticks=4)]),
        (CHAIN, [cell_graph(cell) for step, cell in chain_cells().items() if step != "T6"]),
        (VANILLA, [cell_graph(vanilla_cell())]),
        (unrolled_lstm(3), [cell_graph(vanilla_cell(), ticks=3)]),
        (augmented(3), [cell_graph(augmented_cell()).bundled()]),
    ],
    ids=["canonical", "unrolled_rnn", "chain", "vanilla", "unrolled_lstm", "augmented"],
)
def test_a_layout_has_nothing_that_no_graph_has(layout, graphs):
    nodes = {name for graph in graphs for name in graph.nodes}
    ends = {(edge.source, edge.target) for graph in graphs for edge in graph.edges}
    assert layout.places.keys() == nodes
    assert layout.routes.keys() <= ends
    assert layout.exits.keys() == {name for graph in graphs for name in graph.outputs}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("W_xcu", "$W_{xcu}$"),
        ("W_xcu(l)", "$W_{xcu}(l)$"),
        ("theta_s", r"$\theta_{s}$"),
        ("g_cs[n]", "$g_{cs}[n]$"),
        ("xi_du[n]", r"$\xi_{du}[n]$"),
        ("s[n-1]", r"$s[n\!-\!1]$"),
    ],
)
def test_names_become_the_papers_letters(name, text):
    assert letters(name) == text


@pytest.mark.parametrize("number", DIAGRAMS)
def test_no_label_covers_another_and_no_line_crosses_one(number):
    figure = script(number).module.draw(quick_data(number))
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    page = figure.bbox
    for ax in figure.axes:
        texts = [(text, text.get_window_extent(renderer)) for text in ax.texts]
        boxes = [(text, Bbox.from_extents(b.x0 + 1, b.y0 + 1, b.x1 - 1, b.y1 - 1)) for text, b in texts]
        for k, (text, box) in enumerate(boxes):
            assert page.contains(*box.min), text
            assert page.contains(*box.max), text
            for other, its in boxes[k + 1 :]:
                assert not box.overlaps(its), f"{text.get_text()} and {other.get_text()}"
        lines = [patch for patch in ax.patches if isinstance(patch, PathPatch) and patch.get_gid()]
        assert lines
        for line in lines:
            path = line.get_transform().transform_path(line.get_path())
            for text, box in boxes:
                if text.get_gid() not in line.get_gid().split("|"):
                    assert not path.intersects_bbox(box, filled=False), f"{line.get_gid()} over {text.get_text()}"
