"""What can go wrong, by kind: each makes a folder with one thing wrong in it, and a command line that meets it."""

import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from bench import compare, int8, report, run, tables
from bench.records.file import append
from export import to_executorch, to_onnx
from minivlm.cli import main as cli
from minivlm.weights.making import make_random
from tests.bench.samples import FAILED, SAMPLE
from tests.fuzz.damage import STRANGE_TEXTS, damage_file
from tests.fuzz.outcome import Command
from tests.images.test_damaged_photos import FORMATS, photo_file
from tests.tiny import save_photo

MODEL = "minivlm-tiny"
FULL_DISK_SHARE = 0.15
"""Of the rounds that have a full disk, besides whatever else is wrong."""


@dataclass(frozen=True)
class Originals:
    """Sound things, made once; each round damages a copy.

    Attributes:
        folder: Holds photo.png, checkpoint/, records.jsonl, photos/ and, if they were made, artifacts/.
    """

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "Originals":
        """Make everything but artifacts, whose export takes seconds."""
        save_photo(folder / "photo.png")
        make_random(folder / "checkpoint", MODEL)
        for number in range(4):
            for model, milliseconds in (("tee-0", 10.0), ("minilm", 30.0)):
                record = replace(SAMPLE, model=model, round=number, samples={"forward": [milliseconds + number] * 3})
                append(folder / "records.jsonl", record)
            append(folder / "records.jsonl", replace(FAILED, round=number))
        (folder / "photos").mkdir()
        for kind in FORMATS:
            (folder / "photos" / f"photo.{kind.lower()}").write_bytes(photo_file(kind))
        return cls(folder)

    def add_artifact(self) -> None:
        """Export the tiny model once."""
        to_onnx.main(["--model", MODEL, "--output", str(self.folder / "artifacts")])


def random_command(originals: Originals, work: Path, rng: random.Random) -> Command:
    """Words in any order: subcommands, flags, values that fit and values that do not."""
    values = [
        *(str(originals.folder / name) for name in ("photo.png", "checkpoint", "records.jsonl", "nowhere", "")),
        *(str(work / name) for name in ("out.png", "out.json", "out", "new")),
        *("a question", "tee-tiny", MODEL, "pytorch", "fp32", "int8", "0", "1", "3", "1,2", "128", "96x128", "ONNX"),
        *STRANGE_TEXTS,
    ]
    name = rng.choice(sorted(FLAGS))
    main, heads, flags = FLAGS[name]
    words = [rng.choice(heads)] if heads and rng.random() < 0.9 else []
    words += [rng.choice(values) for _ in range(rng.randrange(4))]
    for _ in range(rng.randrange(5)):
        words.append(rng.choice(flags))
        if rng.random() < 0.8:
            words.append(rng.choice(values))
    if rng.random() < 0.2:
        rng.shuffle(words)
    if name in HEAVY and "--help" not in words:  # what would run for seconds must stumble first
        words.append(rng.choice(["--no-such-flag", "--model=no-such-model", "--models=no-such-model"]))
    usable = tuple(word.replace("\0", "\x01") for word in words)  # no shell can pass a null character
    return Command(main, usable, frozenset({0, 1, 2}) if name == "compare" else frozenset({0, 2}))


FLAGS: Mapping[str, tuple[Callable[[Sequence[str]], None], tuple[str, ...], tuple[str, ...]]] = MappingProxyType(
    {
        "minivlm": (
            cli.main,
            ("regions", "caption", "vqa", "nlvr2", "retrieve", "checkpoint", "--help"),
            (
                *("--checkpoint", "--artifact", "--model", "--seed", "--features", "--json", "--plot", "--top"),
                *("--beams", "--max-length", "--photo", "--bert", "--backbone", "random", "import", "-h", "--jso"),
            ),
        ),
        "compare": (compare.main, (), ("--markdown", "--json", "--junit", "--github-json", "--help")),
        "report": (report.main, (), ("--output", "--help")),
        "tables": (tables.main, (), ("--nothing", "--help")),
        "int8": (int8.main, ("--records",), ("--records", "--models", "--repeats", "--threads")),
        "run": (
            run.main,
            (),
            (
                *("--device", "--models", "--runtimes", "--precision", "--threads", "--photo", "--image", "--profile"),
                *("--repeats", "--affinity", "--sustained", "--timeout", "--output", "--serial", "--cool-down"),
            ),
        ),
        "to_executorch": (
            to_executorch.main,
            (),
            (
                *("--model", "--checkpoint", "--precision", "--image-size", "--output", "--photo", "--seed"),
                *("--calibration", "--num-calibration-samples", "--keep-float", "--help"),
            ),
        ),
    }
)
"""Name -> main, words to begin with, flags."""
HEAVY = frozenset({"run", "to_executorch", "int8", "tables"})


