"""What the subcommands of `minivlm` do."""

import os
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import entry_points
from pathlib import Path

from minivlm.cli.model_flags import DEFAULT_MODEL
from minivlm.cli.report import Report, ranking, region_fields, region_lines
from minivlm.console import Steps
from minivlm.errors import UserError
from minivlm.images.photos import load_photo
from minivlm.images.plot import Drawn, check_plot_path, save_plot
from minivlm.inference.backend import Backend, load_torch_detector
from minivlm.inference.detector import TorchDetector
from minivlm.inference.photo_regions import PhotoRegions
from minivlm.inference.pipeline import Pipeline
from minivlm.models.sizes import SIZES
from minivlm.storage.files import check_outputs, size_bytes
from minivlm.weights.averaging import average
from minivlm.weights.checkpoint import weights_file
from minivlm.weights.labels import ATTRIBUTES
from minivlm.weights.making import halve, import_weights, make_random


def regions(arguments: Namespace) -> None:
    """Find regions, list them, and draw them if asked to."""
    if arguments.plot is not None:
        check_plot_path(arguments.plot)
        check_outputs([arguments.plot], _inputs(arguments, [arguments.photo]))
    stages, report, pipeline = _start(arguments, [arguments.photo])
    found = _regions(pipeline, stages, arguments.photo).top(arguments.top)
    report.fields["photo"] = region_fields(pipeline, arguments.photo, found)
    report.lines = region_lines(pipeline, found)
    if found.attributes is not None and not pipeline.backend.attributes:
        report.notes.append(f"attributes have no names, as the weights came without {ATTRIBUTES}: none are shown")
    if arguments.plot is not None:
        names = pipeline.tag_names(found), found.scores.tolist(), pipeline.attribute_names(found)
        rows = zip(found.boxes.tolist(), *names, strict=True)
        with stages.stage("plot"):
            save_plot(arguments.plot, load_photo(arguments.photo), [Drawn(*row) for row in rows])
        report.fields["plot"] = str(arguments.plot)
        report.lines += ["", f"drawn in {arguments.plot}"]
    report.show(pipeline, stages, as_json=arguments.json)


def caption(arguments: Namespace) -> None:
    """Write a sentence about a photo."""
    stages, report, pipeline = _start(arguments, [arguments.photo])
    found = _regions(pipeline, stages, arguments.photo)
    with stages.stage("caption"):
        result = pipeline.caption(found, beams=arguments.beams, max_length=arguments.max_length)
    report.lines = [result.text]
    if not result.text:
        report.notes.append("the caption has no words")
    report.fields = {"photo": region_fields(pipeline, arguments.photo, found), "caption": asdict(result)}
    report.show(pipeline, stages, as_json=arguments.json)


def vqa(arguments: Namespace) -> None:
    """Answer a question about a photo."""
    stages, report, pipeline = _start(arguments, [arguments.photo], "vqa", arguments.question)
    found = _regions(pipeline, stages, arguments.photo)
    with stages.stage("vqa"):
        result = pipeline.answer(found, arguments.question, top=arguments.top)
    report.lines = [f"{answer.probability:.3f}  {answer.text}" for answer in result.best]
    report.note_cut("question", result.question)
    report.fields = {
        "photo": region_fields(pipeline, arguments.photo, found),
        "question": {"text": arguments.question, **asdict(result.question)},
        "answers": [asdict(answer) for answer in result.best],
    }
    report.show(pipeline, stages, as_json=arguments.json)


def nlvr2(arguments: Namespace) -> None:
    """Judge a statement about two photos."""
    photos = [arguments.left, arguments.right]
    stages, report, pipeline = _start(arguments, photos, "nlvr2", arguments.statement)
    found = [_regions(pipeline, stages, photo, number, 2) for number, photo in enumerate(photos, start=1)]
    with stages.stage("nlvr2"):
        result = pipeline.judge(found[0], found[1], arguments.statement)
    report.lines = [f"{str(result.true).lower()}  (probability of true: {result.probability:.3f})"]
    report.note_cut("statement", max(result.left, result.right, key=lambda use: use.dropped))
    report.fields = {
        "photos": [region_fields(pipeline, photo, one) for photo, one in zip(photos, found, strict=True)],
        "statement": arguments.statement,
        "judgement": asdict(result),
    }
    report.show(pipeline, stages, as_json=arguments.json)


