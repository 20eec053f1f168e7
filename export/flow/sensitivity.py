"""What rounding a block of a model costs and gains: each block alone, and blocks one after another.

Every trial is an export of its own: the format's table of rules, without those that leave modules in float, decides
what is rounded in the trial's blocks, and all other blocks stay in float.
"""

import re
import shutil
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from rich.console import Console

from export.core.exporter import Exporter
from export.core.formats import family_of, program_class
from export.core.job import Job, running_layers
from export.core.methods import Method
from export.core.precision import Kind, Mode, Rule, fits_name, kept_in_float
from export.core.recipe import Recipe
from export.core.sidecar import Sidecar, labels_folder
from export.flow.accelerating import Results
from export.flow.converting import convert_unjudged, run_references
from export.flow.trials import EVERYTHING, FLOAT, TABLE, Speed, Trial
from export.runtime.program import Program
from export.verify.scores import FLOOR, Candidate, Examination
from minivlm.console import Steps

WARM_UP = 2
"""Turns before the first that counts."""
WRAPPERS = re.compile(r"^(?:detector|transformer)\.")
STAGE = re.compile(r"^.*?(?<![^.])(?:blocks|layers)\.\d+(?=\.|$)")
"""Of a layer's name, all up to the number of a stage of a backbone or of a layer of a transformer."""
STEM, STEM_MODULES = "stem", ("body.conv_stem", "body.bn1")
"""What of a detector's body is in none of its stages."""

Rounding = frozenset[tuple[str, str, int]]
"""What an artifact rounds: layer, mode and bits."""


def block_of(layer: str) -> str:
    """Return the block that a layer belongs to: a stage, the stem, or the part of the model that it is in."""
    name = WRAPPERS.sub("", layer)
    stage = STAGE.match(name)
    if stage:
        return stage.group()
    if any(fits_name(pattern, name) for pattern in STEM_MODULES):
        return STEM
    first, *rest = name.split(".")
    return ".".join([first, *rest[:1]]) if first == "backbone" else first


def patterns_of(block: str) -> tuple[str, ...]:
    """Return the patterns of rules that fit a block's layers and no others."""
    return STEM_MODULES if block == STEM else (block,)


def rules_for(blocks: Sequence[str], every: Sequence[str], rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Return a table that rounds what a format can round in some blocks, and leaves all others in float.

    Args:
        blocks: To be rounded.
        every: All blocks of the model.
        rules: The format's table.
    """
    kept = kept_in_float(pattern for block in every if block not in blocks for pattern in patterns_of(block))
    return (*kept, *(rule for rule in rules if not _leaves_modules(rule)))


def _leaves_modules(rule: Rule) -> bool:
    """Tell whether a rule leaves whole modules in float; one that leaves some kinds says how the others are rounded."""
    return rule.mode is Mode.FLOAT and rule.kinds == tuple(Kind)


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
        examination: Tasks to score every artifact in, which PyTorch was scored in; None for decibels only.
        known: Trials by name that were made before, and are not made again.
    """

    job: Job
    exporter: Exporter
    folder: Path
    turns: int
    threads: int
    steps: Steps
    examination: Examination | None = None
    known: Mapping[str, Trial] = field(default_factory=dict)

    def run(self) -> Iterator[Trial]:
        """Yield every trial: in float, by the table, all blocks, each block alone, and one block more at a time.

        Blocks join in the order of what they cost alone, the most harmless first, until a score falls below the floor.
        What would round just what a trial before did is that trial: timed twice, the clock's noise would part them.
        """
        rules, tried = self.job.recipe.rules, dict[Rounding, Trial]()
        every = list(dict.fromkeys(block_of(layer) for method in self.job.methods for layer in running_layers(method)))
        yield self._trial(FLOAT, (), Recipe("fp32"), tried)
        yield self._trial(TABLE, (), self.job.recipe, tried)
        blocks = self._rounded(every)
        trial = self._trial(EVERYTHING, blocks, self._recipe(blocks, every, rules), tried)
        if trial.name == EVERYTHING:
            yield trial
        quality = {}
        for block in blocks:
            trial = self._trial(block, [block], self._recipe([block], every, rules), tried)
            quality[block] = trial.quality
            if trial.name == block:
                yield trial
        harmless = sorted(blocks, key=lambda block: -quality[block])
        for count in range(2, len(harmless)):
            some, name = harmless[:count], f"+ {harmless[count - 1]}"
            trial = self._trial(name, some, self._recipe(some, every, rules), tried)
            if trial.name == name:
                yield trial
            if trial.shares and trial.quality < FLOOR:
                break

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

    def _rounded(self, every: Sequence[str]) -> list[str]:
        """Return the blocks of which the format rounds anything where it may round everything."""
        if EVERYTHING in self.known:
            return list(self.known[EVERYTHING].blocks)
        whole = self._made(EVERYTHING, self._recipe(every, every, self.job.recipe.rules))
        rounded = {block_of(layer) for layer, _, _ in rounding(Sidecar.read(whole))}
        return [block for block in every if block in rounded]

    def _trial(self, name: str, blocks: Sequence[str], recipe: Recipe, tried: dict[Rounding, Trial]) -> Trial:
        """Make an artifact, judge it and note it; return what is known, or was tried and rounds the same, if it is."""
        known = self.known.get(name)
        if known is not None and known.blocks == tuple(blocks) and name != FLOAT:  # others are timed beside that
            return known
        artifact = self._made(name, recipe)
        sidecar = Sidecar.read(artifact)
        found = rounding(sidecar)
        if found not in tried:
            tried[found] = self._judged(name, blocks, artifact, sidecar)
        return tried[found]

    def _judged(self, name: str, blocks: Sequence[str], artifact: Path, sidecar: Sidecar) -> Trial:
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


def rounding(sidecar: Sidecar) -> Rounding:
    """Return what an artifact rounds."""
    rules = [rule for rule in sidecar.quantization if rule["mode"] != Mode.FLOAT]
    return frozenset((layer, rule["mode"], rule["bits"]) for rule in rules for layer in rule["layers"])


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
