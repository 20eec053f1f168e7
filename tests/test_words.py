"""A checkpoint's text files, and those made up where there is no checkpoint."""

from dataclasses import replace
from pathlib import Path

import pytest

from minivlm.errors import UserError
from minivlm.registry import vision_language_config
from minivlm.words import random_words, read_words, shipped_vocabulary, write_words
from tests.tiny import CONFIG


@pytest.mark.parametrize(("name", "tags", "answers"), [("minivlm", 1600, 3129), ("minivlm-tiny", 40, 20)])
def test_made_up_names_are_distinct_words_of_the_vocabulary(name: str, tags: int, answers: int) -> None:
    words = random_words(vision_language_config(name))
    assert (len(set(words.tags)), len(set(words.answers))) == (tags, answers)
    for text in (*words.tags, *words.answers):
        ids = words.tokenizer.encode(text)
        assert words.tokenizer.tokens(ids) == [text]
    assert random_words(vision_language_config(name)).tags == words.tags


def test_tag_text_names_each_tag_once_in_the_order_of_regions() -> None:
    words = replace(random_words(CONFIG), tags=("red house", "man", "man", "house"))
    ids = words.tag_ids([3, 1, 0, 1, 2, 3])
    assert words.tokenizer.decode(ids) == "house man red house"


def test_writing_and_reading_give_the_same_words_and_vocabulary_bytes(tmp_path: Path) -> None:
    words = replace(random_words(CONFIG), tags=tuple(f"étiquette {number}" for number in range(CONFIG.tags)))
    write_words(tmp_path, words)
    found = read_words(tmp_path, CONFIG)
    assert (found.tags, found.answers) == (words.tags, words.answers)
    assert (tmp_path / "vocab.txt").read_bytes() == shipped_vocabulary(400).read_bytes()


def test_a_model_without_answers_needs_no_file_for_them(tmp_path: Path) -> None:
    config = replace(CONFIG, heads=("match",))
    write_words(tmp_path, random_words(config))
    assert not (tmp_path / "answers.txt").exists()
    assert read_words(tmp_path, config).answers == ()


@pytest.mark.parametrize("file", ["tags.txt", "answers.txt", "vocab.txt"])
@pytest.mark.parametrize("damage", ["missing", "one more", "one less", "empty line", "not text"])
def test_files_that_do_not_fit_are_refused_by_name(tmp_path: Path, file: str, damage: str) -> None:
    write_words(tmp_path, random_words(CONFIG))
    path = tmp_path / file
    lines = path.read_text(encoding="utf-8").splitlines()
    match damage:
        case "missing":
            path.unlink()
        case "one more":
            path.write_text("\n".join([*lines, "surplus", ""]))
        case "one less":
            path.write_text("\n".join([*lines[:-1], ""]))
        case "empty line":
            path.write_text("\n".join([*lines[:-2], "", "", ""]))
        case "not text":
            path.write_bytes(b"\xff\xfe\n" * len(lines))
    with pytest.raises(UserError, match=file) as caught:
        read_words(tmp_path, CONFIG)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "  ", "two\nlines"])
def test_a_name_that_is_no_line_is_never_written(tmp_path: Path, name: str) -> None:
    words = random_words(CONFIG)
    with pytest.raises(UserError, match="cannot be a line"):
        write_words(tmp_path, replace(words, tags=(*words.tags[1:], name)))
    assert list(tmp_path.iterdir()) == []
