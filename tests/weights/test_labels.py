"""A checkpoint's text files, and those made up where there is no checkpoint."""

from dataclasses import replace
from pathlib import Path

import pytest

from minivlm.errors import UserError
from minivlm.models.registry import vision_language_config
from minivlm.weights.labels import (
    DetectorLabels,
    random_labels,
    read_detector_labels,
    read_labels,
    shipped_vocabulary,
    write_detector_labels,
    write_labels,
)
from tests.tiny import CONFIG


@pytest.mark.parametrize(
    ("name", "tags", "answers", "attributes"), [("minivlm", 1600, 3129, 400), ("minivlm-tiny", 40, 20, 10)]
)
def test_made_up_names_are_distinct_words_of_the_vocabulary(
    name: str, tags: int, answers: int, attributes: int
) -> None:
    labels = random_labels(vision_language_config(name))
    assert (len(set(labels.tags)), len(set(labels.answers))) == (tags, answers)
    assert len(set(labels.attributes) - set(labels.tags)) == attributes
    for text in (*labels.tags, *labels.answers, *labels.attributes):
        ids = labels.tokenizer.encode(text)
        assert labels.tokenizer.tokens(ids) == [text]
    assert random_labels(vision_language_config(name)).tags == labels.tags


def test_tag_text_names_each_tag_once_in_the_order_of_regions() -> None:
    labels = replace(random_labels(CONFIG), tags=("red house", "man", "man", "house"))
    ids = labels.tag_ids([3, 1, 0, 1, 2, 3])
    assert labels.tokenizer.decode(ids) == "house man red house"


def test_writing_and_reading_give_the_same_words_and_vocabulary_bytes(tmp_path: Path) -> None:
    labels = replace(random_labels(CONFIG), tags=tuple(f"étiquette {number}" for number in range(CONFIG.tags)))
    write_labels(tmp_path, labels)
    found = read_labels(tmp_path, CONFIG)
    assert (found.tags, found.answers, found.attributes) == (labels.tags, labels.answers, labels.attributes)
    assert (tmp_path / "vocab.txt").read_bytes() == shipped_vocabulary(400).read_bytes()


def test_a_model_without_answers_needs_no_file_for_them(tmp_path: Path) -> None:
    config = replace(CONFIG, heads=("match",))
    write_labels(tmp_path, random_labels(config))
    assert not (tmp_path / "answers.txt").exists()
    assert read_labels(tmp_path, config).answers == ()


def test_attributes_that_nobody_named_have_no_names(tmp_path: Path) -> None:
    labels = replace(random_labels(CONFIG), attributes=())
    write_labels(tmp_path, labels)
    assert not (tmp_path / "attributes.txt").exists()
    assert read_labels(tmp_path, CONFIG).attributes == ()
    assert labels.sha256 != random_labels(CONFIG).sha256


def test_a_detector_without_attributes_needs_no_names_of_them(tmp_path: Path) -> None:
    config = replace(CONFIG, vision=replace(CONFIG.vision, attributes=0))
    assert random_labels(config).attributes == ()
    write_labels(tmp_path, random_labels(CONFIG))
    assert read_labels(tmp_path, config).attributes == ()


@pytest.mark.parametrize("names", [9, 11])
def test_another_number_of_attributes_is_refused(tmp_path: Path, names: int) -> None:
    write_labels(tmp_path, replace(random_labels(CONFIG), attributes=tuple(f"look {row}" for row in range(names))))
    with pytest.raises(UserError, match=rf"attributes.txt has {names} lines, and the model needs 10"):
        read_labels(tmp_path, CONFIG)


@pytest.mark.parametrize("file", ["tags.txt", "answers.txt", "vocab.txt"])
@pytest.mark.parametrize("damage", ["missing", "one more", "one less", "empty line", "not text"])
def test_files_that_do_not_fit_are_refused_by_name(tmp_path: Path, file: str, damage: str) -> None:
    write_labels(tmp_path, random_labels(CONFIG))
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
        read_labels(tmp_path, CONFIG)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "  ", "two\nlines"])
