"""The benchmark's command line, checked before anything is measured."""

import argparse
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from bench.devices import DEVICES
from bench.machine.environment import available_cores
from bench.measure.request import COMPILED, PYTORCH, PYTORCH_RUNTIMES
from bench.measure.timing import PROFILES
from bench.reporting import latency
from export.core.format import PRECISIONS, Family, Format
from export.core.formats import FORMATS, family_of, require_runtime
from export.core.identity import find_artifact
from export.core.request import ExportRequest, check_writable, parse_image_size
from export.core.weights import Weights, add_weights_flags, read_weights
from minivlm.command_line import integer_argument, number_argument, script_parser
from minivlm.errors import UserError, closest, printable
from minivlm.images.photos import default_photo, load_photo
from minivlm.language.transformer import TransformerConfig
from minivlm.models.vision_language import VisionLanguageConfig
from minivlm.storage.files import check_outputs, exists
from minivlm.vision.tee import TEEConfig, check_image_size
from minivlm.weights.loading import DescribedModel, WeightsOrigin

DEFAULT_MODELS = ("tee-0", "grid-r50", "grid-x101", "r101-f", *latency.TRANSFORMERS)
DEFAULT_RUNTIMES = (PYTORCH, "executorch")
WRITTEN = ("records.jsonl", "plan.json", "tables.md", "report.html", "records.csv")
"""What a run writes into its folder."""
COMPILERS = ("g++", "clang++", "c++")
"""One of them must be there for `torch.compile`, unless CXX names another."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure, and how.

    Attributes:
        device: A key of `bench.devices.DEVICES`.
        phone: Which of several connected phones; None takes the only one.
        cool_down: Seconds that a phone may take to cool down before each measurement.
        models: Names of the registry.
        weights: Of all models.
        origin: Where these come from.
        image_size: Height and width in pixels of the vision input; None takes each model's own.
        runtimes: Names; None takes PyTorch, ExecuTorch, and every other artifact that is there already.
        precisions: Of artifacts; PyTorch runs fp32.
        threads: Numbers of threads, each for all combinations.
        photo: What vision models see.
        profile: A name of `bench.measure.timing.PROFILES`.
        repeats: Rounds.
        affinity: Cores to bind to; None leaves the processes free.
        sustained: Minutes for each measurement; None stops as the profile says.
        timeout: Seconds without any progress after which a process is stopped.
        output: Folder of the records.
        artifacts: Folder of the artifacts.
    """

    device: str
    phone: str | None
    cool_down: float
    models: list[str]
    weights: Weights
    origin: WeightsOrigin
    image_size: tuple[int, int] | None
    runtimes: list[str] | None
    precisions: list[str]
    threads: list[int]
    photo: Path
    profile: str
    repeats: int
    affinity: list[int] | None
    sustained: float | None
    timeout: float
    output: Path
    artifacts: Path


def make_parser(description: str) -> argparse.ArgumentParser:
    """Return the parser of all flags; lists and paths stay text, so that a plan can be stored."""
    parser = script_parser(description)
    add = parser.add_argument
    add("--device", default="cpu", help=f"{' | '.join(DEVICES)} (default: %(default)s, this machine)")
    add("--serial", metavar="S", help="which Android phone, as adb devices names it (default: the only one)")
    add("--udid", metavar="U", help="which iPhone, as xcrun devicectl list devices names it (default: the only one)")
    add(
        "--cool-down",
        type=number_argument,
        default=180.0,
        metavar="SECONDS",
        help="longest wait for a phone to cool down",
    )
    add("--models", metavar="A,B", help=f"default: the checkpoint's, or {','.join(DEFAULT_MODELS)}")
    add_weights_flags(parser)
    add(
        "--runtimes",
        metavar="A,B",
        help=f"of {', '.join([*PYTORCH_RUNTIMES, *FORMATS])} (default: {', '.join(DEFAULT_RUNTIMES)}, and of the "
        "others those artifacts that are there); artifacts that are missing are exported",
    )
    add("--precision", default="fp32", metavar="A,B", help=f"of {', '.join(PRECISIONS)} (default: %(default)s)")
    add(
        "--threads",
        type=str,
        default="4",
        metavar="N,M",
        help="one number, or several for a sweep (default: 4, the paper's)",
    )
    add("--image", metavar="PHOTO", help="default: a photo that comes with scikit-learn")
    add("--image-size", metavar="N|HxW", help="vision input in pixels (default: each model's own)")
    add("--profile", default="normal", help=f"{' | '.join(PROFILES)} (default: %(default)s)")
    add("--repeats", type=integer_argument, metavar="N", help="rounds, each with a fresh process for every combination")
    add("--affinity", type=str, metavar="CORES", help="cores to bind to, such as 0-3 or 0,2 (default: any)")
    add(
        "--sustained",
        type=number_argument,
        metavar="MINUTES",
        help="measure each combination for so long: latency over time",
    )
    add(
        "--timeout",
        type=number_argument,
        default=600.0,
        metavar="SECONDS",
        help="stop what shows no progress for so long",
    )
    add("--output", default="results", metavar="DIR", help="default: %(default)s")
    add("--artifacts", default="artifacts", metavar="DIR", help="default: %(default)s")
    return parser


