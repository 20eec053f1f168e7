"""The pieces of an artifact as files, for apps: on a phone LiteRT takes files, and nothing there cuts."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from export.backends.litert.accelerated import TYPES
from export.backends.litert.graph import parsed, signature_graph
from export.backends.litert.pieces import Cut, cut
from export.core.sidecar import Sidecar
from minivlm.storage.files import assembling

FORMAT = 1
INDEX = "pieces.json"
"""Says which files there are, in which order they run, and what goes from one to the next."""


def pieces_folder(artifact: Path) -> Path:
    """Return where an artifact's pieces are looked for: a folder of the same name with -pieces."""
    return artifact.with_name(f"{artifact.stem}-pieces")


def write_pieces(artifact: Path, folder: Path) -> None:
    """Write each piece of every method as a .tflite file of its own, and what describes them, as a whole or not at all.

    Each file holds the constants that its piece needs. Methods share weights in the artifact, and in here they do not:
    of a whole model the folder is larger than the file. docs/phones-android.md has the format.

    Args:
        artifact: A .tflite file with its sidecar.
        folder: To make, or to replace.

    Raises:
        UserError: The sidecar is missing or describes other bytes, or the folder cannot be written.
    """
    sidecar = Sidecar.read(artifact)
    with assembling(folder) as made:
        made.mkdir()
        write_cut(artifact.read_bytes(), [method.name for method in sidecar.methods], made, sidecar.sha256)


def write_cut(content: bytes, methods: Sequence[str], folder: Path, sha256: str) -> None:
    """Write the pieces of some methods of a .tflite file, and what describes them, into a folder that is there.

    Args:
        content: Of the file.
        methods: Names of its signatures.
        folder: Where to.
        sha256: Of the file.
    """
    model = parsed(content)
    index = {"format": FORMAT, "sha256": sha256, "methods": [_written(model, name, folder) for name in methods]}
    (folder / INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def _written(model: Any, method: str, folder: Path) -> dict[str, Any]:
    """Write a method's pieces, and return what describes them."""
    parts: Cut = cut(model, method)
    _, graph = signature_graph(model, method)
    pieces = []
    for number, piece in enumerate(parts.pieces):
        file = f"{method}-{number}.tflite"
        (folder / file).write_bytes(piece.content)
        pieces.append(
            {
                "file": file,
                "sha256": hashlib.sha256(piece.content).hexdigest(),
                "accelerated": piece.accelerated,
                "macs": piece.macs,
                "inputs": _tensors(graph, piece.inputs),
                "outputs": _tensors(graph, piece.outputs),
            }
        )
    return {"name": method, "inputs": parts.inputs, "outputs": parts.outputs, "pieces": pieces}


def _tensors(graph: Any, indices: Iterable[int]) -> list[dict[str, Any]]:
    """Describe tensors of a method by their numbers, which are their names in the pieces, too."""
    tensors = [(index, graph.tensors[index]) for index in indices]
    return [
        {"tensor": index, "shape": [int(size) for size in told.shape], "dtype": TYPES[int(told.type)]}
        for index, told in tensors
    ]
