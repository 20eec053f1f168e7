"""The artifacts that a plan needs, exported where they are missing, each in a process of its own."""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

from bench.measure.plan import Plan, request_of
from bench.records.record import Case, Failure
from bench.records.runtimes import PYTORCH_RUNTIMES
from bench.workers.process import ask
from export.core.formats import FORMATS, artifact_path
from export.core.identity import find_artifact
from export.core.request import ExportRequest
from minivlm.console import Steps
from minivlm.storage.files import exists

EXPORTER = (sys.executable, "-m", "bench.measure.export_worker")
EXPORT_SECONDS = 3600.0
"""An export shows no progress; the largest takes minutes."""


class Artifacts:
    """The artifacts of a plan's cases.

    Attributes:
        failures: Why one could not be exported, by path.
    """

    def __init__(self, plan: Plan, steps: Steps) -> None:
        self._plan = plan
        self._steps = steps
        self._requests: dict[tuple[str, str, str], ExportRequest] = {}
        self.failures: dict[Path, Failure] = {}

    def path(self, case: Case) -> Path | None:
        """Return where a case's artifact is, or will be; None where PyTorch runs the model itself.

        One of other weights or another image size is left alone, whatever its name.
        """
        return None if case.runtime in PYTORCH_RUNTIMES else self._request(case).artifact

    def _request(self, case: Case) -> ExportRequest:
        """Return how a case's artifact is made, found once: looking into artifacts takes reading them."""
        model, runtime, precision = case.model, case.runtime, case.precision
        if (model, runtime, precision) not in self._requests:
            request = request_of(self._plan, model, runtime, precision)
            found = find_artifact(request)
            plain = artifact_path(request.output, model, FORMATS[runtime], precision)
            if found != plain and exists(plain):
                self._steps.say(f"{plain.name} is of other weights, another image size, or damaged: not used")
            self._requests[model, runtime, precision] = replace(request, artifact=found)
        return self._requests[model, runtime, precision]

    def export_missing(self, cases: Iterable[Case]) -> None:
        """Export what is not there; a failure is said and kept."""
        wanted = {self.path(case): case for case in cases}
        for path, case in wanted.items():
            if path is None or exists(path):
                continue
            asked = json.dumps(asdict(self._request(case)), default=str)
            with self._steps.step(f"export {path.name}"):
                failure = ask(asked, EXPORT_SECONDS, EXPORTER).failure
            if failure is not None:
                self.failures[path] = replace(failure, reason=f"export: {failure.reason}")
                self._steps.say(f"  failed: {failure.reason}")
