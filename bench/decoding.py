"""How much a cached captioning step saves, and what the rest of its time is bound by.

    python bench/decoding.py --threads 2
    python bench/decoding.py --threads 2 --artifact artifacts/minivlm-executorch-fp32.pte
    python bench/decoding.py --checkpoint DIR

Writes captions of 20 tokens by full recomputation and with cached keys and values, in turns within one process so that
a change of the machine's speed hits all alike. Every step reads each weight once; the bytes are held against the
memory bandwidth measured in the same run.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from bench.machine.rates import read_bandwidth
from bench.reporting.cells import Cell, Row, Table, wide_console
from bench.session.flags import add_threads_flag
from export.core.formats import FORMATS
from export.core.sidecar import Sidecar
from export.core.weights import add_weights_flags, read_weights
from export.runtime.artifact_backend import open_backend
from minivlm.command_line import path_argument, script_parser, whole_argument
from minivlm.console import Steps
from minivlm.errors import UserError, run_command
from minivlm.inference.backend import Backend, TorchBackend, load_torch_backend
from minivlm.language.decoding import CaptionSession
from minivlm.language.layout import CAPTIONING, CaptionContext
from minivlm.language.sessions import FullSession

STEPS = CAPTIONING.caption_length - 1
"""Steps of a caption of full length, [CLS] given."""


def sample_context(backend: TorchBackend) -> CaptionContext:
    """Return a full context: tags in every slot and 50 regions of made-up numbers."""
    config = backend.config.language
    generator = torch.Generator().manual_seed(0)
    tags = torch.randint(config.vocabulary, (CAPTIONING.tag_length,), generator=generator).tolist()
    regions = torch.randn(CAPTIONING.regions, config.region_dim, generator=generator)
    special = backend.labels.tokenizer.special
    return CAPTIONING.context(tags, regions, torch.ones(CAPTIONING.regions, dtype=torch.bool), special)


def write_caption(begin: Callable[[], CaptionSession], first_token: int) -> tuple[float, float]:
    """Write a caption of full length; returns the seconds before the first step and those of all steps."""
    start = time.perf_counter()
    session = begin()
    ready = time.perf_counter()
    token = first_token
    for _ in range(STEPS):
        token = int(session.advance([0], [token]).argmax())
    return ready - start, time.perf_counter() - ready


def step_bytes(language: nn.Module) -> int:
    """Return the bytes of weights that one cached step reads: encoder layers and caption head."""
    parts = (language.get_submodule("encoder"), language.get_submodule("caption_head"))
    return sum(parameter.numel() * parameter.element_size() for part in parts for parameter in part.parameters())


def measure(ways: dict[str, Callable[[], CaptionSession]], first_token: int, rounds: int) -> dict[str, list[float]]:
    """Return by way the seconds of each round's caption; and under "NAME steps" those of its steps alone."""
    found: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        for name, begin in ways.items():
            before, steps = write_caption(begin, first_token)
            if number:  # the first round warms up
                found.setdefault(name, []).append(before + steps)
                found.setdefault(f"{name} steps", []).append(steps)
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = script_parser(__doc__)
    add_threads_flag(parser)
    parser.add_argument(
        *("--repeats", "--rounds"),
        type=whole_argument(2, 10**6),
        default=7,
        metavar="N",
        help="captions of each way (default: %(default)s)",
    )
    parser.add_argument(
        "--artifact", type=path_argument, metavar="FILE", help="measure the steps of this artifact of the model as well"
    )
    add_weights_flags(parser)
    arguments = parser.parse_args(argv)
    weights = read_weights(arguments.checkpoint, arguments.seed)
    steps = Steps()
    torch.set_num_threads(arguments.threads)
    with steps.step("load the model"):
        name = "minivlm" if weights.checkpoint is None else None
        backend = load_torch_backend(name, checkpoint=weights.checkpoint, seed=weights.seed)
        language, special = backend.module.language, backend.labels.tokenizer.special
        context = sample_context(backend)
        ways: dict[str, Callable[[], CaptionSession]] = {
            "full recomputation": lambda: FullSession(language, CAPTIONING, context, special.mask),
            "cached": lambda: backend.session(context),
        }
        if arguments.artifact:
            artifact = open_backend(arguments.artifact, arguments.threads)
            check_same(artifact, backend, arguments.artifact)
            ways[f"cached, {title_of(arguments.artifact)}"] = lambda: artifact.session(context)
    with steps.step(f"write {arguments.repeats + 1} captions of each way"), torch.inference_mode():
        seconds = measure(ways, special.cls, arguments.repeats)
        bandwidth = read_bandwidth()
    note = f"{backend.model}, weights {backend.origin.description}"
    _table(note, list(ways), seconds, step_bytes(language), bandwidth, arguments.threads).show(wide_console())


def check_same(artifact: Backend, backend: Backend, path: Path) -> None:
    """Refuse an artifact of another model or of other weights than those it is held against.

    Raises:
        UserError: Saying what it is of.
    """
    if (artifact.model, artifact.origin.identity) != (backend.model, backend.origin.identity):
        raise UserError(
            f"{path} is of {artifact.model}, weights {artifact.origin.description}, and {backend.model} with weights "
            f"{backend.origin.description} is measured: export that one"
        )


def title_of(artifact: Path) -> str:
    """Return what an artifact is called in the table: its runtime and precision."""
    sidecar = Sidecar.read(artifact)
    return f"{FORMATS[sidecar.runtime].title}, {sidecar.precision}"


def _table(
    model: str,
    ways: Sequence[str],
    seconds: dict[str, list[float]],
    weight_bytes: int,
    bandwidth: float,
    threads: int,
) -> Table:
    slowest = statistics.median(seconds[ways[0]])
    rows = []
    for name in ways:
        per_step = statistics.median(seconds[f"{name} steps"]) / STEPS
        low, caption, high = statistics.quantiles(seconds[name], n=4, method="inclusive")
        rows.append(
            Row(
                name,
                [
                    Cell("caption ms", None, caption * 1e3, detail=f" ± {(high - low) * 5e2:.1f}"),
                    Cell("step ms", None, per_step * 1e3, digits=2),
                    Cell("times faster", None, slowest / caption, digits=2),
                    Cell("GB/s of weights", None, weight_bytes / per_step / 1e9),
                ],
            )
        )
    note = (
        f"{STEPS} steps with {threads} threads. A cached step reads {weight_bytes / 1e6:.0f} MB of weights; this "
        f"memory reads {bandwidth / 1e9:.0f} GB/s, so no step is faster than {weight_bytes / bandwidth * 1e3:.1f} ms. "
        "Full recomputation reads as much and is bound by arithmetic."
    )
    return Table(f"Captions of 20 tokens, {model}", note, rows)


if __name__ == "__main__":
    run_command(main)
