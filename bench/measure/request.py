"""What one process of the benchmark is asked to measure."""

import json
from dataclasses import asdict, dataclass

from bench.records.record import Combination

PYTORCH = "pytorch"
COMPILED = "pytorch-compiled"
PYTORCH_RUNTIMES = (PYTORCH, COMPILED)
"""They run the model itself, in fp32; every other runtime runs an artifact."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One repeat of one combination.

    Attributes:
        run: Id of the benchmark's invocation.
        round: Which repeat.
        photo: File.
        profile: A name of `bench.measure.timing.PROFILES`.
        artifact: File to run; None runs the model in PyTorch.
        checkpoint: Folder with weights for PyTorch; None takes random ones.
        sha256: Of the checkpoint's weights: others are not measured, whoever put them there meanwhile.
        seed: Of random weights.
        image_size: Height and width of the vision input in pixels; None takes the model's own.
        affinity: Cores to bind the process to; None leaves it free.
        sustained: Minutes for which to go on measuring; None stops as the profile says.
    """

    run: str
    round: int
    model: str
    runtime: str
    precision: str
    threads: int
    photo: str
    profile: str
    artifact: str | None = None
    checkpoint: str | None = None
    sha256: str | None = None
    seed: int = 0
    image_size: tuple[int, int] | None = None
    affinity: list[int] | None = None
    sustained: float | None = None

    @property
    def combination(self) -> Combination:
        """What this is a repeat of."""
        return Combination("cpu", self.model, self.runtime, self.precision, self.threads)

    def to_json(self) -> str:
        """Return the request as one line."""
        return json.dumps(asdict(self))
