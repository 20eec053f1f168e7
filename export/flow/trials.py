"""What a study of sensitivity found: its trials, which of them nothing beats, and the file that keeps them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from minivlm.errors import UserError, printable
from minivlm.storage.files import write_text
from minivlm.storage.json_files import read_object
from minivlm.storage.json_text import json_text

FLOAT, TABLE, EVERYTHING = "float", "the format's table", "everything"
"""Names of the trials that are of no block."""
KIND = "sensitivity"
ENDING = f"-{KIND}.json"
"""Of the name of a file with findings."""
SAME_SHARE, SAME_DECIBELS, SAME_BYTES = 0.003, 0.5, 0.01
"""What two artifacts differ by that are alike: shares of a score over 150 examples scatter by that much, and no one
chooses by less. Times are alike where their quartiles overlap."""


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

    def beats(self, other: "Trial") -> bool:
        """Tell whether it is clearly better than another in quality, bytes or time, and in none of them clearly worse.

        Quality is scores and decibels: half the steps of a feature are seen in decibels long before 150 examples of one
        task show them. Bytes count on their own: what is stored in few bits and computed in float gains nothing else.
        Scores and times count where both have them.
        """
        sides = [
            _side(self.decibels - other.decibels, SAME_DECIBELS),
            _side(float(other.bytes - self.bytes), SAME_BYTES * other.bytes),
        ]
        if self.shares and other.shares:
            sides.append(_side(self.quality - other.quality, SAME_SHARE))
        if self.speed is not None and other.speed is not None:
            sides.append((self.speed.low > other.speed.high) - (self.speed.high < other.speed.low))
        return max(sides) > 0 and min(sides) >= 0


def _rounding(rules: Sequence[str]) -> list[str]:
    """Return a table without the rules that leave whole modules in float: trials go by the others, see `Study`."""
    return [rule for rule in rules if not re.fullmatch(r"[^()]*: float", rule)]


def _side(more: float, alike: float) -> int:
    """Return 1 for what is clearly more, -1 for what is clearly less, and 0 for neither."""
    return (more > alike) - (more < -alike)


def front(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials that no other beats."""
    return [trial for trial in trials if not any(other.beats(trial) for other in trials)]


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """On what trials were scored.

    Attributes:
        data: Name of the folder.
        examples: Task -> how many.
        floor: Share of each score below which blocks were no longer added.
    """

    data: str
    examples: Mapping[str, int]
    floor: float


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All of a study.

    Attributes:
        command: That made it.
        model: Its name.
        weights: What they are.
        runtime: Of the format.
        precision: Of the rounded trials.
        threads: Of the runtime.
        turns: That each one's time was taken in.
        rules: The format's table as text, as it held for this model.
        calibration_photos: That ranges were measured on; 0 where nothing was calibrated.
        scoring: None where no data was given.
        versions: Of the tools, and the kind of machine.
        trials: In the order in which they were made.
    """

    command: str
    model: str
    weights: str
    runtime: str
    precision: str
    threads: int
    turns: int
    rules: Sequence[str]
    calibration_photos: int
    scoring: Scoring | None
    versions: Mapping[str, str]
    trials: Sequence[Trial]

    @property
    def table(self) -> Trial:
        """The trial of the format's table."""
        return next(trial for trial in self.trials if trial.name == TABLE)

    def known_to(self, later: "Findings", path: Path) -> dict[str, Trial]:
        """Return by name what a later study need not try again: all, but the table's if the table is another now.

        Args:
            later: Its facts.
            path: That this was read from.

        Raises:
            UserError: The later study asks for something else, or its table rounds what it rounds in another way.
        """
        mine, its = (
            asdict(one) | {"rules": _rounding(one.rules), "command": "", "trials": ()} for one in (self, later)
        )
        other = [name for name in mine if mine[name] != its[name]]
        if other:
            raise UserError(f"{path} is of a study with other {', '.join(other)}: leave out --resume, or move it away")
        same = list(self.rules) == list(later.rules)
        return {trial.name: trial for trial in self.trials if same or trial.name != TABLE}

    def write(self, path: Path) -> None:
        """Write it as JSON; `front` of each trial is for people, and nobody reads it back."""
        best = {trial.name for trial in front(self.trials)}
        trials = [asdict(trial) | {"front": trial.name in best} for trial in self.trials]
        write_text(path, f"{json_text({'kind': KIND} | asdict(self) | {'trials': trials})}\n")

    @classmethod
    def read(cls, path: Path) -> "Findings":
        """Read what a study has written.

        Raises:
            UserError: It cannot be read, is something else, or has no trial of the format's table.
        """
        what, way_out = "a file of export/sensitivity.py", "run that again"
        content = read_object(path, what, way_out)
        if content.pop("kind", None) != KIND:
            raise UserError(f"{path} is not {what}: {way_out}")
        try:
            found = _reader().validate_json(json_text(content), strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            place = printable(".".join(str(part) for part in first["loc"]))
            raise UserError(f"{path} is not {what} ({place:.80}: {first['msg']}): {way_out}") from None
        if all(trial.name != TABLE for trial in found.trials):
            raise UserError(f"{path} has no trial of {TABLE}: {way_out}")
        return found


@cache
def _reader() -> TypeAdapter[Findings]:
    return TypeAdapter(Findings)


def rows(trials: Sequence[Trial]) -> list[dict[str, str]]:
    """Return a line for each trial, by column; a star marks what no other beats."""
    tasks = list(dict.fromkeys(task for trial in trials for task in trial.shares))
    best = {trial.name for trial in front(trials)}
    return [
        {
            "": "*" if trial.name in best else "",
            "rounded": trial.name,
            "dB": f"{trial.decibels:.1f}",
            **{f"{task} kept": f"{trial.shares[task]:.1%}" if task in trial.shares else "" for task in tasks},
            "times as fast": _times(trial.speed),
            "MB": f"{trial.bytes / 1e6:.2f}",
        }
        for trial in trials
    ]


def _times(speed: Speed | None) -> str:
    return "not measured" if speed is None else f"{speed.median:.2f} ({speed.low:.2f} to {speed.high:.2f})"
