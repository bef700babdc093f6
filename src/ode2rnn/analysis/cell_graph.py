"""What a cell computes, as a graph that is read off the computation itself.

Uses: D5, U3, T1 to T6, L1 to L6, X1 to X3.

A tick is run once on tensors, and the record that torch keeps for its gradients is walked back from the outputs. So the
graph has the weights, the terms and the time indices of the equations as they run, and a diagram of it cannot
disagree with them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from ode2rnn.gated.cell import Gates

# what only changes the shape; W[l] and x[n+l] are told apart by the index that SelectBackward0 keeps
SHAPES = ("Squeeze", "Unsqueeze", "T", "Transpose", "Permute", "View", "Reshape", "Expand", "Alias", "UnsafeView")
WARPS = ("sigmoid", "tanh", "relu", "softplus")


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
        window = f"x[n] .. {inputs[-1]}"
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
    own = _with_tensors(cell, leaves)
    context = getattr(own, "context", 1)
    s = tensor(1, own.width)
    readout = "v" if {"g_cr", "W_vcr"} & {field.name for field in fields(own)} else "r"
    times = [("n-1", "n")] if ticks == 1 else [(str(n - 1), str(n)) for n in range(ticks)]
    leaves.append((f"s[{times[0][0]}]", s))
    state: Any = own.init(s)
    named: list[tuple[str, Any]] = []
    outputs: list[str] = []
    if ticks == 1:
        before = tensor(1, getattr(own, "readout_width", own.width))
        leaves.append((f"{readout}[n-1]", before))
        state = type(state)(s, before) if hasattr(state, "v") else state._replace(r=(before,))
    elif hasattr(state, "v"):
        before = tensor(1, getattr(own, "readout_width", own.width))
        leaves.append((f"{readout}[-1]", before))
        state = type(state)(s, before)
    else:
        named.append(("r[-1]", state.r[0]))
    for _, now in times:
        x = tensor(1, context, own.input_width) if context > 1 else tensor(1, own.input_width)
        leaves.append((f"x[{now}]", x))
        tick = getattr(own, "tick", None)
        values: Any = None if tick is None else tick(state, x)
        state = own.step(state, x) if values is None else type(state)(values.s, values.v)
        shown = own.readout(state)
        outputs = [*(name for name in outputs if not name.startswith("s")), f"s[{now}]", f"{readout}[{now}]"]
        named += zip(outputs[-2:], shown, strict=True)
        if isinstance(values, Gates):
            named += [(f"{name}[{now}]", getattr(values, name)) for name in _shown(values)]
    return _Walk(leaves, named).graph(outputs)


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
        elif field.name.startswith(("W_", "b", "theta", "g_")) and value is not None:
            # a positive number below 1, which is a good gate too
            changed[field.name] = torch.full(tuple(value.shape), 0.5, dtype=torch.float64, requires_grad=True)
            name = field.name if not prefix or field.name != "b" else "b_"
            leaves.append((name + prefix, changed[field.name]))
    return replace(cell, **changed)


class _Walk:
    """Walks the record of a computation from its outputs back to its leaves."""

    def __init__(self, leaves: Sequence[tuple[str, Any]], named: Sequence[tuple[str, Any]]) -> None:
        self.leaves = {id(tensor): name for name, tensor in leaves}
        self.kept = [value for _, value in (*leaves, *named)]  # identities hold while the objects live
        self.names: dict[Any, str] = {}
        for name, value in named:
            if value.grad_fn is not None:
                self.names.setdefault(value.grad_fn, name)
        self.nodes: dict[str, str] = {}
        self.edges: dict[Edge, None] = {}
        self.biases: dict[tuple[str, str], None] = {}

    def graph(self, outputs: Sequence[str]) -> CellGraph:
        for step in list(self.names):
            self.visit(step)
        given = {name: kind for name, kind in self.nodes.items() if kind in ("given", "constant")}
        return CellGraph(given | self.nodes, tuple(self.edges), tuple(self.biases), tuple(outputs))

    def visit(self, step: Any) -> str:
        """The name of what ``step`` computes, after it and all that it needs are in the graph."""
        step, lead = _through_shapes(step)
        kind = _kind(step)
        if kind == "AccumulateGrad":
            name = self.leaves[id(step.variable)]
            if lead and name.startswith("x["):
                name = f"{name[:-1]}+{lead}]"
            self.nodes.setdefault(name, "constant" if name.startswith("g_") else "given")
            return name
        inputs = _inputs(step)
        if kind.lower() in WARPS:
            inner = _through_shapes(inputs[0])[0]
            # a sum that has no name of its own is part of the node that warps it
            terms = [inner] if inner in self.names or _kind(inner) not in ("Add", "Mm") else _terms(inner)
            name = self.names.get(step) or self.warped([self.term(term)[1] for term in terms])
            if name not in self.nodes:
                self.nodes[name] = kind.lower()
                for term in terms:
                    self.enter(term, name)
            return name
        if kind in ("Add", "Mm"):
            terms = _terms(step)
            name = self.names.get(step) or self.summed([self.term(term)[1] for term in terms])
        elif kind == "Mul":
            terms = inputs
            name = self.names.get(step) or " * ".join(self.visit(term) for term in terms)
        else:
            raise ValueError(f"cell: expected sums, products and warping functions, got {step.name()}")
        if name not in self.nodes:
            self.nodes[name] = "product" if kind == "Mul" else "sum"
            for term in terms:
                self.enter(term, name)
        return name

    def term(self, step: Any) -> tuple[str, str]:
        """A term of a sum as its source and its weight; a bias has a weight and no source."""
        step = _through_shapes(step)[0]
        kind = _kind(step)
        if kind == "AccumulateGrad" and self.leaves[id(step.variable)].startswith(("b_", "theta")):
            return "", self.leaves[id(step.variable)]
        if step not in self.names or kind == "Mm":
            parts = _inputs(step) if kind in ("Mm", "Mul") else []
            weights = [self.weight(part) for part in parts]
            if len(parts) == 2 and any(weights):
                k = 0 if weights[0] else 1
                return self.visit(parts[1 - k]), weights[k]
        return self.visit(step), ""

    def weight(self, step: Any) -> str:
        """The letter of a matrix, W_xcu(l) for the l-th of a context window; empty if it is none."""
        step, lead = _through_shapes(step)
        if _kind(step) != "AccumulateGrad" or not self.leaves[id(step.variable)].startswith("W_"):
            return ""
        name = self.leaves[id(step.variable)]
        return name if lead is None else f"{name}({lead})"

    def enter(self, step: Any, target: str) -> None:
        source, label = self.term(step)
        if not source:
            self.biases[label, target] = None
        else:
            self.edges[Edge(source, target, label)] = None

    @staticmethod
    def warped(labels: Sequence[str]) -> str:
        """What the paper calls a warped sum with these weights, or the warped state if it has none."""
        gate = next((label[-2:] for label in labels if label.startswith("b_")), "du")
        return "r[n]" if not any(labels) else "u[n]" if gate == "du" else f"g_{gate}[n]"

    @staticmethod
    def summed(labels: Sequence[str]) -> str:
        """What the paper calls a sum with these weights (T1)."""
        return "F_u" if "theta_s" in labels else " + ".join(labels)


def _kind(step: Any) -> str:
    """Add, Mul, Mm, Tanh, ..., or AccumulateGrad for a leaf."""
    name = step.name().removeprefix("torch::autograd::")
    return name.split("Backward")[0]


def _inputs(step: Any) -> list[Any]:
    return [inner for inner, _ in step.next_functions if inner is not None]


def _through_shapes(step: Any) -> tuple[Any, int | None]:
    """The first step back that computes something, and the index l of W[l] or x[..., l, :] on the way."""
    lead = None
    while True:
        kind, inputs = _kind(step), _inputs(step)
        if kind == "Select":
            lead = int(step._saved_index)
        elif not (kind in SHAPES or (kind == "Add" and len(inputs) == 1)):
            return step, lead
        step = inputs[0]


def _terms(step: Any) -> list[Any]:
    """The terms of a + b + c; one in parentheses on the right, a + (b + c), stays one term."""
    if _kind(step) == "Mm":
        return [step]
    first, *rest = _inputs(step)
    inner = _through_shapes(first)[0]
    return [*(_terms(inner) if _kind(inner) == "Add" else [first]), *rest]