def check_stored(flags: Mapping[str, Any], path: Path) -> None:
    """Refuse flags that a run of another version has stored, or somebody's editor.

    Args:
        flags: By name, as `make_plan` takes them.
        path: Where they were stored.

    Raises:
        UserError: One is missing, unknown, or not of the type that the parser gives it.
    """
    actions = {action.dest: action for action in make_parser("")._actions if action.dest != "help"}
    way_out = "start a new run without --resume"
    for name in sorted(actions.keys() ^ flags.keys()):
        problem = "lacks" if name in actions else "has the unknown"
        raise UserError(f"{path} is of another version, as it {problem} flag {printable(name)[:80]!r}: {way_out}")
    for name, action in actions.items():
        value = flags[name]
        kind = _kind(action)
        accepted = (int, float) if kind is float else (kind,)
        if type(value) not in accepted and not (value is None and action.default is None):
            raise UserError(f"{path} has a {name!r} that is no {kind.__name__}: {way_out}")


def _kind(action: argparse.Action) -> type:
    """Return the type of what a flag's reader returns."""
    if action.nargs == 0:
        return bool
    if action.type is None or isinstance(action.type, type):
        return action.type or str
    kind: type = get_type_hints(action.type)["return"]
    return kind


def make_plan(flags: dict[str, Any]) -> Plan:
    """Check flags, by name as the parser gives them.

    Raises:
        UserError: Anything that could not be measured.
    """
    _check_name("device", flags["device"], list(DEVICES))
    _check_name("profile", flags["profile"], list(PROFILES))
    weights = read_weights(flags["checkpoint"], flags["seed"])
    models = weights.models(flags["models"], ",".join(DEFAULT_MODELS))
    described = [weights.describe(model) for model in models]
    image_size = None if flags["image_size"] is None else _image_size(flags["image_size"], described)
    precisions = _names("--precision", flags["precision"])
    for precision in precisions:
        _check_name("precision", precision, list(PRECISIONS))
    runtimes = None if flags["runtimes"] is None else _names("--runtimes", flags["runtimes"])
    for runtime in runtimes or []:
        _check_runtime(runtime, flags["device"])
    photo = Path(flags["image"]) if flags["image"] else default_photo()
    load_photo(photo)
    profile = PROFILES[flags["profile"]]
    repeats = profile.repeats if flags["repeats"] is None else flags["repeats"]
    _check_positive("--repeats", repeats, "round")
    _check_positive("--timeout", flags["timeout"], "second")
    if flags["sustained"] is not None and not 0.0 < flags["sustained"] < float("inf"):
        raise UserError(f"--sustained {flags['sustained']:g}: give minutes, more than 0")
    output = Path(flags["output"])
    inputs = [photo] if weights.checkpoint is None else [photo, weights.checkpoint]
    check_outputs((output / name for name in WRITTEN), inputs)
    check_writable(output)
    return Plan(
        device=flags["device"],
        phone=_phone(flags),
        cool_down=flags["cool_down"],
        models=models,
        weights=weights,
        origin=described[0].origin,
        image_size=image_size,
        runtimes=runtimes,
        precisions=precisions,
        threads=_threads(flags["threads"]),
        photo=photo,
        profile=flags["profile"],
        repeats=repeats,
        affinity=None if flags["affinity"] is None else _cores(flags["affinity"]),
        sustained=flags["sustained"],
        timeout=flags["timeout"],
        output=output,
        artifacts=Path(flags["artifacts"]),
    )


def _phone(flags: dict[str, Any]) -> str | None:
    """Return the phone that is named; a flag of another device is a mistake."""
    for flag, device in (("serial", "android"), ("udid", "ios")):
        if flags[flag] is not None and flags["device"] != device:
            raise UserError(f"--{flag} goes with --device {device}, not with {flags['device']}: leave it out")
    if not 0.0 <= flags["cool_down"] < float("inf"):
        raise UserError(f"--cool-down {flags['cool_down']:g}: give seconds, 0 or more")
    phone: str | None = flags["serial"] or flags["udid"]
    return phone


