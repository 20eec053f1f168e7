"""Cutting a method into pieces for an accelerator and pieces for the CPU.

LiteRT's GPU delegate takes index arithmetic, too, and computes it in float: anchor 20,000 becomes another anchor, and a
gather behind it reads out of bounds. It takes one part of a graph, and leaves what follows to the CPU. So the graph is
cut before any delegate sees it. What makes up the work goes to the accelerator: convolutions, matrix products, and what
lies between them. No integer, no truth value and no coordinate that becomes an index is computed there.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from export.backends.litert.graph import constant, kind, macs, part, signature_graph

SELECTIONS = ("TOPK_V2", "ARG_MAX", "ARG_MIN")
"""Operators that make indices of scores: which of nearly equal scores wins is open, so scores may be approximate."""
FLOAT32 = 0
"""As the schema numbers element types."""
NAME = "part"
"""Of a piece's signature."""
MOST_DIMENSIONS = 4
"""Of a tensor on an accelerator."""


@dataclass(frozen=True)
class Piece:
    """A part of a method that one processor runs in one go.

    Attributes:
        content: A .tflite file with one signature, whose tensors are named by their numbers in the method.
        inputs: Numbers of the tensors that it takes.
        outputs: Numbers of the tensors that it gives.
        accelerated: Whether it is for the accelerator.
        macs: Multiply-adds.
    """

    content: bytes
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    accelerated: bool
    macs: int


@dataclass(frozen=True)
class Cut:
    """A method in pieces, in the order in which they run.

    Attributes:
        pieces: Each needs what those before it give.
        inputs: Numbers of the method's inputs by name, in order.
        outputs: Likewise of its outputs.
        refused: Kinds of operators that could have gone to the accelerator but for the number of their dimensions.
    """

    pieces: tuple[Piece, ...]
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    refused: tuple[str, ...]

    @property
    def accelerated(self) -> list[Piece]:
        """Those for the accelerator."""
        return [piece for piece in self.pieces if piece.accelerated]

    @property
    def accelerated_macs(self) -> float:
        """Share of the multiply-adds that the accelerator runs; 1 where there are none."""
        total = sum(piece.macs for piece in self.pieces)
        return sum(piece.macs for piece in self.accelerated) / total if total else 1.0


def cut(model: Any, method: str) -> Cut:
    """Cut a method.

    Args:
        model: As objects of its schema, see `graph.parsed`; it is left as it is.
        method: Name of its signature.
    """
    signature, graph = signature_graph(model, method)
    work = Work(model, graph)
    stages = work.stages()
    ends = {int(end.tensorIndex) for end in signature.outputs}
    pieces = []
    for place in sorted(set(stages.values())):
        operators = [operator for operator in work.running if stages[id(operator)] == place]
        pieces.append(_piece(work, operators, ends, accelerated=place[1] == 0))
    return Cut(tuple(pieces), _numbers(signature.inputs), _numbers(signature.outputs), tuple(sorted(work.refused)))


def _numbers(ends: Sequence[Any]) -> dict[str, int]:
    """Return the numbers of a signature's ends by name, in the order of the method."""
    return {end.name.decode(): int(end.tensorIndex) for end in sorted(ends, key=lambda end: int(end.tensorIndex))}


def _piece(work: "Work", operators: Sequence[Any], ends: Collection[int], *, accelerated: bool) -> Piece:
    own = {index for operator in operators for index in work.given(operator)}
    inside = {id(operator) for operator in operators}
    inputs = sorted({index for operator in operators for index in work.taken(operator)} - own)
    outputs = sorted(
        index for index in own if index in ends or any(id(user) not in inside for user in work.users.get(index, ()))
    )
    content = part(work.model, work.graph, work.with_constants(operators), inputs, outputs, NAME)
    total = sum(macs(work.model, work.graph, operator) for operator in operators)
    return Piece(content, tuple(inputs), tuple(outputs), accelerated, total)


