"""Records of kind accuracy: what a model or an artifact scores in one task, as one line of JSON.

They lie in a file `scores.jsonl` of the folder of whatever made them, which is written as a whole.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from bench.records.record import explain
from bench.records.values import STRICT, Bytes, Milliseconds
from minivlm.errors import UserError
from minivlm.storage.files import exists, is_file, is_folder, write_text

SCORES = "scores.jsonl"
WAY_OUT = "make it again by the script that wrote it"

Score = Annotated[float, Field(ge=0.0, le=10.0)]
"""0 to 1, but CIDEr-D to 10."""
Share = Annotated[float, Field(ge=0.0)]
"""Of another score; of a small one it may be many times as much."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ScoreRecord:
    """One model or artifact in one task.

    Attributes:
        row: What was scored, such as "onnx int8" or "+ H".
        model: A name of the registry.
        weights: Where they come from.
        data: Name of the folder with the examples.
        task: Name.
        examples: How many count.
        values: Metric -> number.
        score: Mean over examples of the score by which `minivlm evaluate compare` compares.
        low: Lower end of the interval that holds 95 % of resamples of the examples.
        high: Upper end.
        seeds: Trainings whose scores these are the means of.
        bytes: Of the weights or the artifact.
        latency_ms: From a photo to a caption, of a detector alone to its regions; None where it was not measured.
        timed: On which machine with how many threads that was; None where it was not measured.
        kept: Share of the score of the row "pytorch fp32"; None where there is nothing to hold it against.
        kept_low: Lower end of the interval that holds 95 % of resamples of the share.
        kept_high: Upper end.
        sha256: Of the checkpoint's file of weights; None where the row is of several, or of none.
        kind: Of the record.
        format: Version of this schema.
    """

    row: str
    model: str
    weights: str
    data: str
    task: str
    examples: Annotated[int, Field(gt=0)]
    values: Mapping[str, Score]
    score: Score
    low: Score
    high: Score
    seeds: Annotated[int, Field(gt=0)] = 1
    bytes: Bytes | None = None
    latency_ms: Milliseconds | None = None
    timed: str | None = None
    kept: Share | None = None
    kept_low: Share | None = None
    kept_high: Share | None = None
    sha256: str | None = None
    kind: Literal["accuracy"] = "accuracy"
    format: Literal[1] = 1


def write_scores(path: Path, records: Sequence[ScoreRecord]) -> None:
    """Write a file of records.

    Raises:
        UserError: It cannot be written.
    """
    write_text(path, "".join(f"{json.dumps(asdict(record), allow_nan=False)}\n" for record in records))


def read_scores(path: Path) -> list[ScoreRecord]:
    """Read a file of records.

    Raises:
        UserError: It cannot be read, or a line is no such record; the message names the line.
    """
    if not is_file(path):
        raise UserError(f"{path} is no file of scores: {WAY_OUT}")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{path} cannot be read: {WAY_OUT}") from None
    reader, found = TypeAdapter(ScoreRecord), []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(reader.validate_json(line))
        except ValidationError as error:
            raise UserError(f"{path}, line {number} is no record of a score ({explain(error)}): {WAY_OUT}") from None
    return found


def scores_below(folder: Path) -> list[ScoreRecord]:
    """Return the records of a folder and of the folders directly in it, in the order of their names.

    Raises:
        UserError: See `read_scores`.
    """
    if not is_folder(folder):
        return []
    places = [folder, *sorted(path for path in folder.iterdir() if is_folder(path))]
    return [record for place in places if exists(place / SCORES) for record in read_scores(place / SCORES)]
