"""What the command line prints: aligned text for people, one JSON object for programs."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from minivlm.console import Steps
from minivlm.errors import printable
from minivlm.inference.photo_regions import PhotoRegions
from minivlm.inference.pipeline import Pipeline
from minivlm.inference.results import TextUse
from minivlm.storage.json_text import json_text
from minivlm.weights.loading import WeightsOrigin


@dataclass
class Report:
    """What one command has to say.

    Attributes:
        command: Its name.
        lines: The result for people.
        fields: The result for programs.
        notes: What else the user should know, a line each.
    """

    command: str
    lines: list[str] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def note_cut(self, what: str, use: TextUse) -> None:
        """Note that a text was too long."""
        if use.dropped:
            total = len(use.tokens) + use.dropped
            self.notes.append(
                f"the {what} has {total} tokens, and there was room for {len(use.tokens)}: its end was cut"
            )

    def show(self, pipeline: Pipeline, stages: Steps, *, as_json: bool) -> None:
        """Print results on stdout, and where they come from and notes on stderr.

        With `as_json`, everything is in the one object on stdout.
        """
        origin = pipeline.backend.origin
        if as_json:
            head = {"command": self.command, "model": pipeline.backend.model, "weights": asdict(origin)}
            seconds = {name: round(spent, 4) for name, spent in stages.seconds.items()}
            print(json_text({**head, **self.fields, "notes": self.notes, "seconds": seconds}))
            return
        for line in self.lines:
            print(line)
        sys.stdout.flush()
        note_random(origin)
        for note in self.notes:
            print(f"note: {printable(note)}", file=sys.stderr)


def note_random(origin: WeightsOrigin) -> None:
    """Say of random weights that outputs mean nothing; of those made on the spot, which are trained."""
    if origin.random:
        trained = "" if origin.seed is None else "; --checkpoint sample is trained"
        print(f"weights: {printable(origin.description)}: outputs mean nothing{trained}", file=sys.stderr)


def region_fields(pipeline: Pipeline, path: str, regions: PhotoRegions) -> dict[str, Any]:
    """Return a photo and its valid regions for JSON; features are left to `--features`."""
    valid = regions.top(len(regions.scores))
    height, width = regions.photo_size
    unsaid = [None] * len(valid.scores)
    columns = {
        "tag": pipeline.tag_names(valid),
        "tag_id": valid.tags.tolist(),
        "score": valid.scores.tolist(),
        "attribute": pipeline.attribute_names(valid),
        "attribute_id": unsaid if valid.attributes is None else valid.attributes.tolist(),
        "attribute_score": unsaid if valid.attribute_scores is None else valid.attribute_scores.tolist(),
        "box": valid.boxes.tolist(),
        "geometry": valid.geometry.tolist(),
    }
    rows = zip(*columns.values(), strict=True)
    return {
        "path": path,
        "width": width,
        "height": height,
        "regions": [dict(zip(columns, row, strict=True)) for row in rows],
    }


def region_lines(pipeline: Pipeline, regions: PhotoRegions) -> list[str]:
    """Return a table of regions: tag with the attribute before it, score of the tag, and box."""
    names = [printable(name) for name in pipeline.phrases(regions)]
    if not names:
        return ["no regions"]
    rows = zip(names, regions.scores.tolist(), regions.boxes.tolist(), strict=True)
    corners = ("x1", "y1", "x2", "y2")
    return table(
        ["tag", "score", *corners],
        [[name, f"{score:.3f}", *(f"{corner:.0f}" for corner in box)] for name, score, box in rows],
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Align columns: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in (header, *rows)
    ]


def ranking(names: Mapping[int, str], scores: Sequence[tuple[int, float]]) -> list[str]:
    """Return lines of probability and name, in the given order of (key, probability)."""
    return [f"{probability:.3f}  {printable(names[key])}" for key, probability in scores]
