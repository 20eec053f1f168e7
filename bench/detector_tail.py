"""Which share of a detector's time goes into its tail, all that is neither convolution nor linear layer.

The tail is what lies between the RPN's convolutions and the regions, less the box head's linear layers: proposal
decoding and selection, NMS, RoIAlign and the choice of regions.

    python bench/detector_tail.py --threads 2
    python bench/detector_tail.py --model tee-0 --runtimes executorch,litert --repeats 40
    python bench/detector_tail.py --checkpoint DIR     # of a detector, or of a whole model with one

The detector is converted whole and once more without its tail; both run in turns within one process, so that a change
of the machine's speed hits both alike. What the second lacks is the tail.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.reporting.cells import Cell, Row, Table, wide_console
from bench.session.flags import add_threads_flag
from export.core.catalogue import regions_method
from export.core.exporter import Exporter
from export.core.flags import add_runtimes_flag
from export.core.format import Family, Format
from export.core.formats import FORMATS, exporter_of, family_of, program_class
from export.core.methods import Method
from export.core.recipe import Recipe
from export.core.weights import Weights, add_weights_flags, read_weights
from export.runtime.program import Program
from minivlm.command_line import script_parser, whole_argument
from minivlm.console import Steps
from minivlm.errors import UserError, run_command
from minivlm.images.photos import default_photo
from minivlm.models.registry import parts_of
from minivlm.vision.tee import TEE
from minivlm.weights.loading import load_model

WARMUP = 3
GOAL = 15.0
"""Percent of the detector's time that the tail may take; what a runtime's stock operators make of it is 70."""


class Tailless(nn.Module):
    """A detector's networks: backbone, BiFPN, RPN convolutions, and the box head on RoIs that are given."""

    def __init__(self, detector: TEE) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, image: Tensor, pooled: Tensor) -> tuple[Tensor, ...]:
        """Run the networks.

        Args:
            image: (1, 3, H, W) normalised.
            pooled: (R, C, P, P), what RoIAlign would have read.
        """
        levels = self.detector.backbone(image)
        return (*self.detector.rpn(levels), *self.detector.box_head(pooled))


def tailless_method(detector: TEE, whole: Method) -> Method:
    """Return the method without the tail, on the same image."""
    config = detector.config
    generator = torch.Generator().manual_seed(0)
    shape = (config.rpn.proposals, config.channels, config.pool_size, config.pool_size)
    inputs = {"image": whole.inputs["image"], "pooled": torch.randn(shape, generator=generator)}
    outputs = ("objectness", "rpn_deltas", "features", "class_logits", "box_deltas")
    return Method("forward", Tailless(detector).eval(), inputs, outputs, detector=True)


@dataclass(frozen=True)
class Tail:
    """Medians over rounds, milliseconds and percent; the share of a round is that of two runs side by side."""

    whole: float
    networks: float
    share: float
    spread: float


def tail_of(whole: Sequence[float], networks: Sequence[float]) -> Tail:
    """Judge rounds of milliseconds with and without the tail."""
    shares = [100.0 * (1.0 - less / all_) for all_, less in zip(whole, networks, strict=True)]
    low, share, high = statistics.quantiles(shares, n=4, method="inclusive")
    return Tail(statistics.median(whole), statistics.median(networks), share, (high - low) / 2.0)


def in_turns(calls: Sequence[Callable[[], object]], rounds: int) -> list[list[float]]:
    """Run calls one after another, round by round; returns the milliseconds of each."""
    found: list[list[float]] = [[] for _ in calls]
    for number in range(WARMUP + rounds):
        for call, milliseconds in zip(calls, found, strict=True):
            start = time.perf_counter()
            call()
            if number >= WARMUP:
                milliseconds.append((time.perf_counter() - start) * 1e3)
    return found


def measure(target: Format, detector: TEE, threads: int, rounds: int, steps: Steps) -> Tail:
    """Convert both, and run them in turns."""
    exporter: Exporter = exporter_of(target)
    whole = regions_method("forward", detector, None, default_photo())
    methods = [whole, tailless_method(detector, whole)]
    with tempfile.TemporaryDirectory() as folder:
        programs: list[Program] = []
        for name, method in zip(("whole", "tailless"), methods, strict=True):
            path = Path(folder, name).with_suffix(f".{target.suffix}")
            exporter.build([method], Recipe("fp32"), path, steps)
            programs.append(program_class(target)(path, threads))
        calls = [
            lambda program=program, method=method: program.run("forward", method.example)
            for program, method in zip(programs, methods, strict=True)
        ]
        with steps.step(f"run both in {target.title}, {rounds} rounds"):
            return tail_of(*in_turns(calls, rounds))


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = script_parser(__doc__)
    runtimes = [name for name, target in FORMATS.items() if target.runs_here]
    parser.add_argument("--model", help="a detector (default: the checkpoint's, or tee-0)")
    add_weights_flags(parser)
    add_runtimes_flag(parser, runtimes)
    add_threads_flag(parser)
    parser.add_argument(
        "--repeats", "--rounds", type=whole_argument(2, 10**6), default=20, metavar="N", help="default: %(default)s"
    )
    arguments = parser.parse_args(argv)
    weights = read_weights(arguments.checkpoint, arguments.seed)
    model = detector_of(weights, arguments.model)
    steps = Steps()
    named = load_model(model, checkpoint=weights.checkpoint, seed=weights.seed)
    detector = named.module
    assert isinstance(detector, TEE)
    steps.say(f"weights: {named.origin.description}")
    found = {
        name: measure(FORMATS[name], detector, arguments.threads, arguments.repeats, steps)
        for name in arguments.runtimes
    }
    tail_table(model, arguments.threads, arguments.repeats, found).show(wide_console())


def detector_of(weights: Weights, asked: str | None) -> str:
    """Return the name of the detector to measure.

    Args:
        weights: Whose it is.
        asked: Its name; None takes the checkpoint's, the part of a whole model where it is one, or tee-0.

    Raises:
        UserError: It is no detector, or the checkpoint holds none, or another.
    """
    (model,) = weights.models(None if asked is None else [asked], ["tee-0"])
    if asked is None:
        model = next((name for name, part in parts_of(model).items() if part == "vision"), model)
    if family_of(model) is not Family.DETECTOR:
        raise UserError(f"{model} has no tail: name a detector, tee-0..3")
    weights.describe(model)
    return model


def tail_table(model: str, threads: int, rounds: int, found: dict[str, Tail]) -> Table:
    """Return a row a runtime."""
    rows = [
        Row(
            name,
            [
                Cell("whole ms", None, tail.whole),
                Cell("networks ms", None, tail.networks),
                Cell("tail %", None, tail.share, detail=f" ± {tail.spread:.1f}"),
            ],
        )
        for name, tail in found.items()
    ]
    note = f"Medians of {rounds} rounds, {threads} threads, half the interquartile range. Wanted: at most {GOAL:g} %."
    return Table(f"The tail of {model}", note, rows)


if __name__ == "__main__":
    run_command(main)
