"""The text files of a checkpoint: what token ids, tag ids, answer ids and attribute ids mean.

vocab.txt, tags.txt, answers.txt and attributes.txt hold one entry a line in UTF-8, none twice; an entry's id is its
line number from 0.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from minivlm.errors import UserError
from minivlm.language.tokenizer import WordPieceTokenizer
from minivlm.models.vision_language import VisionLanguageConfig
from minivlm.storage.files import exists, is_file, write_text
from minivlm.storage.text_files import check_lines, read_lines
from minivlm.vision.faster_rcnn import FasterRCNNConfig
from minivlm.vision.tee_config import TEEConfig

VOCABULARY = "vocab.txt"
TAGS = "tags.txt"
ATTRIBUTES = "attributes.txt"
ANSWERS = "answers.txt"
LABEL_FILES = (VOCABULARY, TAGS, ATTRIBUTES, ANSWERS)

SHIPPED = {30522: "vocab.txt", 892: "vocab_scenes.txt", 400: "vocab_tiny.txt"}
"""Number of tokens -> file in minivlm/assets."""

SHORTEST_NAME = 4
"""Letters of a made-up tag or answer; shorter labels are mostly grammar."""


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What the ids that a model takes and gives stand for.

    Attributes:
        tokenizer: Of the transformer's vocabulary.
        tags: Names of the detector's classes, without the background.
        answers: Of the head "vqa"; empty where the model has none.
        attributes: Names of what the detector's regions are like, without "no attribute"; empty where it has no head
            for them, or nobody has named them.
    """

    tokenizer: WordPieceTokenizer
    tags: tuple[str, ...]
    answers: tuple[str, ...]
    attributes: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Hash, in hexadecimal, over all that the labels say."""
        tokens = self.tokenizer.tokens(range(len(self.tokenizer)))
        said = [tokens, self.tags, self.answers, *([self.attributes] if self.attributes else [])]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()

    def tag_ids(self, tags: Sequence[int]) -> list[int]:
        """Return the token ids of Oscar's tag text: distinct names in the given order, separated by spaces.

        Args:
            tags: Class ids of the valid regions, best first.
        """
        return self.tokenizer.encode(" ".join(dict.fromkeys(self.tags[tag] for tag in tags)))


@dataclass(frozen=True, kw_only=True)
class DetectorLabels:
    """What the ids of a detector alone stand for.

    Attributes:
        tags: Names of the classes, without the background.
        attributes: Names of the attributes, without "no attribute"; empty where the detector has no head for them.
    """

    tags: tuple[str, ...]
    attributes: tuple[str, ...] = ()


def shipped_vocabulary(tokens: int) -> Path:
    """Return the path of the vocabulary that comes with the package, by its size.

    Raises:
        UserError: None of that size comes with it.
    """
    if tokens not in SHIPPED:
        raise UserError(f"no vocabulary of {tokens} tokens comes with this package: put {VOCABULARY} into a checkpoint")
    return Path(str(files("minivlm") / "assets" / SHIPPED[tokens]))


def random_labels(config: VisionLanguageConfig, tokenizer: WordPieceTokenizer | None = None) -> Labels:
    """Make up tags, attributes and answers from labels of the vocabulary, the same ones every time.

    Args:
        config: How many of each there must be.
        tokenizer: None takes the one over the vocabulary that comes with the package.

    Raises:
        UserError: No vocabulary of the right size, or too few words in it.
    """
    if tokenizer is None:
        tokenizer = read_vocabulary(shipped_vocabulary(config.language.vocabulary), config)
    answers = config.answers if "vqa" in config.heads else 0
    attributes = max(config.vision.attributes - 1, 0)
    labels, most = _whole_words(tokenizer), max(config.tags, answers, attributes)
    if most > len(labels):
        raise UserError(
            f"{most} names must be made up, and {tokenizer.name} has {len(labels)} whole labels:"
            " take a larger vocabulary"
        )
    # Tags are the list's beginning, attributes its end: no name is both.
    return Labels(
        tokenizer=tokenizer,
        tags=labels[: config.tags],
        answers=labels[:answers],
        attributes=labels[len(labels) - attributes :],
    )


def read_labels(folder: Path, config: VisionLanguageConfig) -> Labels:
    """Read a checkpoint's text files.

    Raises:
        UserError: A file is missing, not text, or does not have as many lines as the model needs.
    """
    needs_answers = "vqa" in config.heads
    return Labels(
        tokenizer=read_vocabulary(folder / VOCABULARY, config),
        tags=read_tags(folder, config.vision),
        answers=_read_names(folder / ANSWERS, config.answers, "the answer head's outputs") if needs_answers else (),
        attributes=read_attributes(folder, config.vision),
    )


def read_tags(folder: Path, config: TEEConfig | FasterRCNNConfig) -> tuple[str, ...]:
    """Read the names of a detector's classes, without the background.

    Raises:
        UserError: The file is missing, not text, or does not have as many lines as the detector has classes.
    """
    return _read_names(folder / TAGS, config.classes - 1, "the detector's classes without the background")


def read_attributes(folder: Path, config: TEEConfig | FasterRCNNConfig) -> tuple[str, ...]:
    """Read the names of what a detector's regions are like, without "no attribute".

    Weights that were never trained on attributes come without such a file; then there are no names.

    Raises:
        UserError: The file is not text, or does not have as many lines as the detector has attributes.
    """
    if not config.attributes or not exists(folder / ATTRIBUTES):
        return ()
    return _read_names(folder / ATTRIBUTES, config.attributes - 1, "the detector's attributes")


def write_labels(folder: Path, labels: Labels) -> None:
    """Write a checkpoint's text files.

    Raises:
        UserError: The folder cannot be written, or a name could not be read back as it is, or not by one id.
    """
    named = {TAGS: labels.tags, ATTRIBUTES: labels.attributes, ANSWERS: labels.answers}
    for name, lines in named.items():
        check_lines(lines, name)
    _write_lines(folder / VOCABULARY, labels.tokenizer.tokens(range(len(labels.tokenizer))))
    for name, lines in named.items():
        _write_lines(folder / name, lines)


def copy_labels(source: Path, folder: Path) -> None:
    """Copy those of a checkpoint's text files that it has, as they are."""
    for name in LABEL_FILES:
        if is_file(source / name):
            shutil.copyfile(source / name, folder / name)


