"""In which order the cases of a round are measured."""

from collections.abc import Mapping
from types import MappingProxyType

SEQUENCE, TURNS = "sequence", "turns"
ORDERS: Mapping[str, str] = MappingProxyType(
    {
        SEQUENCE: "one process after another, each alone on the machine",
        TURNS: "those of a number of threads are loaded together and run by turns, some hundredths of a second each",
    }
)
"""What each is; ratios between cases are steadier in turns, whatever the machine does in the meantime."""
