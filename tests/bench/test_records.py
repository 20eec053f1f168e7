"""Records: statistics, one line each, appended and read back."""

import json
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.records import Record, append, read
from minivlm.errors import UserError
from tests.bench.samples import SAMPLE

times = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=20)


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


class TestStatistics:
    def test_a_run_is_the_sum_of_its_stages(self):
        record = replace(SAMPLE, samples={"regions": [10.0, 30.0, 20.0], "fusion": [1.0, 2.0, 6.0]})
        assert record.totals == [11.0, 32.0, 26.0]
        assert record.median == 26.0

    def test_stages_of_different_length_are_no_measurement(self):
        record = replace(SAMPLE, samples={"regions": [10.0, 30.0], "fusion": [1.0]})
        with pytest.raises(ValueError, match="shorter"):
            _ = record.totals

    def test_spread_is_half_the_distance_of_the_quartiles(self):
        # Of 1..5 the quartiles are 2 and 4; one slow run changes nothing.
        assert replace(SAMPLE, samples={"forward": [5.0, 1.0, 3.0, 2.0, 4.0]}).spread == 1.0
        assert replace(SAMPLE, samples={"forward": [500.0, 1.0, 3.0, 2.0, 4.0]}).spread == 1.0

    def test_one_run_has_no_spread(self):
        assert replace(SAMPLE, samples={"forward": [7.0]}).spread == 0.0

    @given(samples=times)
    def test_the_median_is_a_middle(self, samples):
        record = replace(SAMPLE, samples={"forward": samples})
        assert record.median == statistics.median(samples)
        assert record.spread >= 0.0


class TestLines:
    @given(samples=times, cpu=st.text(), load=st.floats(0.0, 1e9))
    def test_a_record_comes_back_as_it_was(self, samples, cpu, load):
        record = replace(SAMPLE, samples={"forward": samples}, environment={"cpu": cpu}, load_ms=load)
        line = record.to_json()
        assert len(line.splitlines()) == 1
        assert Record.from_json(line) == record

    def test_records_are_added_at_the_end_in_folders_that_are_made(self, tmp_path):
        path = tmp_path / "results" / "records.jsonl"
        second = replace(SAMPLE, model="r101-f")
        for record in (SAMPLE, second):
            append(path, record)
            assert path.read_text().endswith("}\n")
        assert read(path) == [SAMPLE, second]

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("{", "Expecting"),
            ("", "Expecting value"),
            ("[1, 2]", "format 1"),
            ("3", "format 1"),
            ('{"model": "tee-0"}', "format 1"),
            ('{"format": 1, "model": "tee-0"}', "missing"),
            (json.dumps({**json.loads(SAMPLE.to_json()), "format": 2}), "format 1"),
            (json.dumps({**json.loads(SAMPLE.to_json()), "colour": "red"}), "colour"),
        ],
    )
    def test_a_line_that_is_no_record_is_named(self, tmp_path, line, reason):
        path = tmp_path / "records.jsonl"
        path.write_text(f"{SAMPLE.to_json()}\n{line}\n{SAMPLE.to_json()}\n")
        message = refusal(path)
        assert f"{path}, line 2 is no record" in message
        assert reason in message

    def test_a_line_that_was_cut_off_is_named(self, tmp_path):
        path = tmp_path / "records.jsonl"
        path.write_text(f"{SAMPLE.to_json()}\n{SAMPLE.to_json()[:200]}")
        assert "line 2" in refusal(path)

    def test_a_file_that_cannot_be_read_is_a_user_s_error(self, tmp_path):
        assert "cannot read records" in refusal(tmp_path / "none.jsonl")
        (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
        assert "cannot read records" in refusal(tmp_path / "binary")

    def test_a_file_that_cannot_be_written_is_a_user_s_error(self, tmp_path):
        with pytest.raises(UserError, match="cannot add to") as caught:
            append(tmp_path, SAMPLE)  # a folder
        assert "--output" in str(caught.value)


def test_a_record_after_a_cut_off_line_starts_its_own(tmp_path):
    path = tmp_path / "records.jsonl"
    append(path, SAMPLE)
    path.write_bytes(path.read_bytes() + b'{"model": "tee-')  # what a killed process leaves
    append(path, SAMPLE)
    first, cut_off, last = path.read_text().splitlines()
    assert (Record.from_json(first), Record.from_json(last)) == (SAMPLE, SAMPLE)
    assert cut_off == '{"model": "tee-'
