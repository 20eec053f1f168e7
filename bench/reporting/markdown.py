"""Tables in Markdown, as pages of the project have them."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from bench.records.runtimes import PYTORCH

TITLES: Mapping[str, str] = MappingProxyType(
    {
        PYTORCH: "PyTorch",
        "executorch": "ExecuTorch",
        "onnx": "ONNX Runtime",
        "litert": "LiteRT",
        "coreml": "Core ML",
    }
)
"""Runtimes, for people."""

Cells = dict[str, str]
"""A row of a table, by column; the first column names the row."""


def table_lines(rows: Sequence[Cells], words: Collection[str] = ("",)) -> list[str]:
    """Return a table's lines.

    Args:
        rows: With the same columns, in the same order.
        words: Columns of text, which go to the left; values go to the right.
    """
    if not rows:
        return ["(nothing of this was measured)"]
    lines = [
        list(rows[0]),
        ["---" if name in words else "---:" for name in rows[0]],
        *(list(row.values()) for row in rows),
    ]
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines]