def runtimes_for(plan: Plan, model: str, precision: str) -> list[str]:
    """Return the runtimes to try: those asked for, or the default ones and those whose artifact is there."""
    if plan.runtimes is not None:
        return plan.runtimes
    there = [
        runtime
        for runtime, target in FORMATS.items()
        if runtime not in DEFAULT_RUNTIMES and _exported(plan, model, target, precision) and _installed(runtime)
    ]
    return [*DEFAULT_RUNTIMES, *there]


def _check_runtime(runtime: str, device: str) -> None:
    _check_name("runtime", runtime, [*PYTORCH_RUNTIMES, *FORMATS])
    if runtime in FORMATS and device == "cpu":
        require_runtime(FORMATS[runtime])
        if not FORMATS[runtime].runs_here:
            raise UserError(
                f"{FORMATS[runtime].title} runs on Apple's systems only: measure it on a Mac, or with --device ios"
            )
    if runtime == COMPILED and not any(map(shutil.which, [os.environ.get("CXX", ""), *COMPILERS])):
        raise UserError(f"{COMPILED} needs a C++ compiler, and none of {', '.join(COMPILERS)} is here: install g++")


def request_of(plan: Plan, model: str, runtime: str, precision: str) -> ExportRequest:
    """Return the export of a model as the plan measures it.

    Raises:
        UserError: It is a baseline, which has no artifacts.
    """
    return ExportRequest(
        runtime,
        model,
        precision,
        checkpoint=plan.weights.checkpoint,
        image_size=None if family_of(model) is Family.TRANSFORMER else plan.image_size,
        output=plan.artifacts,
        photo=plan.photo,
        seed=plan.weights.seed,
    )


def _image_size(text: str, models: list[DescribedModel]) -> tuple[int, int]:
    """Read a size that all models take whose input is a photo."""
    size = parse_image_size(text)
    taken = False
    for model in models:
        config = model.config.vision if isinstance(model.config, VisionLanguageConfig) else model.config
        if isinstance(config, TEEConfig):
            check_image_size(size, config.size_multiple)
            taken = True
        elif not isinstance(config, TransformerConfig):
            raise UserError(f"--image-size: {model.name} takes photos by their short side: leave one of the two out")
    if not taken:
        raise UserError("--image-size goes with a vision model, and none is to be measured: leave it out")
    return size


def _exported(plan: Plan, model: str, target: Format, precision: str) -> bool:
    try:
        return exists(find_artifact(request_of(plan, model, target.runtime, precision)))
    except UserError:
        return False  # a baseline has no artifacts


def _installed(runtime: str) -> bool:
    try:
        require_runtime(FORMATS[runtime])
    except UserError:
        return False
    return FORMATS[runtime].runs_here


def _names(flag: str, text: str) -> list[str]:
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise UserError(f"{flag} {text!r}: give at least one name")
    return list(dict.fromkeys(names))


def _threads(text: str) -> list[int]:
    try:
        counts = [int(part) for part in text.split(",") if text.isascii()]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise UserError(
            f"--threads {text}: give a number of at least 1, or several such as 1,2,4; "
            f"this machine has {available_cores()} cores"
        )
    return list(dict.fromkeys(counts))


def _cores(text: str) -> list[int]:
    """Read "0-3" or "0,2" as core numbers that this process may use."""
    if not hasattr(os, "sched_getaffinity"):
        raise UserError(f"--affinity {text}: this system cannot bind a process to cores; leave it out")
    allowed = sorted(os.sched_getaffinity(0))
    cores: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"\s*([0-9]+)(?:-([0-9]+))?\s*", part)
        if found is None:
            raise UserError(f"--affinity {text}: give core numbers, such as 0-3 or 0,2")
        first, last = int(found[1]), int(found[2] or found[1])
        if not first <= last <= allowed[-1] or not set(range(first, last + 1)) <= set(allowed):
            raise UserError(f"--affinity {text}: this process may use the cores {', '.join(map(str, allowed))}")
        cores.update(range(first, last + 1))
    return sorted(cores)


def _check_positive(flag: str, value: float, unit: str) -> None:
    if not 1 <= value < float("inf"):
        raise UserError(f"{flag} {value:g}: give at least 1 {unit}")


def _check_name(kind: str, given: str, known: list[str]) -> None:
    if given not in known:
        raise UserError(f"unknown {kind} {given!r}: {closest(given, known)}")
