"""The pieces of an artifact beside the parts of the traced graph that they were made of."""

from collections.abc import Sequence
from dataclasses import replace

from export.core.exporter import Built, PieceOutput
from export.core.lowering import REFERENCE, Lowering, Piece
from export.core.methods import Method
from export.core.metric import Metric
from export.verify.metrics import sqnr
from export.verify.tolerances import Tolerances


def verify_pieces(methods: Sequence[Method], built: Built, tolerances: Tolerances) -> dict[str, Lowering]:
    """Return what delegates took, with what each piece computes that the reference executor runs."""
    return {
        method.name: with_parity(built.lowering[method.name], built.pieces(method), tolerances)
        for method in methods
        if method.name in built.lowering
    }


def with_parity(lowering: Lowering, outputs: Sequence[PieceOutput], tolerances: Tolerances) -> Lowering:
    """Put the comparison of each piece that the reference executor runs beside it.

    Args:
        lowering: Of a method.
        outputs: Of those pieces, in the order of execution.
        tolerances: That hold.
    """
    left = iter(outputs)
    pieces = [
        replace(piece, parity=compare_piece(piece, number, next(left), tolerances))
        if piece.status == REFERENCE
        else piece
        for number, piece in enumerate(lowering.pieces, start=1)
    ]
    return replace(lowering, pieces=pieces)


def compare_piece(piece: Piece, number: int, output: PieceOutput, tolerances: Tolerances) -> list[Metric]:
    """Return the worst ratio of a piece's outputs; `number` is its place in the method."""
    ratios = [sqnr(expected, given) for expected, given in zip(*output, strict=True)]
    return [Metric(f"piece {number}, {piece.delegate}, SQNR dB", min(ratios), tolerances.tensor_sqnr)]