def test_a_name_that_is_no_line_is_never_written(tmp_path: Path, name: str) -> None:
    labels = random_labels(CONFIG)
    with pytest.raises(UserError, match="cannot be a line"):
        write_labels(tmp_path, replace(labels, tags=(*labels.tags[1:], name)))
    assert list(tmp_path.iterdir()) == []


LISTS = ("tags.txt", "answers.txt", "vocab.txt")


@pytest.mark.parametrize("file", LISTS)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte-order mark"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["unix", "windows"])
@pytest.mark.parametrize("last", [True, False], ids=["last line ended", "last line open"])
def test_how_an_editor_stores_text_is_no_content(
    tmp_path: Path, file: str, mark: bytes, end: bytes, last: bool
) -> None:
    labels = random_labels(CONFIG)
    write_labels(tmp_path, labels)
    lines = (tmp_path / file).read_bytes().splitlines()
    (tmp_path / file).write_bytes(mark + end.join(lines) + (end if last else b""))
    found = read_labels(tmp_path, CONFIG)
    assert (found.tags, found.answers) == (labels.tags, labels.answers)
    assert found.tokenizer.tokens(range(400)) == labels.tokenizer.tokens(range(400))
    write_labels(tmp_path / "again", found)
    assert (tmp_path / "again" / file).read_bytes() == b"\n".join(lines) + b"\n"


@pytest.mark.parametrize("file", LISTS)
@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("", "has nothing on line 7"),
        ("  ", "has nothing on line 7"),
        ("man ", "has spaces before or after the name on line 7"),
        (" man", "has spaces before or after the name on line 7"),
        ("man\t", r"has the control character '\\t' on line 7"),
        ("man\rwoman", r"has the control character '\\r' on line 7"),
        ("m\x00a\x00", r"has the control character '\\x00' on line 7"),
        ("\ufeffman", "has a byte-order mark, .* on line 7"),
        ("SAME", "on lines 3 and 7"),
    ],
)
def test_a_line_that_is_no_name_is_refused_by_number(tmp_path: Path, file: str, line: str, complaint: str) -> None:
    write_labels(tmp_path, random_labels(CONFIG))
    lines = (tmp_path / file).read_text(encoding="utf-8").split("\n")
    lines[6] = lines[2] if line == "SAME" else line
    (tmp_path / file).write_bytes("\n".join(lines).encode())
    with pytest.raises(UserError, match=f"{file} .*{complaint}") as caught:
        read_labels(tmp_path, CONFIG)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("file", LISTS)
def test_blank_lines_at_the_end_are_lines(tmp_path: Path, file: str) -> None:
    write_labels(tmp_path, random_labels(CONFIG))
    with (tmp_path / file).open("ab") as opened:
        opened.write(b"\n\n")
    with pytest.raises(UserError, match=f"{file} has nothing on line"):
        read_labels(tmp_path, CONFIG)


@pytest.mark.parametrize("file", LISTS)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_another_encoding_is_refused(tmp_path: Path, file: str, encoding: str) -> None:
    write_labels(tmp_path, random_labels(CONFIG))
    text = (tmp_path / file).read_text(encoding="utf-8")
    (tmp_path / file).write_bytes(f"caf\u00e9{text}".encode(encoding))
    with pytest.raises(UserError, match=f"{file} (is|has)") as caught:
        read_labels(tmp_path, CONFIG)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("attributes", [(), ("red", "très grand")])
def test_a_detectors_names_are_read_as_they_were_written(tmp_path: Path, attributes: tuple[str, ...]) -> None:
    labels = DetectorLabels(tags=("cat", "chat-huant"), attributes=attributes)
    write_detector_labels(tmp_path, labels)
    assert read_detector_labels(tmp_path, tags=2, attributes=len(attributes)) == labels
    with pytest.raises(UserError, match=r"tags.txt has 2 lines, and the model needs 3"):
        read_detector_labels(tmp_path, tags=3, attributes=len(attributes))