def damaged_checkpoint(originals: Originals, work: Path, rng: random.Random) -> Command:
    """A checkpoint of which one file is damaged."""
    shutil.copytree(originals.folder / "checkpoint", work / "checkpoint")
    damage_file(rng.choice(sorted((work / "checkpoint").iterdir())), rng)
    photo, folder = str(originals.folder / "photo.png"), str(work / "checkpoint")
    tasks = (
        ("regions", photo, "--plot", str(work / "out.png")),
        ("vqa", photo, "what is it?"),
        ("nlvr2", photo, photo, "both show it"),
        ("checkpoint", "import", str(work / "new"), "--model", MODEL, "--bert", folder),
    )
    task = rng.choice(tasks)
    json_flag = ("--json",) if task[0] != "checkpoint" and rng.random() < 0.5 else ()
    given = () if task[0] == "checkpoint" else ("--checkpoint", folder)
    return Command(cli.main, (*task, *given, *json_flag))


def damaged_artifact(originals: Originals, work: Path, rng: random.Random) -> Command:
    """An artifact of which the sidecar, the words or the file itself is damaged."""
    shutil.copytree(originals.folder / "artifacts", work / "artifacts")
    files = sorted(path for path in (work / "artifacts").rglob("*") if path.is_file())
    sidecars = [path for path in files if path.suffix == ".json"]
    damage_file(rng.choice(sidecars if rng.random() < 0.6 else files), rng)
    artifact = str(work / "artifacts" / f"{MODEL}-onnx-fp32.onnxpackage")
    task = rng.choice(("regions", "vqa"))
    question = ("what is it?",) if task == "vqa" else ()
    return Command(cli.main, (task, str(originals.folder / "photo.png"), *question, "--artifact", artifact, "--json"))


def damaged_records(originals: Originals, work: Path, rng: random.Random) -> Command:
    """Records of which a line is damaged."""
    original, damaged = originals.folder / "records.jsonl", work / "records.jsonl"
    shutil.copyfile(original, damaged)
    damage_file(damaged, rng)
    sides = [str(original), str(damaged)]
    rng.shuffle(sides)
    if rng.random() < 0.8:
        outputs = ("--markdown", str(work / "out.md"), "--junit", str(work / "out.xml"))
        return Command(compare.main, (*sides, *outputs), frozenset({0, 1, 2}))
    return Command(int8.main, ("--records", str(damaged)))


def damaged_photo(originals: Originals, work: Path, rng: random.Random) -> Command:
    """A photo that is damaged, among sound ones or alone."""
    source = rng.choice([*sorted((originals.folder / "photos").iterdir()), originals.folder / "photo.png"])
    photo = work / source.name
    shutil.copyfile(source, photo)
    damage_file(photo, rng)
    sound = str(originals.folder / "photo.png")
    tasks = (
        ("regions", str(photo), "--plot", str(work / "out.jpg")),
        ("nlvr2", sound, str(photo), "both show it"),
        ("retrieve", "a temple", sound, str(photo)),
        ("regions", str(photo), "--features", str(work / "kept")),
    )
    return Command(cli.main, (*rng.choice(tasks), "--model", MODEL, "--json"))


Kind = Callable[[Originals, Path, random.Random], Command]
KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "commands": random_command,
        "checkpoints": damaged_checkpoint,
        "artifacts": damaged_artifact,
        "records": damaged_records,
        "photos": damaged_photo,
    }
)


def make_round(kind: str, originals: Originals, work: Path, seed: int) -> Command:
    """Return a round's command line, the same for the same seed; now and then with a full disk."""
    rng = random.Random(f"{kind} {seed}")
    command = KINDS[kind](originals, work, rng)
    return replace(command, disk=rng.choice([0, 100, 5000, 100_000])) if rng.random() < FULL_DISK_SHARE else command
