"""What an artifact keeps of what its model can do, as the sidecar says it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class TaskShare:
    """One task.

    Attributes:
        task: Name.
        metric: Of the two scores.
        examples: How many both answered.
        data_sha256: Of all that the task's data says, see `minivlm.evaluation.run.fingerprint`.
        pytorch: The model's score.
        artifact: The artifact's.
        share: The second divided by the first; None where the model scores nothing.
        measure: What of each example the paired share is of. It is the metric's own where that is a mean over examples,
            as it is not in detection.
        paired_share: What the artifact keeps of its mean; None where the model has nothing of it.
        low: Lower end of the interval that holds 95 % of resamples of the examples, the same for both; None where a
            resample may have nothing to keep.
        high: Upper end.
    """

    task: str
    metric: str
    examples: int
    data_sha256: str
    pytorch: float
    artifact: float
    share: float | None
    measure: str
    paired_share: float | None
    low: float | None
    high: float | None

    @property
    def least(self) -> float | None:
        """The less of both shares; None where there is nothing to keep."""
        shares = [share for share in (self.share, self.paired_share) if share is not None]
        return float(np.min(shares)) if shares else None  # NaN, if one is

    def __str__(self) -> str:
        scores = f"{self.task}: {self.metric} {self.artifact:.4f} of {self.pytorch:.4f}"
        if self.least is None:
            return f"{scores}: nothing to keep"
        interval = "" if self.low is None or self.high is None else f" ({self.low:.1%} to {self.high:.1%})"
        share = "" if self.share is None else f", {self.share:.1%} kept"
        paired = "" if self.paired_share is None else f"; of {self.measure} {self.paired_share:.1%}{interval}"
        return f"{scores}{share}{paired}; {self.examples:,} examples"


@dataclass(frozen=True, kw_only=True)
class TaskProof:
    """All tasks, over the same examples as the model in PyTorch.

    Attributes:
        data: Name of the folder with the data.
        floor: Least share to keep.
        tasks: In the order in which they were scored.
    """

    data: str
    floor: float
    tasks: Sequence[TaskShare]

    @property
    def failed(self) -> list[TaskShare]:
        """Tasks of which too little is kept."""
        return [one for one in self.tasks if one.least is not None and not one.least >= self.floor]