def retrieve(arguments: Namespace) -> None:
    """Rank photos for a text, or texts for a photo."""
    if arguments.photo is not None:
        _rank_texts(arguments, arguments.photo, arguments.items)
        return
    if len(arguments.items) < 2:
        raise UserError("nothing to rank: give a text and the photos to search, or --photo PHOTO and texts")
    _rank_photos(arguments, arguments.items[0], arguments.items[1:])


def checkpoint_random(arguments: Namespace) -> None:
    """Write a random checkpoint."""
    with Steps().stage("make the checkpoint"):
        info = make_random(
            arguments.folder,
            arguments.model,
            seed=arguments.seed,
            sizes=_sizes(arguments),
            vocabulary=arguments.vocabulary,
        )
    print(f"{arguments.folder}: {info.model}, weights {info.origin}: outputs mean nothing")


def checkpoint_import(arguments: Namespace) -> None:
    """Write a checkpoint from published weights."""
    with Steps().stage("import the weights"):
        info = import_weights(
            arguments.folder,
            arguments.model,
            bert=arguments.bert,
            backbone=arguments.backbone,
            detector=arguments.detector,
            vocabulary=arguments.vocabulary,
            seed=arguments.seed,
            sizes=_sizes(arguments),
        )
    print(f"{arguments.folder}: {info.model}")
    for part, source in info.sources.items():
        print(f"  {part}: {source}")
    print("what is random must be trained before outputs mean anything")


def checkpoint_halve(arguments: Namespace) -> None:
    """Write a checkpoint at half the size."""
    with Steps().stage("write the checkpoint"):
        info = halve(arguments.source, arguments.folder)
    after, before = (size_bytes(weights_file(folder)) / 1e6 for folder in (arguments.folder, arguments.source))
    print(f"{arguments.folder}: {info.model}, {after:.1f} MB of weights instead of {before:.1f}")


def checkpoint_average(arguments: Namespace) -> None:
    """Write a checkpoint between two."""
    with Steps().stage("write the checkpoint"):
        info = average(arguments.first, arguments.second, arguments.share, arguments.folder)
    print(f"{arguments.folder}: {info.model}, {info.origin}")


def _sizes(arguments: Namespace) -> dict[str, int]:
    """Return the sizes that were given."""
    given = {name: getattr(arguments, name) for name in SIZES}
    return {name: value for name, value in given.items() if value is not None}


def _rank_photos(arguments: Namespace, text: str, photos: Sequence[str]) -> None:
    """Rank photos one by one; those that cannot be read are named and the others ranked all the same."""
    stages, report, pipeline = _start(arguments, (), "match", text)
    matches, unreadable = [], []
    for number, photo in enumerate(photos, start=1):
        try:
            found = _regions(pipeline, stages, photo, number, len(photos))
        except UserError as error:
            unreadable.append({"path": photo, "error": str(error)})
            continue
        with stages.stage("match"):
            matches.append((photo, pipeline.match(text, found)))
    if not matches:
        raise UserError(f"no photo to rank: {unreadable[0]['error']}")
    matches.sort(key=lambda pair: -pair[1].probability)
    shown = matches[: arguments.top]
    names = dict(enumerate(photo for photo, _ in shown))
    report.lines = ranking(names, [(row, match.probability) for row, (_, match) in enumerate(shown)])
    report.note_cut("text", max((match.text for _, match in matches), key=lambda use: use.dropped))
    report.notes += [one["error"] for one in unreadable]
    report.fields = {
        "text": text,
        "matches": [{"path": photo, **asdict(match)} for photo, match in shown],
        "unreadable": unreadable,
    }
    report.show(pipeline, stages, as_json=arguments.json)
    if unreadable:
        raise UserError(f"{len(unreadable)} of {len(photos)} photos could not be read; the others are ranked above")


