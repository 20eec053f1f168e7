"""Writing a set of scenes in the shapes of COCO, VQA v2 and NLVR2.

Ids count from 1: COCO's own evaluation takes an annotation with the id 0 for none. Pictures are JPEG without chroma
subsampling, which would blur the colours of small things.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from PIL import Image

from minivlm.console import Steps
from minivlm.datasets.questions import agreed_annotation
from minivlm.scenes.captions import captions
from minivlm.scenes.composing import Composer
from minivlm.scenes.drawings import Drawings
from minivlm.scenes.questions import QUESTIONS, questions
from minivlm.scenes.scene import Placed, Scene
from minivlm.scenes.statements import statements
from minivlm.scenes.things import COLOURS, SIZES, all_things, answers, class_ids
from minivlm.storage.files import write_text
from minivlm.storage.folders import check_new, new_folder
from minivlm.storage.json_text import json_text

QUALITY = 92
PHOTOS = (
    "procedural, and parts, blurred, of two photos that come with scikit-learn, both CC-BY-2.0: "
    "china.jpg by danielbuechele and flower.jpg by vultilion, on Flickr"
)
AT_A_TIME = 1000
"""Pictures after which a line is shown."""


@dataclass(frozen=True)
class _Content:
    """What has been made of a set so far."""

    images: list[dict[str, Any]] = field(default_factory=list)
    boxes: list[dict[str, Any]] = field(default_factory=list)
    captions: list[dict[str, Any]] = field(default_factory=list)
    questions: list[dict[str, Any]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    statements: list[dict[str, Any]] = field(default_factory=list)

    def extend(self, part: "_Content") -> None:
        """Add what was made elsewhere, with numbers that go on from here."""
        for name, rows in vars(part).items():
            ours = getattr(self, name)
            if name in ("boxes", "captions"):
                rows = [row | {"id": number} for number, row in enumerate(rows, start=len(ours) + 1)]
            ours.extend(rows)


@dataclass(frozen=True, kw_only=True)
class _Job:
    """Some pictures of a set, an even number after its first one: what is said of a pair is said with the second.

    Attributes:
        drawings: Folder of drawings.
        split: One of `composing.SPLITS`.
        seed: Of the set.
        side: Pixels a side.
        indices: Of the pictures.
        images: Folder that they are written into.
        rounds: Of questions a picture.
    """

    drawings: Path
    split: str
    seed: int
    side: int
    indices: range
    images: Path
    rounds: int

    def composer(self) -> Composer:
        return Composer(Drawings(self.drawings), split=self.split, seed=self.seed, side=self.side)


def make_scenes(
    folder: Path, drawings: Path, *, split: str, count: int, seed: int, side: int, workers: int = 1, rounds: int = 1
) -> dict[str, int]:
    """Write a set of scenes, as a whole or not at all.

    Args:
        folder: New or empty.
        drawings: Folder that `minivlm data drawings` made.
        split: One of `composing.SPLITS`.
        count: Pictures. A smaller set is the beginning of a larger one.
        seed: Of all that is random.
        side: Pixels a side of the pictures.
        workers: Processes that compose; the set does not depend on how many.
        rounds: Of up to six questions a picture; all else is the same whatever their number.

    Returns:
        What was made -> how many.

    Raises:
        UserError: The folder is in use or cannot be written, or there are no drawings for the split.
    """
    check_new(folder, "the scenes")
    whole = _Job(
        drawings=drawings, split=split, seed=seed, side=side, indices=range(count), images=folder, rounds=rounds
    )
    composer, content = whole.composer(), _Content()
    steps = Steps()
    with new_folder(folder, "the scenes") as made:
        (made / "images").mkdir()
        with steps.counting("scenes", every=AT_A_TIME) as told:
            for part in _parts(replace(whole, images=made / "images"), composer, workers):
                content.extend(part)
                told(len(content.images), count)
        with steps.step("annotations"):
            _write(made, content, composer)
    return {
        "pictures": len(content.images),
        "boxes": len(content.boxes),
        "captions": len(content.captions),
        "questions": len(content.questions),
        "statements": len(content.statements),
    }


def _parts(whole: _Job, composer: Composer, workers: int) -> Iterator[_Content]:
    """Yield the set in order, some pictures at a time, made with a composer or by processes that have one each."""
    count = len(whole.indices)
    size = min(AT_A_TIME, -(-count // (2 * workers)) * 2)
    jobs = [replace(whole, indices=whole.indices[first : first + size]) for first in range(0, count, size)]
    if workers == 1:
        yield from (_compose(job, composer) for job in jobs)
        return
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=get_context("spawn")) as pool:
        yield from pool.map(_compose_elsewhere, jobs)


def _compose_elsewhere(job: _Job) -> _Content:
    return _compose(job, _composer_of(replace(job, indices=range(0))))


@lru_cache(maxsize=1)
def _composer_of(job: _Job) -> Composer:
    """Return what composes any pictures of a set: its drawings are read once a process."""
    return job.composer()


def _compose(job: _Job, composer: Composer) -> _Content:
    content = _Content()
    before: Scene | None = None
    for index in job.indices:
        before = _add(content, composer, job, index, before)
    return content


def _add(content: _Content, composer: Composer, job: _Job, index: int, before: Scene | None) -> Scene:
    """Make one picture with all that is said about it and, with the one before it, about the pair."""
    image, scene = composer.compose(index)
    name = f"{index + 1:012}.jpg"
    _save(image, job.images / name)
    key = index + 1
    content.images.append({"id": key, "file_name": name, "width": scene.side, "height": scene.side})
    content.boxes.extend([box(one, len(content.boxes) + row, key) for row, one in enumerate(scene.objects, start=1)])
    nouns = tuple(thing.noun for thing, _ in composer.choices)
    rng = composer.generator("words", index)
    for text in captions(scene, nouns, rng):
        content.captions.append({"id": len(content.captions) + 1, "image_id": key, "caption": text})
    for row, question in enumerate(questions(scene, nouns, rng, job.rounds)):
        ids = {"image_id": key, "question_id": key * QUESTIONS * job.rounds + row}
        content.questions.append(ids | {"question": question.text})
        content.answers.append(ids | agreed_annotation(question.text, question.answer, question.kind))
    if before is not None and index % 2:
        pair = composer.generator("pair", index // 2)
        for row, statement in enumerate(statements(before, scene, nouns, pair)):
            content.statements.append(
                {
                    "identifier": f"{composer.split}-{index // 2}-{row // 2}-{row % 2}",
                    "sentence": statement.text,
                    "label": str(statement.true),
                    "left": f"{index:012}.jpg",
                    "right": name,
                }
            )
    return scene


def box(one: Placed, number: int, image: int) -> dict[str, Any]:
    """Return an object as an annotation of COCO's shape, with fields of our own; `truth.placed` reads it.

    Args:
        one: The object.
        number: The annotation's id.
        image: The picture's id.
    """
    left, top, right, bottom = one.box
    return {
        "id": number,
        "image_id": image,
        "category_id": class_ids()[one.noun],
        "bbox": [left, top, right - left, bottom - top],
        "area": one.pixels,
        "iscrowd": 0,
        "attributes": [name for name in (one.colour, one.size) if name],
        "hints": list(one.hints),
        "visible": one.visible,
        "style": one.style,
    }


def _save(image: Image.Image, path: Path) -> None:
    image.save(path, quality=QUALITY, subsampling=0)


def _write(folder: Path, content: _Content, composer: Composer) -> None:
    info = {"description": "Composed scenes of drawn things", "split": composer.split, "seed": composer.seed}
    groups = {thing.noun: thing.group or "thing" for thing in all_things()}
    categories = [{"id": key, "name": noun, "supercategory": groups[noun]} for noun, key in class_ids().items()]
    coco: dict[str, Any] = {"info": info, "images": content.images}
    vqa = {"info": info, "data_type": "scenes", "data_subtype": composer.split}
    files = {
        "boxes.json": coco | {"annotations": content.boxes, "categories": categories, "attributes": [*COLOURS, *SIZES]},
        "captions.json": coco | {"annotations": content.captions},
        "questions.json": vqa | {"task_type": "Open-Ended", "questions": content.questions},
        "annotations.json": vqa | {"annotations": content.answers},
    }
    for name, value in files.items():
        write_text(folder / name, json_text(value, indent=None) + "\n")
    lines = [json_text(statement, indent=None) for statement in content.statements]
    write_text(folder / "nlvr2.jsonl", "".join(f"{line}\n" for line in lines))
    lists = {
        "classes.txt": [thing.noun for thing in all_things()],
        "attributes.txt": [*COLOURS, *SIZES],
        "answers.txt": answers(),
    }
    for name, words in lists.items():
        write_text(folder / name, "".join(f"{word}\n" for word in words))
    write_text(folder / "about.json", json_text(_about(content, composer)) + "\n")


def _about(content: _Content, composer: Composer) -> dict[str, Any]:
    used = {style for _, styles in composer.choices for style in styles}.union(*composer.more)
    return {
        "made by": f"minivlm {version('minivlm-edge')}",
        "split": composer.split,
        "seed": composer.seed,
        "count": len(content.images),
        "size": composer.side,
        "classes drawn": len(composer.choices),
        "drawings": [asdict(style) for style in composer.drawings.styles if style.style in used],
        "backgrounds": PHOTOS,
        "versions": {package: version(package) for package in ("numpy", "pillow", "scikit-learn")},
    }
