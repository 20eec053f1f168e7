"""An export in a process of its own: converters take gigabytes, and may crash."""

from collections.abc import Callable

from pydantic import TypeAdapter

from bench.workers.answering import answer
from export.core.request import ExportRequest
from export.flow.exporting import export_model
from minivlm.console import Steps
from minivlm.errors import run_command


def respond(question: str, alive: Callable[[], None]) -> str:
    """Take an `ExportRequest`, return the artifact's path, both as one line."""
    request = TypeAdapter(ExportRequest).validate_json(question)
    return str(export_model(request, Steps()).artifact)


if __name__ == "__main__":
    run_command(lambda: answer(respond))
