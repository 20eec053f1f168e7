"""An export in a process of its own: converters take gigabytes, and may crash."""

import json
from collections.abc import Callable
from pathlib import Path

from bench.measure.answering import answer
from export.arguments import ExportRequest
from export.exporting import export_model
from minivlm.console import Steps
from minivlm.errors import run_command


def respond(question: str, alive: Callable[[], None]) -> str:
    """Take what to export, return the artifact's path, both as one line."""
    asked = json.loads(question)
    request = ExportRequest(
        runtime=asked["runtime"],
        model=asked["model"],
        precision=asked["precision"],
        checkpoint=Path(asked["checkpoint"]) if asked["checkpoint"] else None,
        image_size=None,
        output=Path(asked["artifact"]).parent,
        photo=Path(asked["photo"]),
        seed=asked["seed"],
        artifact=Path(asked["artifact"]),
    )
    return str(export_model(request, Steps()).artifact)


if __name__ == "__main__":
    run_command(lambda: answer(respond))
