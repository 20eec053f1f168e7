"""Files of records: appended, read back, cut off anywhere, damaged."""

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.records.file import append, read, read_kept
from minivlm.errors import UserError
from minivlm.storage import lines
from tests.bench.samples import FAILED, SAMPLE


def fields(**changes) -> dict:
    return {**json.loads(SAMPLE.to_json()), **changes}


def refusal(path: Path, reader=read) -> str:
    with pytest.raises(UserError) as caught:
        reader(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


class TestLines:
    def test_records_are_added_at_the_end_in_folders_that_are_made(self, tmp_path):
        path = tmp_path / "results" / "records.jsonl"
        for record in (SAMPLE, FAILED):
            append(path, record)
            assert path.read_text().endswith("}\n")
        assert read(path) == read_kept(path) == [SAMPLE, FAILED]

    @pytest.mark.parametrize("reader", [read, read_kept])
    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("{", "Expecting"),
            ("", "Expecting value"),
            ("[1, 2]", "no JSON object with a format"),
            ("3", "no JSON object with a format"),
            ('{"model": "tee-0"}', "no JSON object with a format"),
            ('{"format": 2, "model": "tee-0"}', "run: Field required"),
            ('{"format": 1, "model": "tee-0"}', "format 1, and this program reads format 2"),
            (json.dumps(fields(colour="red")), "colour: Unexpected"),
            (json.dumps(fields(load_ms="fast")), "load_ms: Input should be a valid number"),
            (json.dumps(fields(load_ms=float("nan"))), "load_ms: Input should be a finite number"),
            (json.dumps(fields(samples={"forward": [1.0, None]})), "samples.forward.1"),
            (json.dumps(fields(samples={})), "a record that is ok has"),
            (json.dumps(fields(memory={"peak_bytes": 1.5, "baseline_bytes": 1})), "memory.peak_bytes"),
            (json.dumps(fields(status="maybe")), "status"),
            (json.dumps(fields(samples={"forward": [1.0, -1.0]})), "samples.forward.1: Input should be greater"),
            (json.dumps(fields(samples={"forward": [0.0]})), "samples.forward.0"),
            (json.dumps(fields(samples={"forward": [1e300]})), "samples.forward.0: Input should be less"),
            (json.dumps(fields(first_ms=-1.0)), "first_ms"),
            (json.dumps(fields(load_ms=0)), "load_ms"),
            (json.dumps(fields(memory={"peak_bytes": -1, "baseline_bytes": 1})), "memory.peak_bytes"),
            (json.dumps(fields(counts={"params": 0, "macs": 1})), "counts.params"),
            (json.dumps(fields(machine={"gmac_per_s": 0.0, "gb_per_s": 1.0})), "machine.gmac_per_s"),
            (json.dumps(fields(round=-1)), "round"),
            (json.dumps(fields(threads=0)), "threads"),
            (json.dumps(fields(time="yesterday")), "is not ISO 8601"),
            (json.dumps(fields(environment={"load_1min": [float("inf")]})), "environment has the number inf"),
            ("[" * 100_000, "too deep"),
        ],
    )
    def test_a_line_that_is_no_record_is_named(self, tmp_path, line, reason, reader):
        path = tmp_path / "records.jsonl"
        path.write_text(f"{SAMPLE.to_json()}\n{line}\n{SAMPLE.to_json()}\n")
        message = refusal(path, reader)
        assert f"{path}, line 2 is no record" in message
        assert reason in message

    def test_a_line_that_was_cut_off_is_named(self, tmp_path):
        path = tmp_path / "records.jsonl"
        path.write_text(f"{SAMPLE.to_json()}\n{SAMPLE.to_json()[:200]}")
        assert "line 2 was cut off" in refusal(path)
        assert "--resume" in refusal(path)

    def test_a_file_that_cannot_be_read_is_a_user_s_error(self, tmp_path):
        assert "cannot read records" in refusal(tmp_path / "none.jsonl")
        (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
        assert "it is no text" in refusal(tmp_path / "binary")

    def test_an_empty_file_is_a_user_s_error(self, tmp_path):
        (tmp_path / "records.jsonl").touch()
        assert "has no records" in refusal(tmp_path / "records.jsonl")


class TestInterruption:
    """What a killed process or a full disk leaves."""

    @given(data=st.data())
    def test_a_file_cut_anywhere_keeps_its_whole_records_and_takes_more(self, tmp_path_factory, data):
        path = tmp_path_factory.mktemp("cut") / "records.jsonl"
        for record in (SAMPLE, FAILED, SAMPLE):
            append(path, record)
        content = path.read_bytes()
        cut = data.draw(st.integers(0, len(content)))
        path.write_bytes(content[:cut])
        # The line end itself may be what is missing.
        whole = [SAMPLE, FAILED, SAMPLE][: content[: cut + 1].count(b"\n")]
        assert read_kept(path) == whole
        append(path, FAILED)
        assert read(path) == [*whole, FAILED]

    def test_nothing_there_yet_is_nothing_kept(self, tmp_path):
        assert read_kept(tmp_path / "none.jsonl") == []

    def test_a_file_that_cannot_be_written_is_a_user_s_error(self, tmp_path):
        with pytest.raises(UserError, match="cannot add to") as caught:
            append(tmp_path, SAMPLE)  # a folder
        assert "--output" in str(caught.value)

    def test_a_full_disk_leaves_the_file_as_it_was(self, tmp_path, monkeypatch):
        path = tmp_path / "records.jsonl"
        append(path, SAMPLE)
        before = path.read_bytes()

        def full(handle):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(lines.os, "fsync", full)
        with pytest.raises(UserError, match="No space left on device; free space"):
            append(path, FAILED)
        assert path.read_bytes() == before


@pytest.mark.parametrize("use", [read, read_kept, lambda path: append(path, SAMPLE)], ids=["read", "kept", "append"])
@pytest.mark.parametrize("kind", ["device", "pipe", "folder"])
def test_what_is_no_regular_file_is_refused_before_it_is_read(tmp_path, use, kind):
    """/dev/zero never ends, and nobody writes to the pipe."""
    path = tmp_path / "records.jsonl"
    if kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(UserError, match="it is no regular file"):
        use(path)
