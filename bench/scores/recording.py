"""Records of what was scored, for reports and pages."""

from collections.abc import Sequence
from pathlib import Path

from bench.records.scores import ScoreRecord
from bench.scores.means import mean_of_results
from bench.scores.showing import ScoredRow
from export.verify.scores import results_file
from minivlm.inference.backend import TorchBackend
from minivlm.inference.detector import TorchDetector
from minivlm.models.costs import count_params

FLOAT_BYTES = 4


def score_records(
    rows: Sequence[ScoredRow], reference: TorchBackend | TorchDetector, *, data: str, folder: Path
) -> list[ScoreRecord]:
    """Return a record for each row and task.

    Args:
        rows: What was scored.
        reference: The model in PyTorch, which holds four bytes for each parameter, however its file does.
        data: Name of the data.
        folder: Where the results lie, see `results_file`.
    """
    held = FLOAT_BYTES * count_params(reference.module)[0]
    return [
        ScoreRecord(
            row=row.candidate.name,
            model=reference.model,
            weights=reference.origin.description,
            sha256=reference.origin.sha256,
            data=data,
            task=task,
            examples=one.outcome.examples,
            values=dict(one.outcome.values),
            score=mean.value,
            low=mean.low,
            high=mean.high,
            bytes=row.candidate.bytes or held,
            latency_ms=None if row.latency is None else row.latency.ms,
            timed=None if row.latency is None else row.latency.timed,
            kept=None if one.kept is None else one.kept.share,
            kept_low=None if one.kept is None else one.kept.low_share,
            kept_high=None if one.kept is None else one.kept.high_share,
        )
        for row in rows
        for task, one in row.scores.items()
        for mean in [mean_of_results(results_file(folder, row.candidate.name, task))]
    ]
