"""What a cell computes, as a graph that is read off the computation itself.

Uses: D5, U3, T1 to T6, L1 to L6, X1 to X3.

A tick is run once on tensors, and the record that torch keeps for its gradients is walked back from the outputs. So the
graph has the weights, the terms and the time indices of the equations as they run, and a diagram of it cannot
disagree with them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from ode2rnn.analysis.cells.record import Record
from ode2rnn.gated.cell import Gates, LSTMState


@dataclass(frozen=True)
class Edge:
    """One term: ``source`` goes into ``target``, multiplied by the weight ``label`` if that is not empty."""

    source: str
    target: str
    label: str = ""


@dataclass(frozen=True)
class CellGraph:
    """The graph of a computation.

    Attributes:
        nodes: name -> kind: "given" (what the tick starts from), "constant" (a gate that is a number), "sum",
            "product" (elementwise), "window" (see :meth:`bundled`), or the name of the warping function of a sum.
        edges: every term of every node.
        biases: (bias, node) for every bias, by letter.
        outputs: the nodes that the computation is for.
    """

    nodes: Mapping[str, str]
    edges: tuple[Edge, ...]
    biases: tuple[tuple[str, str], ...]
    outputs: tuple[str, ...]

    def arrays(self) -> dict[str, np.ndarray]:
        """The graph as arrays of text: nodes (N, 2), edges (E, 3), biases (B, 2), outputs."""
        return {
            "nodes": np.array(list(self.nodes.items())),
            "edges": np.array([(edge.source, edge.target, edge.label) for edge in self.edges]),
            "biases": np.array(self.biases),
            "outputs": np.array(self.outputs),
        }

    @staticmethod
    def of(arrays: Mapping[str, np.ndarray]) -> CellGraph:
        """The graph whose :meth:`arrays` these are."""
        rows = {name: array.tolist() for name, array in arrays.items()}
        edges = tuple(Edge(*row) for row in rows["edges"])
        return CellGraph(dict(rows["nodes"]), edges, tuple((b, n) for b, n in rows["biases"]), tuple(rows["outputs"]))

    @property
    def letters(self) -> frozenset[str]:
        """Every weight and bias that takes part, by letter; W_xcu for every W_xcu(l)."""
        return frozenset(
            [edge.label.split("(")[0] for edge in self.edges if edge.label] + [name for name, _ in self.biases]
        )

    def bundled(self) -> CellGraph:
        """The same, with one edge W_xcu(l) for a context window, from a node of the kind "window"."""
        inputs = [name for name in self.nodes if name.startswith("x[")]
        if len(inputs) == 1:
            return self
        window = f"{inputs[0]} .. {inputs[-1]}"
        edges = {Edge(name, window): None for name in inputs}
        for edge in self.edges:
            bundle = Edge(window, edge.target, edge.label.split("(")[0] + "(l)")
            edges[bundle if edge.source in inputs else edge] = None
        return replace(self, nodes={**self.nodes, window: "window"}, edges=tuple(edges))

    def newer_than(self, other: CellGraph) -> frozenset[Any]:
        """The nodes, edges and (bias, node) that ``other`` has not; g_cs is g_cs[n], and u[n] is F_u, warped."""
        before = other._plain()
        return frozenset(part for part, plain in zip(self._parts(), self._plain(), strict=True) if plain not in before)

    def _parts(self) -> list[Any]:
        return [*self.nodes, *self.edges, *self.biases]

    def _plain(self) -> list[Any]:
        def plain(name: str) -> str:
            return re.sub(r"(g_\w+)\[n\]", r"\1", name.replace("F_u", "u[n]"))

        nodes = [(plain(name), kind) for name, kind in self.nodes.items()]
        edges = [(plain(edge.source), plain(edge.target), edge.label) for edge in self.edges]
        return [*nodes, *edges, *((bias, plain(target), "bias") for bias, target in self.biases)]


def cell_graph(cell: Any, ticks: int = 1) -> CellGraph:
    """The graph of one tick of ``cell`` (n - 1 to n), or of ``ticks`` of them from s[-1] on.

    Args:
        cell: a CanonicalRNN, a cell of the chain from the RNN to the LSTM, a VanillaLSTM or an AugmentedLSTM.
        ticks: how many; 1 names the times n - 1 and n, more name them -1, 0, 1, ...

    Example:
        >>> from ode2rnn import CanonicalRNN
        >>> graph = cell_graph(CanonicalRNN(0.5, 0.25, 1.0, 0.0))
        >>> [(edge.source, edge.label, edge.target) for edge in graph.edges]
        [('s[n-1]', 'W_s', 's[n]'), ('r[n-1]', 'W_r', 's[n]'), ('x[n]', 'W_x', 's[n]'), ('s[n]', '', 'r[n]')]
    """
    import torch

    def tensor(*shape: int) -> Any:
        return torch.ones(shape, dtype=torch.float64, requires_grad=True)

    leaves: list[tuple[str, Any]] = []
    # one tick on tensors whose every operation autograd records: the record, read back, is the graph
    own = _with_tensors(cell, leaves)
    behind, ahead = own.window
    context = behind + 1 + ahead
    s = tensor(1, own.width)
    readout = "v" if {"g_cr", "W_vcr"} & {field.name for field in fields(own)} else "r"
    times = [("n-1", "n")] if ticks == 1 else [(str(n - 1), str(n)) for n in range(ticks)]
    leaves.append((f"s[{times[0][0]}]", s))
    state: Any = own.init(s)
    named: list[tuple[str, Any]] = []
    outputs: list[str] = []
    # a single tick begins from both s[n-1] and its readout; a run from s[-1] alone, whose readout follows from it
    if ticks == 1 or isinstance(state, LSTMState):
        before = tensor(1, own.readout_width)
        leaves.append((f"{readout}[{times[0][0]}]", before))
        state = type(state)(s, before) if isinstance(state, LSTMState) else state._replace(r=(before,))
    else:
        named.append(("r[-1]", state.r[0]))
    for _, now in times:
        x = tensor(1, context, own.input_width) if context > 1 else tensor(1, own.input_width)
        leaves.append((f"x[{now}]", x))
        values = own.tick(state, x) if isinstance(state, LSTMState) else None
        state = own.step(state, x) if values is None else LSTMState(values.s, values.v)
        shown = own.readout(state)
        outputs = [*(name for name in outputs if not name.startswith("s")), f"s[{now}]", f"{readout}[{now}]"]
        named += zip(outputs[-2:], shown, strict=True)
        if isinstance(values, Gates):
            named += [(f"{name}[{now}]", getattr(values, name)) for name in _shown(values)]
    nodes, edges, biases = Record(leaves, named, behind).read()
    return CellGraph(nodes, tuple(Edge(*edge) for edge in edges), tuple(biases), tuple(outputs))


def _shown(values: Gates) -> list[str]:
    """The names of what a gated cell computes; xi_du is one only where a gate takes hold of it."""
    names = ["g_cu", "g_cs", "g_cr", "u", "r"]
    names += ["q"] if values.q is not values.v else []
    return names + (["g_cx", "xi_du"] if values.g_cx is not None else [])


def _with_tensors(cell: Any, leaves: list[tuple[str, Any]], prefix: str = "") -> Any:
    """The cell with tensors that record what becomes of them, which are added to ``leaves`` by letter."""
    import torch

    changed: dict[str, Any] = {}
    for field in fields(cell):
        value = getattr(cell, field.name)
        if is_dataclass(value) and hasattr(value, "W_x"):  # a gate of T6: W_x of g_cu is W_xcu
            changed[field.name] = _with_tensors(value, leaves, field.name[2:])
        elif field.name.startswith(("W_", "b", "theta", "g_")) and hasattr(value, "shape"):
            # a positive number below 1, which is a good gate too
            changed[field.name] = torch.full(tuple(value.shape), 0.5, dtype=torch.float64, requires_grad=True)
            name = field.name if not prefix or field.name != "b" else "b_"
            leaves.append((name + prefix, changed[field.name]))
    return replace(cell, **changed)
