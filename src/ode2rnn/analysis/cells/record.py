"""The record that torch keeps of a computation for its gradients, read back as sums, products and warping functions.

Uses: T1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# what only changes the shape; W[l] and x[n+l] are told apart by the index that SelectBackward0 keeps
SHAPES = ("Squeeze", "Unsqueeze", "T", "Transpose", "Permute", "View", "Reshape", "Expand", "Alias", "UnsafeView")
WARPS = ("sigmoid", "tanh", "relu", "softplus")


class Record:
    """Reads the record of a computation, from its outputs back to its leaves.

    Args:
        leaves: (name, tensor) of what the computation starts from; W_... are weights, b_... and theta... biases, g_...
            gates that are numbers.
        named: (name, tensor) of the results that have a name.
        behind: how many places of a window of inputs come before x[n], so that place 0 is l = -behind (X1).
    """

    def __init__(self, leaves: Sequence[tuple[str, Any]], named: Sequence[tuple[str, Any]], behind: int = 0) -> None:
        self.behind = behind
        self.leaves = {id(tensor): name for name, tensor in leaves}
        self.kept = [value for _, value in (*leaves, *named)]  # identities hold while the objects live
        self.names: dict[Any, str] = {}
        for name, value in named:
            if value.grad_fn is not None:
                self.names.setdefault(value.grad_fn, name)
        self.nodes: dict[str, str] = {}
        self.edges: dict[tuple[str, str, str], None] = {}
        self.biases: dict[tuple[str, str], None] = {}

    def read(self) -> tuple[dict[str, str], list[tuple[str, str, str]], list[tuple[str, str]]]:
        """The nodes with their kinds, the edges (source, target, weight), and the biases (bias, node)."""
        for step in list(self.names):
            self.visit(step)
        given = {name: kind for name, kind in self.nodes.items() if kind in ("given", "constant")}
        return given | self.nodes, list(self.edges), list(self.biases)

    def visit(self, step: Any) -> str:
        """The name of what ``step`` computes, after it and all that it needs are in the graph."""
        step, lead = _through_shapes(step)
        kind = _kind(step)
        if kind == "AccumulateGrad":
            name = self.leaves[id(step.variable)]
            if lead is not None and lead != self.behind and name.startswith("x["):
                name = f"{name[:-1]}{lead - self.behind:+d}]"
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
        return name if lead is None else f"{name}({lead - self.behind})"

    def enter(self, step: Any, target: str) -> None:
        source, label = self.term(step)
        if not source:
            self.biases[label, target] = None
        else:
            self.edges[source, target, label] = None

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
