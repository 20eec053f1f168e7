"""The artifacts that a plan needs, exported where they are missing, each in a process of its own."""

import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from bench.measure.plan import Plan, request_of
from bench.measure.process import ask
from bench.measure.request import PYTORCH_RUNTIMES
from bench.records import Combination, Failure
from export.identity import find_artifact
from minivlm.console import Steps
from minivlm.files import exists

EXPORTER = (sys.executable, "-m", "bench.measure.export_worker")
EXPORT_SECONDS = 3600.0
"""An export shows no progress; the largest takes minutes."""


class Artifacts:
    """The artifacts of a plan's combinations.

    Attributes:
        failures: Why one could not be exported, by path.
    """

    def __init__(self, plan: Plan, steps: Steps) -> None:
        self._plan = plan
        self._steps = steps
        self._paths: dict[tuple[str, str, str], Path] = {}
        self.failures: dict[Path, Failure] = {}

    def path(self, combination: Combination) -> Path | None:
        """Return where a combination's artifact is, or will be; None where PyTorch runs the model itself.

        Asked of the folder once: an artifact of other weights, sizes or words stays what it is.
        """
        if combination.runtime in PYTORCH_RUNTIMES:
            return None
        key = (combination.model, combination.runtime, combination.precision)
        if key not in self._paths:
            self._paths[key] = find_artifact(request_of(self._plan, *key))
        return self._paths[key]

    def export_missing(self, combinations: Iterable[Combination]) -> None:
        """Export what is not there; a failure is said and kept."""
        wanted = {self.path(combination): combination for combination in combinations}
        for path, combination in wanted.items():
            if path is None or exists(path):
                continue
            asked = {
                "runtime": combination.runtime,
                "model": combination.model,
                "precision": combination.precision,
                "artifact": str(path),
                "checkpoint": str(self._plan.checkpoint) if self._plan.checkpoint else None,
                "seed": self._plan.seed,
                "photo": str(self._plan.photo),
            }
            with self._steps.step(f"export {path.name}"):
                failure = ask(json.dumps(asked), EXPORT_SECONDS, EXPORTER).failure
            if failure is not None:
                self.failures[path] = replace(failure, reason=f"export: {failure.reason}")
                self._steps.say(f"  failed: {failure.reason}")
