"""What lies in a folder of data, by the usual names or by what the files hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from minivlm.datasets.json_data import read_json, read_json_lines
from minivlm.datasets.pictures import PictureFolder
from minivlm.datasets.report import Findings
from minivlm.errors import UserError
from minivlm.storage.files import is_file, is_folder

USUAL_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "boxes": "boxes.json",
        "captions": "captions.json",
        "questions": "questions.json",
        "annotations": "annotations.json",
        "nlvr2": "nlvr2.jsonl",
    }
)
"""Kind of a file -> the name by which it is taken without a look inside."""


@dataclass(frozen=True, kw_only=True)
class DataFiles:
    """The files of a data set; None where it has none of a kind.

    Attributes:
        boxes: Detection JSON.
        captions: Captions of any form; the folder with the pictures where shards in it have captions.
        questions: VQA v2's questions.
        annotations: VQA v2's answers.
        nlvr2: NLVR2's JSON lines.
        images: Folder with the pictures.
    """

    boxes: Path | None = None
    captions: Path | None = None
    questions: Path | None = None
    annotations: Path | None = None
    nlvr2: Path | None = None
    images: Path | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of files that are there, without the pictures."""
        return tuple(kind for kind in USUAL_NAMES if getattr(self, kind) is not None)


def find_data(folder: Path | None, given: DataFiles) -> tuple[DataFiles, tuple[str, ...]]:
    """Find out what is in a folder.

    Args:
        folder: With the files directly in it; None where all are given.
        given: What the user named, which counts more than what is found.

    Returns:
        The files, and names of JSON files in the folder that are none of the kinds.

    Raises:
        UserError: No folder; neither data nor pictures in it; two files of a kind; or no folder with pictures.
    """
    if folder is not None and not is_folder(folder):
        raise UserError(f"{folder} is no folder: give the folder with the data, or name its files with flags")
    files: DataFiles = given
    unknown: tuple[str, ...] = ()
    if folder is not None:
        files, unknown = _complete(folder, given)
    pictures = _images_in(folder) if folder is not None and files.images is None else files.images
    if not files.kinds and (pictures is None or (files.images is None and not PictureFolder(pictures).files)):
        names = ", ".join(USUAL_NAMES.values())
        raise UserError(f"{folder or 'no folder'} holds no data: give {names} in a folder, or name files with flags")
    if pictures is None:
        pictures = _images_in(next(getattr(files, kind) for kind in files.kinds).parent)
    if files.captions is None and is_folder(pictures) and PictureFolder(pictures).texts:
        files = replace(files, captions=pictures)
    return replace(files, images=pictures), unknown


def _images_in(folder: Path) -> Path:
    return folder / "images" if is_folder(folder / "images") else folder


def _complete(folder: Path, given: DataFiles) -> tuple[DataFiles, tuple[str, ...]]:
    taken = {field.name: getattr(given, field.name) for field in fields(given)}
    for kind, name in USUAL_NAMES.items():
        if taken[kind] is None and is_file(folder / name):
            taken[kind] = folder / name
    others = [path for path in _json_files(folder) if path not in taken.values()]
    found: dict[str, list[Path]] = {}
    for path in others if any(taken[kind] is None for kind in USUAL_NAMES) else ():
        found.setdefault(kind_of(path) or "", []).append(path)
    for kind in USUAL_NAMES:
        candidates = found.get(kind, [])
        if taken[kind] is None and len(candidates) > 1:
            names = " and ".join(path.name for path in candidates[:2])
            raise UserError(f"{folder} holds {kind} in {names}: say which with --{kind} FILE")
        if taken[kind] is None and candidates:
            taken[kind] = candidates[0]
    return DataFiles(**taken), tuple(path.name for path in found.get("", []))


def _json_files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix in (".json", ".jsonl") and is_file(path))
    except OSError as error:
        raise UserError(f"cannot look into {folder}: {error.strerror}; ask its owner for access") from None


def kind_of(path: Path) -> str | None:
    """Return a key of `USUAL_NAMES` by what a file holds; None where it is none of them, or cannot be read."""
    try:
        if path.suffix == ".jsonl":
            first = next(iter(read_json_lines(path, "JSON lines", "", Findings())), None)
            return "nlvr2" if first is not None and {"identifier", "sentence"} <= first[1].keys() else None
        content = read_json(path, "JSON", "")
    except UserError:
        return None
    if isinstance(content, list):
        return "captions" if _first(content).keys() >= {"image"} else None
    return next((kind for kind, fits in _SIGNS if isinstance(content, dict) and fits(content)), None)


def _first(entries: Any) -> dict[str, Any]:
    found = entries[0] if isinstance(entries, list) and entries else None
    return found if isinstance(found, dict) else {}


_SIGNS: tuple[tuple[str, Callable[[dict[str, Any]], bool]], ...] = (
    ("boxes", lambda content: "categories" in content and "images" in content),
    ("questions", lambda content: "question" in _first(content.get("questions"))),
    ("annotations", lambda content: "answers" in _first(content.get("annotations"))),
    ("captions", lambda content: "caption" in _first(content.get("annotations"))),
    ("captions", lambda content: "sentences" in _first(content.get("images"))),
)
"""Kind -> whether an object is of that kind; VQA's questions may hold other lists, so the order counts."""
