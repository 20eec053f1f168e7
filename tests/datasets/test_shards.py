"""Pictures in tar shards are found, read and hashed as files are; what is broken in a shard is named."""

import hashlib
import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minivlm.cli.main import main
from minivlm.datasets.captions import data_hash, read_captions
from minivlm.datasets.folder import DataFiles, find_data
from minivlm.datasets.pictures import PictureFolder
from minivlm.evaluation.building import TaskData
from minivlm.images.photos import PhotoError, load_photo
from minivlm.inference.features import photo_hash
from minivlm.storage.shards import list_shard, read_member
from minivlm.training.detector_start import read_boxes_to_learn
from minivlm.training.language.corpus import read_corpus
from tests.datasets.made import box_data, pictures, write
from tests.datasets.test_check import run


def png(folder: Path) -> bytes:
    return (pictures(folder, "some.png") / "some.png").read_bytes()


def shard(path: Path, members: Sequence[tuple[str, bytes]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.text("abcé/0", min_size=1, max_size=150).map(lambda name: "x" + name.replace("/", "/y")),
        st.binary(max_size=1500),
        max_size=8,
    ),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_every_member_is_what_tarfile_extracts(
    tmp_path_factory: pytest.TempPathFactory, members: dict[str, bytes], form: int
) -> None:
    path = tmp_path_factory.mktemp("made") / "a.tar"
    with tarfile.open(path, "w", format=form) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    with tarfile.open(path) as tar:
        expected = {one.name: tar.extractfile(one).read() for one in tar.getmembers()}  # type: ignore[union-attr]
    listed = list_shard(path)
    assert {name: read_member(path, name) for name in listed.places} == expected
    assert listed.faults == {}


def test_a_picture_in_a_shard_is_the_picture(tmp_path: Path) -> None:
    content = png(tmp_path / "loose")
    path = shard(tmp_path / "images" / "train-000000.tar", [("val/im_000000000042.png", content)])
    folder = PictureFolder(tmp_path / "images")
    picture = path / "val" / "im_000000000042.png"
    assert folder.files == (picture,)
    names = ("val/im_000000000042.png", "im_000000000042.png", "train-000000.tar/val/im_000000000042.png")
    assert [folder.named(name) for name in names] == [picture] * 3
    assert folder.numbered("42") == picture
    assert load_photo(picture).tobytes() == load_photo(tmp_path / "loose" / "some.png").tobytes()
    assert photo_hash(picture) == hashlib.sha256(content).hexdigest()
    with pytest.raises(PhotoError, match="is not in that tar file"):
        load_photo(path / "none.png")


def test_a_shard_that_changed_is_listed_again(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar", [("a.png", b"1")])
    assert list(list_shard(path).places) == ["a.png"]
    shard(path, [("b.png", b"1" * 20_000)])
    assert list(list_shard(path).places) == ["b.png"]


def test_texts_in_shards_are_captions_where_no_file_has_them(tmp_path: Path) -> None:
    content = png(tmp_path / "loose")
    members = [("a.png", content), ("a.txt", b"A cat.\n"), ("b.png", content), ("c.png", content), ("c.txt", b" ")]
    shard(tmp_path / "data" / "x-000000.tar", members)
    files, _ = find_data(tmp_path / "data", DataFiles())
    assert files.captions == files.images == tmp_path / "data"
    data = read_captions(tmp_path / "data", PictureFolder(tmp_path / "data"))
    assert [(one.id, one.captions) for one in data.examples] == [("x-000000.tar/a.png", ("A cat.",))]
    said = {one.what: one.count for one in data.report.findings}
    assert said == {"captions without words": 1, "pictures without captions": 2}
    given = write(tmp_path / "data" / "captions.json", [{"image": "b.png", "caption": "A dog"}])
    assert find_data(tmp_path / "data", DataFiles())[0].captions == given


def test_what_is_broken_in_shards_is_named_and_the_rest_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = png(tmp_path / "loose")
    folder = tmp_path / "data"
    bad = [("a.png", content), ("a.png", content), ("/b.png", content), ("../c.png", content), ("d.png", b"none")]
    shard(folder / "bad.tar", bad)
    cut = shard(folder / "cut.tar", [("e.png", content), ("f.png", content)])
    cut.write_bytes(cut.read_bytes()[: 512 + -(-len(content) // 512) * 512 + 512 + 10])
    blank = shard(folder / "mid.tar", [("g.png", content), ("h.png", content)])
    damaged = bytearray(blank.read_bytes())
    second = 512 + -(-len(content) // 512) * 512
    damaged[second : second + 512] = b"x" * 512
    blank.write_bytes(damaged)
    (folder / "packed.tar.gz").write_bytes(b"")
    (folder / "text.tar").write_bytes(b"no tar" * 200)
    code, out, _ = run(capsys, folder)
    assert code == 0
    assert "4 in the folder, 4 needed, 3 readable" in out  # a, d, e and g; d is no picture
    assert "1 members of shards whose name is there twice (bad.tar/a.png)" in out
    assert "2 members of shards with an absolute path or .. in it (bad.tar//b.png, bad.tar/../c.png)" in out
    assert "1 pictures that cannot be read (d.png " in out
    assert "2 shards that are cut short or damaged, read up to there (cut.tar, mid.tar)" in out
    assert "1 compressed shards, which cannot be read from the middle: unpack them (packed.tar.gz)" in out
    assert "1 shards that are no tar file, or a compressed one: unpack it (text.tar)" in out


def test_training_and_scoring_name_it_too(tmp_path: Path) -> None:
    content, folder = png(tmp_path / "loose"), tmp_path / "data"
    shard(folder / "images" / "a.tar", [("a.png", content), ("a.png", content)])
    (folder / "images" / "b.tar.gz").write_bytes(b"")
    write(folder / "captions.json", [{"image": "a.png", "caption": "A cat"}])
    write(folder / "boxes.json", box_data())
    files, _ = find_data(folder, DataFiles())
    expected = {
        "members of shards whose name is there twice",
        "compressed shards, which cannot be read from the middle",
    }
    corpus = read_corpus([files], ("captions",))
    for reports in (corpus.reports, read_boxes_to_learn(folder).reports, TaskData(files).pictures.reports):
        assert expected <= {one.what.partition(":")[0] for report in reports for one in report.findings}
    [captions] = [report for report in corpus.reports if report.title == "captions"]
    assert captions.findings == ()


def test_written_shards_hold_the_data_in_the_same_bytes_each_time(tmp_path: Path) -> None:
    data = tmp_path / "data"
    pictures(data / "images", "a.png", "b.png", "dev/y.png")
    write(data / "some.json", box_data())
    for name in ("one", "two"):
        main(["data", "shards", str(data), str(tmp_path / name), "--most", "2"])
    shards = ["train-000000.tar", "train-000001.tar"]
    assert sorted(path.name for path in (tmp_path / "one" / "images").iterdir()) == shards
    for name in shards:
        assert (tmp_path / "one/images" / name).read_bytes() == (tmp_path / "two/images" / name).read_bytes()
    assert (tmp_path / "one" / "boxes.json").read_bytes() == (data / "some.json").read_bytes()
    held = PictureFolder(tmp_path / "one" / "images")
    for name in ("a.png", "b.png", "dev/y.png"):
        picture = held.named(name)
        assert picture is not None
        assert photo_hash(picture) == photo_hash(data / "images" / name)


def test_shards_are_not_written_over_anything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures(tmp_path / "data", "a.png")
    with pytest.raises(SystemExit) as end:
        main(["data", "shards", str(tmp_path / "data"), str(tmp_path / "data")])
    assert end.value.code == 2
    assert "is there already: name a new folder" in capsys.readouterr().err


def test_the_hash_of_captions_in_shards_is_of_the_captions_alone(tmp_path: Path) -> None:
    before = data_hash(shard(tmp_path / "one" / "a.tar", [("a.png", b"1"), ("a.txt", b"A cat.")]).parent)
    write(tmp_path / "one" / "log.json", {})
    assert data_hash(tmp_path / "one") == before
    other = shard(tmp_path / "two" / "a.tar", [("a.png", b"1"), ("a.txt", b"A dog.")]).parent
    assert data_hash(other) != before


def test_the_path_in_the_tar_tells_two_pictures_of_one_name(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar", [("x/1.png", b"1"), ("y/1.png", b"2")])
    folder = PictureFolder(tmp_path)
    assert folder.named("1.png") is None
    assert folder.named("y/1.png") == path / "y" / "1.png"