class Work:
    """What a graph's operators need and give, and which of them an accelerator may run.

    Args:
        model: That the graph is in.
        graph: Of one method; its operators stand in the order of execution.

    Attributes:
        model: As given.
        graph: As given.
        constants: By tensor, the operator that unpacks a constant (weights stored in fp16); it goes where it is needed.
        running: All other operators.
        users: By tensor, the operators that take it.
        refused: Kinds of operators with too many dimensions.
    """

    def __init__(self, model: Any, graph: Any) -> None:
        self.model = model
        self.graph = graph
        self.constants: dict[int, Any] = {}
        self.running: list[Any] = []
        for operator in graph.operators:
            if kind(model, operator) == "DEQUANTIZE" and constant(model, graph, operator.inputs[0]):
                self.constants[int(operator.outputs[0])] = operator
            else:
                self.running.append(operator)
        self.users: dict[int, list[Any]] = {}
        for operator in self.running:
            for index in self.taken(operator):
                self.users.setdefault(index, []).append(operator)
        self.refused = {kind(model, one) for one in self.running if self._in_float(one) and not self._small(one)}

    def taken(self, operator: Any) -> list[int]:
        """Return the tensors that an operator takes, constants left out."""
        return [
            int(index)
            for index in operator.inputs
            if index >= 0 and int(index) not in self.constants and not constant(self.model, self.graph, index)
        ]

    def given(self, operator: Any) -> list[int]:
        """Return the tensors that an operator computes."""
        return [int(index) for index in operator.outputs]

    def with_constants(self, operators: Iterable[Any]) -> list[Any]:
        """Return operators with those that unpack their constants before them."""
        chosen = list(operators)
        needed = {int(index) for operator in chosen for index in operator.inputs if int(index) in self.constants}
        return [*(self.constants[index] for index in sorted(needed)), *chosen]

    def stages(self) -> dict[int, tuple[int, int]]:
        """Return by operator's id when it runs: (stage, 0 on the accelerator or 1 on the CPU).

        The CPU's part of a stage needs the accelerator's; the accelerator's needs the CPU's of the stage before.
        """
        chosen = self.accelerated()
        made: dict[int, tuple[int, int]] = {}
        stages = {}
        for operator in self.running:
            before = [made.get(index, (-1, 1)) for index in self.taken(operator)]
            if id(operator) in chosen:
                place = (max((stage + side for stage, side in before), default=0), 0)
            else:
                place = (max((stage for stage, _ in before), default=-1), 1)
            stages[id(operator)] = place
            made.update(dict.fromkeys(self.given(operator), place))
        return stages

    def accelerated(self) -> set[int]:
        """Return the ids of the operators that the accelerator runs."""
        indices = self._index_arithmetic()
        allowed = [one for one in self.running if self._in_float(one) and self._small(one) and id(one) not in indices]
        return self._reached(allowed, forward=True) & self._reached(allowed, forward=False)

    def _reached(self, allowed: Sequence[Any], *, forward: bool) -> set[int]:
        """Return the ids of those of these operators that work leads to, or that lead to work, by way of them only."""
        found: set[int] = set()
        tensors: set[int] = set()
        for operator in allowed if forward else reversed(allowed):
            sources, results = self.taken(operator), self.given(operator)
            if not forward:
                sources, results = results, sources
            if macs(self.model, self.graph, operator) or tensors.intersection(sources):
                found.add(id(operator))
                tensors.update(results)
        return found

    def _index_arithmetic(self) -> set[int]:
        """Return the ids of the operators in float that lead to an index or a comparison.

        Each is followed back to the work or the gather that it comes from. What a convolution or matrix product
        computes is a prediction, and may be approximate.
        """
        found: set[int] = set()
        tensors: set[int] = set()
        for operator in reversed(self.running):
            if not (self._decides(operator) or tensors.intersection(self.given(operator))):
                continue
            if not macs(self.model, self.graph, operator):
                found.add(id(operator))
                if kind(self.model, operator) != "GATHER":
                    tensors.update(self.taken(operator))
        return found

    def _decides(self, operator: Any) -> bool:
        """Whether an operator makes integers or truth values of numbers that have to be exact."""
        takes_floats = any(self._type(index) == FLOAT32 for index in self.taken(operator))
        gives_others = any(self._type(index) != FLOAT32 for index in self.given(operator))
        return takes_floats and gives_others and kind(self.model, operator) not in SELECTIONS

    def _in_float(self, operator: Any) -> bool:
        """Whether all that an operator takes and gives is float32."""
        return all(self._type(index) == FLOAT32 for index in (*self.taken(operator), *self.given(operator)))

    def _small(self, operator: Any) -> bool:
        return all(
            len(self.graph.tensors[index].shape) <= MOST_DIMENSIONS
            for index in (*self.taken(operator), *self.given(operator))
        )

    def _type(self, index: int) -> int:
        return int(self.graph.tensors[index].type)
