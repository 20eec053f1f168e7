"""What became of a method's graph: the pieces that delegates took, and what they left. Data, nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from export.core.metric import Metric

RUN = "proven"
"""The format's own runtime ran it, and the whole computes what the model computes."""
REFERENCE = "proven by the reference executor"
"""A reference executor ran it from the file's bytes, and the whole computes what the model computes."""
LOWERED = "lowered, not run"
"""Nothing here runs it: that it was made is all that is known."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of a method's graph that one delegate runs at one go.

    Attributes:
        delegate: Name, such as "coreml".
        operators: Of the graph, before the delegate's own tools fuse them.
        macs: Multiply-adds of one call.
        status: `RUN`, `REFERENCE` or `LOWERED`.
        parity: What it computes beside the same part of the graph in PyTorch, on the same inputs; empty where that was
            not asked.
    """

    delegate: str
    operators: int
    macs: int
    status: str = LOWERED
    parity: Sequence[Metric] = ()


@dataclass(frozen=True, kw_only=True)
class Lowering:
    """One method.

    Attributes:
        pieces: In the order of execution.
        outside: Operators that the runtime's own kernels run, and how many of each are in the graph.
    """

    pieces: Sequence[Piece]
    outside: Mapping[str, int]

    def count(self, delegate: str) -> int:
        """Return the number of a delegate's pieces."""
        return sum(piece.delegate == delegate for piece in self.pieces)

    def macs(self, delegate: str) -> int:
        """Return the multiply-adds in a delegate's pieces."""
        return sum(piece.macs for piece in self.pieces if piece.delegate == delegate)