def read_detector_labels(folder: Path, *, tags: int, attributes: int) -> DetectorLabels:
    """Read the text files of a detector's checkpoint.

    Args:
        folder: With the checkpoint.
        tags: Classes of the detector without the background.
        attributes: Of the detector without "no attribute".

    Raises:
        UserError: A file is missing, not text, or does not have as many lines as the detector needs.
    """
    return DetectorLabels(
        tags=_read_names(folder / TAGS, tags, "the detector's classes without the background"),
        attributes=_read_names(folder / ATTRIBUTES, attributes, "the detector's attributes") if attributes else (),
    )


def write_detector_labels(folder: Path, labels: DetectorLabels) -> None:
    """Write the text files of a detector's checkpoint.

    Raises:
        UserError: The folder cannot be written, or a name could not be read back as it is.
    """
    for name, lines in ((TAGS, labels.tags), (ATTRIBUTES, labels.attributes)):
        check_lines(lines, name)
        _write_lines(folder / name, lines)


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    """Write a file of names; where there are none, there is no file."""
    if lines:
        write_text(path, "".join(f"{line}\n" for line in lines))


def read_vocabulary(path: Path, config: VisionLanguageConfig) -> WordPieceTokenizer:
    """Read a vocabulary and compare its size with the model's.

    Raises:
        UserError: Not a vocabulary, or of another size.
    """
    tokenizer = WordPieceTokenizer(path)
    if len(tokenizer) != config.language.vocabulary:
        raise UserError(
            f"{path} has {len(tokenizer)} lines, and the model has {config.language.vocabulary} tokens:"
            " take the vocabulary that the weights were trained with"
        )
    return tokenizer


def _read_names(path: Path, count: int, meaning: str) -> tuple[str, ...]:
    lines = read_lines(path, f"the names of {meaning}", f"it must hold {count} lines")
    if len(lines) != count:
        raise UserError(f"{path} has {len(lines)} lines, and the model needs {count}: one for each of {meaning}")
    return tuple(lines)


def _whole_words(tokenizer: WordPieceTokenizer) -> tuple[str, ...]:
    """Return the vocabulary's plain words in its order, from the most frequent to the rarest."""
    tokens = tokenizer.tokens(range(len(tokenizer)))
    return tuple(token for token in tokens if len(token) >= SHORTEST_NAME and token.isascii() and token.isalpha())
