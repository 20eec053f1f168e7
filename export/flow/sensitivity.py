"""What rounding a block of a model costs and gains: each block alone, and blocks one after another.

Every trial is an export of its own: the format's table of rules, without those that leave layers in float, decides what
is rounded in the trial's blocks, and all other blocks stay in float.
"""

import re
import shutil
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console

from export.core.exporter import Exporter
from export.core.formats import family_of, program_class
from export.core.job import Job, running_layers
from export.core.methods import Method
from export.core.precision import Mode, Rule, kept_in_float
from export.core.recipe import Recipe
from export.core.sidecar import Sidecar, labels_folder
from export.flow.accelerating import Results
from export.flow.converting import convert_unjudged, run_references
from export.runtime.program import Program
from export.verify.scores import PYTORCH, Candidate, Examination
from minivlm.console import Steps

FLOAT, TABLE, EVERYTHING = "float", "the format's table", "everything"
WARM_UP = 2
"""Turns before the first that counts."""
WRAPPERS = re.compile(r"^(?:detector|transformer)\.")
BLOCK = re.compile(r"^(?:[^.]+\.)*?[^.]+\.\d+(?=\.|$)")
"""Of a layer's name, all up to the first number: a stage of a backbone, a layer of a transformer."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Time of the float artifact over that of another, turn by turn: above 1 the other is faster.

    Attributes:
        median: Over the turns.
        low: First quartile.
        high: Third quartile.
    """

    median: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One artifact.

    Attributes:
        name: Of the trial.
        blocks: That may be rounded in it; empty for the float one and for the format's own table.
        decibels: The lowest signal-to-noise ratio of its verification.
        bytes: Of the artifact.
        speed: None where the format's runtime does not run on this system.
        shares: Task -> share of PyTorch's score that it keeps; empty where no data was given.
    """

    name: str
    blocks: tuple[str, ...]
    decibels: float
    bytes: int
    speed: Speed | None
    shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def quality(self) -> float:
        """What a trial is judged by: the least share of a score or, without data, decibels."""
        return min(self.shares.values(), default=self.decibels)

    @property
    def cost(self) -> float:
        """What a trial is chosen for: time or, where none can be measured, bytes; of the float artifact's, or so."""
        return 1.0 / self.speed.median if self.speed is not None else float(self.bytes)

    def as_json(self) -> dict[str, Any]:
        """Return what is kept of it."""
        return asdict(self)


