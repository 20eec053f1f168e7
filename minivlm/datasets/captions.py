"""Pictures and what is said of them: the Karpathy split, COCO captions, or a plain list.

* dataset_coco.json (Karpathy and Fei-Fei 2015): `images` with filepath, filename, split, cocoid and sentences (raw).
* COCO captions: `images` (id, file_name) and `annotations` (id, image_id, caption).
* Shards: a folder of WebDataset's tar files, where KEY.txt is the caption of KEY.jpg.
* Plain: a list of objects with `image`, a file's name, and `caption`, a text or a list of texts.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minivlm.datasets.json_data import entries_of, identifier, objects_of, read_json, words
from minivlm.datasets.pictures import NOT_THERE, PictureFolder
from minivlm.datasets.report import Findings, Report
from minivlm.errors import UserError
from minivlm.storage.files import is_folder, sha256

WHAT = "captions as COCO or Karpathy have them"
WAY_OUT = 'give COCO captions, dataset_coco.json, or a list of {"image": file, "caption": text}'


@dataclass(frozen=True, kw_only=True)
class CaptionExample:
    """A picture and its captions, at least one.

    Attributes:
        id: Of the picture.
        picture: Its file.
        captions: As they are written.
        split: As the data says it, such as "test"; None where it does not.
    """

    id: str
    picture: Path
    captions: tuple[str, ...]
    split: str | None


@dataclass(frozen=True, kw_only=True)
class CaptionData:
    """All of a file: examples in its order, and what there is and what was left out."""

    examples: tuple[CaptionExample, ...]
    report: Report


@dataclass
class _Picture:
    """A picture whose captions are being collected."""

    file: Path
    split: str | None
    captions: list[str]


def read_captions(path: Path, pictures: PictureFolder) -> CaptionData:
    """Read a file of any form, or the pictures' own folder where shards have captions; see the module.

    Raises:
        UserError: It is none of them.
    """
    findings = Findings()
    content = None if path == pictures.folder else read_json(path, WHAT, WAY_OUT)
    if path == pictures.folder:
        found = _beside(pictures, findings)
    elif isinstance(content, list):
        found = _plain(content, pictures, findings)
    elif isinstance(content, dict) and isinstance(content.get("annotations"), list):
        found = _coco(content, path, pictures, findings)
    elif isinstance(content, dict) and isinstance(content.get("images"), list):
        found = _karpathy(content, path, pictures, findings)
    else:
        raise UserError(f"{path} is not {WHAT}: {WAY_OUT}")
    for key, one in found.items():
        if not one.captions:
            findings.leave_out("pictures without captions", key)
    examples = tuple(
        CaptionExample(id=key, picture=one.file, captions=tuple(one.captions), split=one.split)
        for key, one in found.items()
        if one.captions
    )
    return CaptionData(examples=examples, report=_report(path, examples, findings))


def _report(path: Path, examples: tuple[CaptionExample, ...], findings: Findings) -> Report:
    captions = sum(len(example.captions) for example in examples)
    splits: dict[str, int] = {}
    for example in examples:
        if example.split is not None:
            splits[f"in split {example.split}"] = splits.get(f"in split {example.split}", 0) + 1
    counts = (("pictures", len(examples)), ("captions", captions), *splits.items())
    return Report(title="captions", source=path, counts=counts, findings=findings.found)


def data_hash(path: Path) -> str:
    """Return the SHA-256 of a file of data; of a folder with shards, over the captions in it and whose they are."""
    if not is_folder(path):
        return sha256(path)
    pictures = PictureFolder(path)
    digest = hashlib.sha256()
    for picture in pictures.texts:
        text = pictures.text_of(picture) or b""
        digest.update(f"{picture.relative_to(path).as_posix()} {hashlib.sha256(text).hexdigest()}\n".encode())
    return digest.hexdigest()


def _beside(pictures: PictureFolder, findings: Findings) -> dict[str, _Picture]:
    """Read the .txt beside each picture in a shard; a picture without one is no example, and is counted."""
    found: dict[str, _Picture] = {}
    for picture in pictures.files:
        key = picture.relative_to(pictures.folder).as_posix()
        found[key] = _Picture(picture, None, [])
        text = pictures.text_of(picture)
        if text is not None:
            _add_caption(found[key], text.decode("utf-8", errors="replace").strip(), key, findings)
    return found


def _karpathy(content: dict[str, Any], path: Path, pictures: PictureFolder, findings: Findings) -> dict[str, _Picture]:
    found: dict[str, _Picture] = {}
    for place, entry in enumerate(entries_of(content, "images", path, WHAT, WAY_OUT, findings)):
        key = identifier(entry.get("cocoid", entry.get("imgid"))) or f"entry {place}"
        folder, name = words(entry.get("filepath")), words(entry.get("filename"))
        picture = _add(found, key, f"{folder}/{name}" if folder and name else name, pictures, findings)
        if picture is None:
            continue
        picture.split = words(entry.get("split"))
        sentences = entry.get("sentences")
        for sentence in objects_of(sentences if isinstance(sentences, list) else [], f"sentences of {key}", findings):
            _add_caption(picture, sentence.get("raw"), key, findings)
    return found


def _coco(content: dict[str, Any], path: Path, pictures: PictureFolder, findings: Findings) -> dict[str, _Picture]:
    found: dict[str, _Picture] = {}
    for entry in entries_of(content, "images", path, WHAT, WAY_OUT, findings):
        key = identifier(entry.get("id"))
        if key is None:
            findings.leave_out("pictures without id", entry.get("file_name"))
        else:
            _add(found, key, words(entry.get("file_name")), pictures, findings)
    seen: set[str] = set()
    for entry in entries_of(content, "annotations", path, WHAT, WAY_OUT, findings):
        name = identifier(entry.get("id"))
        picture = found.get(identifier(entry.get("image_id")) or "")
        if name is not None and name in seen:
            findings.leave_out("captions whose id is there twice", name)
        elif picture is None:
            findings.leave_out("captions of pictures that are not listed or were left out", name or "?")
        else:
            _add_caption(picture, entry.get("caption"), name or "?", findings)
        if name is not None:
            seen.add(name)
    return found


def _plain(content: list[Any], pictures: PictureFolder, findings: Findings) -> dict[str, _Picture]:
    """Read a list; a picture may be there several times, with a caption each time."""
    found: dict[str, _Picture] = {}
    for entry in objects_of(content, "entry", findings):
        name = words(entry.get("image"))
        picture = found.get(name or "") or _add(found, name or "?", name, pictures, findings)
        given = entry.get("caption", entry.get("captions"))
        for caption in given if isinstance(given, list) else [given]:
            if picture is not None:
                _add_caption(picture, caption, name or "?", findings)
    return found


def _add(
    found: dict[str, _Picture], key: str, name: str | None, pictures: PictureFolder, findings: Findings
) -> _Picture | None:
    """Add a picture without captions; None where it was left out."""
    if name is None:
        findings.leave_out("pictures without a file's name", key)
        return None
    if key in found:
        findings.leave_out("pictures whose id is there twice", key)
        return None
    file = pictures.named(name)
    if file is None:
        findings.leave_out(NOT_THERE, name)
        return None
    found[key] = _Picture(file, None, [])
    return found[key]


def _add_caption(picture: _Picture, given: Any, name: str, findings: Findings) -> None:
    caption = words(given)
    if caption is None:
        findings.leave_out("captions without words", name)
    else:
        picture.captions.append(caption)
