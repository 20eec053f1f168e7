"""The command that judges two sets of records: exit codes, files, bad input."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.compare import main
from bench.records.file import append
from minivlm.errors import UserError
from tests.bench.regression.test_verdict import repeats
from tests.bench.samples import FAILED, SAMPLE


def written(path: Path, *records) -> str:
    for record in records:
        append(path, record)
    return str(path)


def exit_code(*argv: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    return ended.value.code


def refusal(*argv: str) -> str:
    with pytest.raises(UserError) as caught:
        main(argv)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def base(tmp_path) -> str:
    return written(tmp_path / "base" / "records.jsonl", *repeats())


class TestExitCode:
    def test_is_0_without_and_1_with_a_regression(self, tmp_path, base, capsys):
        assert exit_code(base, written(tmp_path / "same.jsonl", *repeats(seed=1))) == 0
        assert "No regression" in capsys.readouterr().out
        assert exit_code(base, written(tmp_path / "slow.jsonl", *repeats(seed=1, scale=1.2))) == 1
        assert "1 regression: 1 slower" in capsys.readouterr().out

    def test_folders_stand_for_their_records(self, tmp_path, base):
        assert exit_code(str(Path(base).parent), base) == 0


class TestRuns:
    def test_the_latest_run_of_a_file_is_compared_and_said(self, tmp_path, base, capsys):
        later = "2026-01-03T00:00:00+00:00"
        grown = written(
            tmp_path / "grown" / "records.jsonl", *repeats(), *repeats(seed=1, scale=1.5, run="b", time=later)
        )
        assert exit_code(base, grown) == 1
        assert f"new: run b (12 repeats, one of 2 runs there) of {grown}" in capsys.readouterr().out.replace("\n", "")
        assert exit_code(base, grown, "--new-run", SAMPLE.run) == 0
        assert "--new-run c" in refusal(base, grown, "--new-run", "c")


class TestSafety:
    def test_no_output_is_an_input(self, base):
        assert "would be overwritten" in refusal(base, base, "--json", base)

    def test_markup_in_names_is_shown_and_an_error_of_the_program_is_no_regression(self, tmp_path):
        odd = "[/bold] [link=x]"
        base, new = (
            written(tmp_path / side, *repeats(model=odd, environment={"cpu": odd}), replace(FAILED, model=odd))
            for side in ("base", "new")
        )
        done = subprocess.run(
            [sys.executable, "bench/compare.py", base, new], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0
        assert odd in done.stdout


class TestFiles:
    def test_every_format_has_the_same_verdict(self, tmp_path, base):
        new = written(tmp_path / "new.jsonl", *repeats(seed=1, scale=1.2), FAILED)
        flags = [f"--{kind}={tmp_path / kind}" for kind in ("markdown", "json", "junit", "github-json")]
        assert exit_code(base, new, *flags) == 1
        markdown = (tmp_path / "markdown").read_text()
        assert markdown.startswith("### Benchmark: 1 regression: 1 slower")
        assert "| tee-0, pytorch, fp32, 4 threads | latency |" in markdown
        judgements = json.loads((tmp_path / "json").read_text())["judgements"]
        (slower,) = [each for each in judgements if each["regression"]]
        assert (slower["quantity"], slower["verdict"]) == ("latency", "slower")
        assert slower["change"] == pytest.approx(0.2, abs=0.03)  # 12 repeats of 1 % scatter
        assert slower["evidence"]["paired"] is True
        suites = ElementTree.parse(tmp_path / "junit").getroot()
        assert (suites.get("tests"), suites.get("failures"), suites.get("skipped")) == ("6", "1", "1")
        assert suites.find(".//failure").get("type") == "slower"
        entries = json.loads((tmp_path / "github-json").read_text())
        assert entries[0]["name"] == "tee-0, pytorch, fp32, 4 threads: latency"
        assert {entry["unit"] for entry in entries} == {"ms", "MB"}
        assert all(entry["value"] > 0 for entry in entries)

    def test_names_from_records_cannot_break_a_format(self, tmp_path):
        odd = "a|b<&>\x01\n"
        base = written(tmp_path / "base.jsonl", *[replace(record, model=odd) for record in repeats()])
        new = written(tmp_path / "new.jsonl", *[replace(record, model=odd) for record in repeats(seed=1, scale=1.5)])
        assert exit_code(base, new, f"--junit={tmp_path / 'junit'}", f"--markdown={tmp_path / 'markdown'}") == 1
        ElementTree.parse(tmp_path / "junit")
        rows = [line for line in (tmp_path / "markdown").read_text().splitlines() if line.startswith("| ")]
        assert {line.replace("\\|", "").count("|") for line in rows} == {8}  # seven columns


class TestBadInput:
    def test_is_one_line_that_names_the_file(self, tmp_path, base):
        empty, cut, mixed = tmp_path / "empty.jsonl", tmp_path / "cut.jsonl", tmp_path / "mixed.jsonl"
        empty.write_text("")
        cut.write_text(SAMPLE.to_json() + "\n" + SAMPLE.to_json()[:100])
        mixed.write_text(SAMPLE.to_json() + "\n" + json.dumps({"format": 1}) + "\n")
        for path, reason in ((empty, "has no records"), (cut, "line 2 was cut off"), (mixed, "format 1")):
            message = refusal(base, str(path))
            assert str(path) in message
            assert reason in message
        assert "holds no records.jsonl" in refusal(base, str(tmp_path))
        assert "nothing.jsonl" in refusal(str(tmp_path / "nothing.jsonl"), base)

    def test_other_machines_are_not_compared(self, tmp_path, base):
        other = written(tmp_path / "other.jsonl", *repeats(environment={"cpu": "Other", "cores": 4}))
        assert "cpu: Example CPU / Other" in refusal(base, other)


class TestOutputsAreNoInputs:
    @pytest.mark.parametrize("flag", ["--markdown", "--json", "--junit", "--github-json"])
    def test_records_are_not_overwritten(self, tmp_path, base, flag):
        file = Path(base)
        before = file.read_bytes()
        (tmp_path / "link").symlink_to(file)
        for name in (base, str(tmp_path / "link")):
            assert "would be overwritten" in refusal(str(file.parent), base, flag, name)
        assert file.read_bytes() == before

    def test_two_outputs_of_one_name_are_refused(self, tmp_path, base):
        same = str(tmp_path / "out")
        assert "are one file" in refusal(base, base, "--markdown", same, "--junit", same)
        assert not Path(same).exists()

    def test_an_output_that_is_a_folder_is_refused_before_any_is_written(self, tmp_path, base):
        assert "is a folder" in refusal(base, base, "--markdown", str(tmp_path / "out"), "--json", str(tmp_path))
        assert not (tmp_path / "out").exists()