def front(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials than which no other is at least as good in quality and cost, and better in one of them."""

    def beats(one: Trial, other: Trial) -> bool:
        no_worse = one.quality >= other.quality and one.cost <= other.cost
        return no_worse and (one.quality > other.quality or one.cost < other.cost)

    return [trial for trial in trials if not any(beats(other, trial) for other in trials)]


def block_of(layer: str) -> str:
    """Return the block that a layer belongs to: its name up to the first number or, without one, two components."""
    name = WRAPPERS.sub("", layer)
    found = BLOCK.match(name)
    return found.group() if found else ".".join(name.split(".")[:2])


def rules_for(blocks: Sequence[str], every: Sequence[str], rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Return a table that rounds what a format can round in some blocks, and leaves all others in float.

    Args:
        blocks: To be rounded.
        every: All blocks of the model.
        rules: The format's table.
    """
    kept = kept_in_float(block for block in every if block not in blocks)
    return (*kept, *(rule for rule in rules if rule.mode is not Mode.FLOAT))


@dataclass(frozen=True, kw_only=True)
class Study:
    """Makes artifacts of one model that differ in what is rounded.

    Attributes:
        job: What is exported; its recipe has the format's own table.
        exporter: Of the format.
        folder: For artifacts, one after another.
        turns: That each artifact's time is taken in.
        threads: Of the runtime.
        steps: Shows what is done.
        examination: Tasks to score every artifact in; None for decibels only.
    """

    job: Job
    exporter: Exporter
    folder: Path
    turns: int
    threads: int
    steps: Steps
    examination: Examination | None = None

    def run(self) -> Iterator[Trial]:
        """Yield every trial: in float, by the table, all blocks, each block alone, and one block more at a time.

        Blocks join in the order of what they cost alone, the most harmless first.
        """
        if self.examination is not None:
            self.examination.score(Candidate(name=PYTORCH), self.steps, self.steps.say)
        rules = self.job.recipe.rules
        every = list(dict.fromkeys(block_of(layer) for method in self.job.methods for layer in running_layers(method)))
        floating = self._made(FLOAT, Recipe("fp32"))
        yield self._trial(FLOAT, (), floating)
        yield self._trial(TABLE, (), self._made(TABLE, self.job.recipe))
        whole = self._made(EVERYTHING, self._recipe(every, every, rules))
        rounded = rounded_blocks(Sidecar.read(whole))
        blocks = [block for block in every if block in rounded]
        yield self._trial(EVERYTHING, blocks, whole)
        alone = []
        for block in blocks:
            alone.append(self._trial(block, [block], self._made(block, self._recipe([block], every, rules))))
            yield alone[-1]
        harmless = [trial.name for trial in sorted(alone, key=lambda trial: -trial.quality)]
        for count in range(2, len(harmless)):
            some, name = harmless[:count], f"+ {harmless[count - 1]}"
            yield self._trial(name, some, self._made(name, self._recipe(some, every, rules)))

    @cached_property
    def _expected(self) -> Results:
        return run_references(self.job)

    def _recipe(self, blocks: Sequence[str], every: Sequence[str], rules: Sequence[Rule]) -> Recipe:
        return replace(self.job.recipe, rules=rules_for(blocks, every, rules))

    def _made(self, name: str, recipe: Recipe) -> Path:
        """Export with a recipe, in place of the last trial; the float artifact stays beside it."""
        path = self.folder / f"{'float' if name == FLOAT else 'trial'}.{self._suffix}"
        for old in (path, labels_folder(path)):
            if old.is_dir():
                shutil.rmtree(old)
        with self.steps.stage(f"export {name}"):
            job = replace(self.job, recipe=recipe)
            convert_unjudged(job, self.exporter, path, self._expected, Steps(Console(quiet=True)))
        return path

    @property
    def _suffix(self) -> str:
        return self.exporter.format.suffix_of(family_of(self.job.model.name))

    def _trial(self, name: str, blocks: Sequence[str], artifact: Path) -> Trial:
        sidecar = Sidecar.read(artifact)
        ratios = [metric.value for method in sidecar.methods for metric in method.parity if "SQNR dB" in metric.name]
        shares = {}
        if self.examination is not None:
            scores = self.examination.score(Candidate(name=name, artifact=artifact), self.steps, self.steps.say)
            kept = {task: score.kept.share for task, score in scores.items() if score.kept is not None}
            shares = {
                task: share for task, share in kept.items() if share is not None
            }  # None: there is nothing to keep
        return Trial(
            name=name,
            blocks=tuple(blocks),
            decibels=min(ratios),
            bytes=sidecar.bytes,
            speed=self._speed(name, artifact) if self.exporter.format.runs_here else None,
            shares=shares,
        )

    def _speed(self, name: str, artifact: Path) -> Speed:
        if name == FLOAT:
            return Speed(median=1.0, low=1.0, high=1.0)
        opened = program_class(self.exporter.format)
        floating = opened(self.folder / f"float.{self._suffix}", self.threads)
        with self.steps.stage(f"time {name}"):
            return compare_speed(floating, opened(artifact, self.threads), self.job.methods, self.turns)


def rounded_blocks(sidecar: Sidecar) -> set[str]:
    """Return the blocks of which an artifact rounds anything."""
    rules = [rule for rule in sidecar.quantization if rule["mode"] != Mode.FLOAT]
    return {block_of(layer) for rule in rules for layer in rule["layers"]}


def compare_speed(floating: Program, other: Program, methods: Sequence[Method], turns: int) -> Speed:
    """Time all methods of two programs, turn by turn, after a warm-up.

    Args:
        floating: What the other is held against.
        other: The same methods.
        methods: With the inputs to run them on.
        turns: That count, at least 2.
    """

    def seconds(program: Program) -> float:
        start = time.perf_counter()
        for method in methods:
            program.run(method.name, method.example)
        return time.perf_counter() - start

    ratios = [seconds(floating) / seconds(other) for _ in range(WARM_UP + turns)][WARM_UP:]
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Speed(median=median, low=low, high=high)