def _rank_texts(arguments: Namespace, photo: str, texts: Sequence[str]) -> None:
    stages, report, pipeline = _start(arguments, [photo], "match", *texts)
    found = _regions(pipeline, stages, photo)
    with stages.stage("match"):
        matches = pipeline.match_all([(text, found) for text in texts])
    order = sorted(range(len(texts)), key=lambda row: -matches[row].probability)[: arguments.top]
    report.lines = ranking(dict(enumerate(texts)), [(row, matches[row].probability) for row in order])
    for number, match in enumerate(matches, start=1):
        report.note_cut(f"text number {number}", match.text)
    report.fields = {
        "photo": region_fields(pipeline, photo, found),
        "matches": [{"text": texts[row], **_renamed(asdict(matches[row]))} for row in order],
    }
    report.show(pipeline, stages, as_json=arguments.json)


def _renamed(match: dict[str, object]) -> dict[str, object]:
    """Call what was seen of the text "seen", next to the text itself."""
    return {("seen" if key == "text" else key): value for key, value in match.items()}


def _inputs(arguments: Namespace, photos: Sequence[str]) -> list[Path]:
    """Return all files and folders that a task reads, kept features included."""
    given = [Path(photo) for photo in photos]
    given += [path for path in (arguments.checkpoint, arguments.features) if path is not None]
    if arguments.artifact is not None:
        artifact = arguments.artifact
        given += [artifact, artifact.with_suffix(".json"), artifact.with_name(f"{artifact.stem}-words")]
    return given


def _start(
    arguments: Namespace, photos: Sequence[str], head: str | None = None, *texts: str
) -> tuple[Steps, Report, Pipeline]:
    """Check what can be checked early, and load the model."""
    for photo in photos:
        if not os.path.isfile(photo):  # noqa: PTH113  # no error of the system's, whatever is given for a path
            load_photo(photo)  # says why not
    stages, report = Steps(), Report(arguments.command)
    with stages.stage("load"):
        pipeline = Pipeline(
            backend_of(arguments, report.notes.append), features=arguments.features, note=report.notes.append
        )
        if head is not None:
            pipeline.require(head, *texts)
    return stages, report, pipeline


def backend_of(arguments: Namespace, note: Callable[[str], None] | None = None) -> Backend | TorchDetector:
    """Open the model or artifact that a command line names.

    Args:
        arguments: Of the command.
        note: Told what an artifact runs on, where that is named.
    """
    accelerator = vars(arguments).get("accelerator")
    if arguments.artifact is not None:
        return _artifact_backend(arguments, {} if accelerator is None else {"accelerator": accelerator, "note": note})
    if accelerator is not None:
        raise UserError("--accelerator goes with --artifact FILE, which it runs: add that, or leave it out")
    if arguments.checkpoint is not None and arguments.seed is not None:
        raise UserError("--seed is for random weights, and --checkpoint has its own: leave one of the two out")
    default = DEFAULT_MODEL if arguments.checkpoint is None else None
    name = default if arguments.model is None else arguments.model
    return load_torch_detector(name, checkpoint=arguments.checkpoint, seed=arguments.seed or 0)


def _artifact_backend(arguments: Namespace, device: Mapping[str, object]) -> Backend:
    for flag in ("checkpoint", "seed"):
        if getattr(arguments, flag) is not None:
            raise UserError(f"--{flag} does not go with --artifact, which has its weights inside: leave it out")
    # What opens artifacts announces itself in pyproject.toml: nothing here knows of formats and runtimes.
    openers = tuple(entry_points(group="minivlm.backends"))
    if not openers:
        raise UserError(f"nothing is installed that runs {arguments.artifact}: install this project whole")
    backend: Backend = openers[0].load()(Path(arguments.artifact), **device)
    if arguments.model not in (None, backend.model):
        raise UserError(f"{arguments.artifact} holds {backend.model}, not {arguments.model}: leave --model out")
    return backend


def _regions(pipeline: Pipeline, stages: Steps, photo: str, number: int = 1, of: int = 1) -> PhotoRegions:
    with stages.stage("regions", number=number, of=of):
        return pipeline.regions(photo)
