"""The subcommand `minivlm show`: pictures with what a model says of them beside what is true."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from minivlm.cli.commands import backend_of
from minivlm.cli.model_flags import add_model_flags
from minivlm.cli.report import note_random
from minivlm.command_line import name_argument, path_argument, positive
from minivlm.console import Steps
from minivlm.datasets.folder import DataFiles, find_data
from minivlm.errors import UserError, printable
from minivlm.evaluation.exhibit import Asked, Exhibit, chosen_pictures, exhibit, read_known
from minivlm.images.photos import load_photo
from minivlm.images.plot import Drawn, check_plot_path, draw_regions, save_picture
from minivlm.images.sheet import SIDE, Ink, Line, Row, draw_sheet
from minivlm.inference.pipeline import Pipeline
from minivlm.scenes.judging import Judge, judges_of
from minivlm.storage.files import check_outputs
from minivlm.storage.json_files import read_object
from minivlm.weights.shipped import assets

FONT_SHARE = 1 / 28
"""Of labels in the figure, which is seen at half its size."""
CAPTIONS = 2
"""Of the data's that are shown."""
VERDICT: Mapping[bool | None, str] = {True: "true", False: "not true", None: ""}
INK: Mapping[bool | None, Ink] = {True: Ink.RIGHT, False: Ink.WRONG, None: Ink.PLAIN}


def add_show(subparsers: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the subcommand.

    Args:
        subparsers: Of `minivlm`.
        command: Makes a parser from subparsers, a name, what to run, a summary and an example.
    """
    parser = command(
        subparsers,
        "show",
        show,
        "let a model look at pictures of a data set, beside what is true of them",
        "minivlm show --checkpoint sample --plot sample.png\n"
        "minivlm show --data scenes/test --pictures 000000000007.jpg --artifact minivlm-onnx-fp32.onnx",
    )
    parser.add_argument(
        "--data",
        type=path_argument,
        default=assets() / "sample-scenes",
        metavar="DIR",
        help="folder with the data's files (default: three scenes that come with the package)",
    )
    parser.add_argument("--count", type=positive, default=3, metavar="N", help="first pictures (default: %(default)s)")
    parser.add_argument(
        "--pictures", type=name_argument, nargs="+", default=[], metavar="NAME", help="these instead, by file name"
    )
    parser.add_argument("--plot", type=path_argument, metavar="OUT.png", help="draw all of it in one figure")
    add_model_flags(parser)


def show(arguments: argparse.Namespace) -> None:
    """Print what a model says, and draw it if asked to."""
    if arguments.plot is not None:
        check_plot_path(arguments.plot)
    steps, notes = Steps(), list[str]()
    with steps.stage("read the data"):
        files, _ = find_data(arguments.data, DataFiles())
        if arguments.plot is not None:
            check_outputs([arguments.plot], [getattr(files, kind) for kind in files.kinds])
        known = read_known(files)
        pictures = chosen_pictures(known, arguments.pictures, arguments.count)
        judges = _judges(files.boxes)
    with steps.stage("load"):
        pipeline = Pipeline(backend_of(arguments), note=notes.append)
    exhibits = []
    for number, picture in enumerate(pictures, start=1):
        with steps.stage("look", number=number, of=len(pictures)):
            exhibits.append(exhibit(picture, known, pipeline, judges))
    print("\n\n".join("\n".join(_told(one)) for one in exhibits))
    if arguments.plot is not None:
        with steps.stage("draw"):
            save_picture(arguments.plot, draw_sheet([_row(one) for one in exhibits]))
        print(f"\ndrawn in {arguments.plot}")
    sys.stdout.flush()
    note_random(pipeline.backend.origin)
    for note in notes:
        print(f"note: {printable(note)}", file=sys.stderr)


def _judges(boxes: Path | None) -> dict[str, Judge]:
    """Return picture's file name -> what judges sentences about it; nothing where the data are no scenes."""
    if boxes is None:
        return {}
    try:
        judges = judges_of(boxes)
    except UserError:
        return {}
    images = read_object(boxes, "the boxes of scenes", "give scenes")["images"]
    return {image["file_name"]: judges[image["id"]] for image in images}


def _told(one: Exhibit) -> Iterator[str]:
    """Yield an exhibit as lines of text."""
    yield one.picture.name
    found = ", ".join(f"{printable(region.tag)} {region.score:.2f}" for region in one.regions)
    yield f"  regions   {found or 'none of which the model is sure'}"
    if one.things:
        yield f"  there is  {_things(one)}"
    yield f"  caption   {printable(one.caption)}{_bracketed(VERDICT[one.true])}"
    for caption in one.captions[:CAPTIONS]:
        yield f"  true      {printable(caption)}"
    for asked in one.asked:
        yield f"  asked     {printable(asked.question)}"
        yield f"  answer    {printable(asked.said)}{_bracketed(_verdict(asked))}"


def _row(one: Exhibit) -> Row:
    """Return an exhibit as a row of the figure."""
    marks = [Drawn(region.box, region.tag, None) for region in one.regions]
    picture = draw_regions(load_photo(one.picture), marks, smallest=SIDE, font_share=FONT_SHARE)
    lines = [
        Line(text="The model, whose boxes these are, writes", ink=Ink.HEADING),
        Line(text=f"{one.caption}{_bracketed(VERDICT[one.true])}", ink=INK[one.true]),
    ]
    if one.captions:
        lines.append(Line(text="True captions", ink=Ink.HEADING))
        lines += [Line(text=caption) for caption in one.captions[:CAPTIONS]]
    for asked in one.asked:
        lines += [
            Line(text=f"Asked: {asked.question}", ink=Ink.HEADING),
            Line(text=f"{asked.said}{_bracketed(_verdict(asked))}", ink=INK[asked.right]),
        ]
    if one.things:
        lines += [Line(text="In the picture", ink=Ink.HEADING), Line(text=_things(one))]
    return Row(picture=picture, lines=tuple(lines))


def _things(one: Exhibit) -> str:
    return ", ".join(f"{printable(name)} ({count})" if count > 1 else printable(name) for name, count in one.things)


def _verdict(asked: Asked) -> str:
    if asked.right is None:
        return ""
    return "right" if asked.right else f"wrong: {printable(asked.people or '')}"


def _bracketed(text: str) -> str:
    return f"  ({text})" if text else ""
