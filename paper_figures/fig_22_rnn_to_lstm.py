"""From the canonical RNN to the Vanilla LSTM, step by step, what is new in each step highlighted."""

from typing import Any

from figure_cells import STEPS, canonical_cell, chain_cells, vanilla_cell
from ode2rnn.analysis.cells.graph import CellGraph, cell_graph
from ode2rnn.derivation.claim import Finding
from ode2rnn.plotting.diagram import add_title, diagram_figure, draw_cell
from ode2rnn.plotting.layouts import CHAIN, VANILLA

SECTION = "From RNN to Vanilla LSTM Network"
EQUATIONS = STEPS
CLAIM = "Five ideas, each a small change of the cell before, lead from the canonical RNN to the Vanilla LSTM."
TITLES = {
    "T1": "T1  the state's term and the update's, $F_u$",
    "T2": "T2  keep all of the state: $W_s = I$",
    "T3": "T3  gates on what is kept and added",
    "T4": "T4  warp the update: $u[n] = G_d(F_u)$",
    "T5": "T5  a gate on the readout; $v$ is fed back",
    "T6": "T6  the gates are computed from $x[n]$, $v[n-1]$ and the state: the Vanilla LSTM",
}


def data(quick: bool = False) -> dict[str, Any]:
    """The graphs of the canonical RNN, of the six steps and of the Vanilla LSTM, as arrays of text."""
    cells = {"D5": canonical_cell(), **chain_cells(), "L": vanilla_cell()}
    return {step: cell_graph(cell).arrays() for step, cell in cells.items()}


def draw(data: dict[str, Any]) -> Any:
    """A panel a step; highlighted is what the graph before has not."""
    figure, axes = diagram_figure([[CHAIN] * 3, [CHAIN] * 2, [VANILLA]], inches=(0.36, 0.36, 0.48))
    before = CellGraph.of(data["D5"])
    for ax, step in zip(axes, STEPS, strict=True):
        layout, graph = VANILLA if step == "T6" else CHAIN, CellGraph.of(data[step])
        draw_cell(ax, graph, layout, new=graph.newer_than(before))
        add_title(ax, layout, TITLES[step], graph if step == "T6" else None)
        before = graph
    return figure


def verdict(data: dict[str, Any]) -> Finding:
    """Whether T6 has the nodes and terms of the Vanilla LSTM, up to the names of three weights."""
    last, lstm = CellGraph.of(data["T6"]), CellGraph.of(data["L"])
    old = {"W_r": "W_vdu", "W_x": "W_xdu", "theta_s": "b_du"}
    same = {(e.source, e.target, old.get(e.label, e.label)) for e in last.edges} == {
        (e.source, e.target, e.label) for e in lstm.edges
    }
    return Finding("T6 is the Vanilla LSTM", f"{len(last.edges)} of its terms", same and last.nodes == lstm.nodes)
