"""What a model scored, from the folders that `minivlm evaluate --output` wrote, with intervals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minivlm.errors import UserError
from minivlm.evaluation.intervals import AREA, MEANS, Interval, area_interval, mean_interval, mean_scores
from minivlm.evaluation.records import read_results
from minivlm.evaluation.scoring import ALL_NAMES
from minivlm.scenes.judging import judges_of
from minivlm.storage.files import exists
from minivlm.storage.json_files import read_object

WAY_OUT = "give a folder that minivlm evaluate TASK --output DIR wrote"
ATTRIBUTES = "attributes@.5"
TRUE = "true captions"
AREAS: Mapping[str, str] = {AREA: "found", ALL_NAMES: "named"}
"""Mean average precisions -> the part of a record that they score."""
SHOWN: Mapping[str, tuple[str, ...]] = {
    "detection": (*AREAS, "boxes found and named", ATTRIBUTES, "region recall@.5"),
    "caption": (TRUE, "CIDEr", "BLEU-4"),
    "vqa": ("accuracy",),
    "nlvr2": ("accuracy",),
    "retrieval": ("text R@1", "image R@1"),
}
"""Task -> metrics of the card, in order."""

Told = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number; see `shown`.

    Attributes:
        value: 0 to 1, CIDEr to 10.
        interval: That holds 95 % of resamples; None where results example by example are not there.
        examples: Of the task.
    """

    value: float
    interval: Interval | None
    examples: int

    @property
    def shown(self) -> str:
        """The number times 100, with its interval."""
        ends = "" if self.interval is None else f" ({100 * self.interval[0]:.1f} to {100 * self.interval[1]:.1f})"
        return f"{100 * self.value:.1f}{ends}"


Scores = Mapping[tuple[str, str], Score]
"""Task and metric -> number."""


@dataclass(frozen=True, kw_only=True)
class ScoreFolder:
    """What is in a folder.

    Attributes:
        scores: By task and metric.
        weights: SHA-256 of the weights that were scored, one or several.
    """

    scores: Scores
    weights: frozenset[str]


def read_scores(folder: Path, data: Path | None, tell: Told = lambda text: None) -> ScoreFolder:
    """Read a folder, and find intervals.

    Args:
        folder: With TASK.json and, for intervals, TASK.jsonl.
        data: Scenes that were scored: where they are given, captions are held against them.
        tell: Is told what is read.

    Raises:
        UserError: It holds no results, or something else.
    """
    scores: dict[tuple[str, str], Score] = {}
    weights: set[str] = set()
    for task in SHOWN:
        if not exists(folder / f"{task}.json"):
            continue
        tell(f"{folder.name}, {task}")
        said = read_object(folder / f"{task}.json", "a score of minivlm evaluate", WAY_OUT)
        if said.get("task") != task or not isinstance(said.get("values"), dict):
            raise UserError(f"{folder / f'{task}.json'} is no score of {task}: {WAY_OUT}")
        weights.add(str(said.get("weights", {}).get("sha256")))
        for name, (value, interval) in _all_scores(task, said, folder / f"{task}.jsonl", data).items():
            scores[task, name] = Score(value=value, interval=interval, examples=said.get("examples", 0))
    if not scores:
        raise UserError(f"{folder} holds no {', '.join(f'{task}.json' for task in SHOWN)}: {WAY_OUT}")
    ordered = {
        (task, name): scores[task, name] for task, names in SHOWN.items() for name in names if (task, name) in scores
    }
    return ScoreFolder(scores=ordered, weights=frozenset(weights))


def _all_scores(
    task: str, said: Mapping[str, Any], kept: Path, data: Path | None
) -> dict[str, tuple[float, Interval | None]]:
    """Return metric -> number and interval: as the score says them, else from the results example by example."""
    intervals = said.get("intervals", {})
    found: dict[str, tuple[float, Interval | None]] = {
        name: (value, tuple(intervals[name]) if name in intervals else None) for name, value in said["values"].items()
    }
    if not exists(kept):
        return found
    results = read_results(kept)
    records = [record for record in results.records.values() if "error" not in record]
    for name, rows in AREAS.items():
        if task == "detection" and name in found:
            found[name] = area_interval(records, said=rows)
    if task == "caption" and data is not None:
        found[TRUE] = _true_captions(records, data)
    if task in MEANS:
        for name, one in mean_scores(task, records).items():
            found[name] = one
    return found


def _true_captions(records: Sequence[Mapping[str, Any]], data: Path) -> tuple[float, Interval]:
    """Return the share of captions that the grammar can read and that are true of their scene."""
    judges = judges_of(data / "boxes.json")
    try:
        right = [float(judges[int(record["id"])](record["caption"]) is True) for record in records]
    except (KeyError, ValueError):
        raise UserError(f"{data} are not the scenes that were scored: give those, or leave them out") from None
    return sum(right) / len(right), mean_interval(right)
