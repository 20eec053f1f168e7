"""The benchmark's command line: what it refuses, what it measures, and what an interruption leaves."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench import records, run
from bench.environment import available_cores, environment
from bench.run import Plan, combinations, parse_plan
from bench.timing import PROFILES
from minivlm.console import Steps
from minivlm.errors import UserError, run_command
from minivlm.photos import default_photo
from tests.bench.samples import SAMPLE

ROOT = Path(__file__).parents[2]


def plan(folder: Path, **changes) -> Plan:
    made = parse_plan(["--models", "minilm-tiny,grid-tiny", "--output", str(folder / "results")])
    return replace(made, artifacts=folder / "artifacts", **changes)


class TestPlan:
    def test_without_flags_is_the_paper_s_comparison(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        made = parse_plan(["--device", "cpu", "--threads", "4"])
        assert made.threads == 4
        assert set(made.models) == {
            *("tee-0", "grid-r50", "grid-x101", "r101-f"),
            *("bert-base", "bert-8", "tinybert-6", "bert-4", "minilm", "tinybert-4"),
        }
        assert made.runtimes == ["pytorch", "executorch"]
        assert made.photo == default_photo()
        assert made.profile in PROFILES

    def test_takes_what_it_is_given(self, tmp_path, photo_path):
        given = ["--models", "tee-0, minilm", "--runtimes", "executorch", "--threads", "2", "--profile", "quick"]
        made = parse_plan([*given, "--image", str(photo_path), "--output", str(tmp_path / "out")])
        assert made.models == ["tee-0", "minilm"]
        assert made.runtimes == ["executorch"]
        assert (made.threads, made.profile, made.photo) == (2, "quick", photo_path)

    @pytest.mark.parametrize(
        ("flags", "parts"),
        [
            (["--threads", "0"], ["--threads 0", "at least 1"]),
            (["--threads", "-1"], ["--threads -1", "at least 1"]),
            (["--device", "gpu"], ["unknown device 'gpu'", "cpu"]),
            (["--models", "tee-0,minlm"], ["unknown model 'minlm'", "did you mean minilm"]),
            (["--runtimes", "pytorhc"], ["unknown runtime 'pytorhc'", "did you mean pytorch?"]),
            (["--profile", "slow"], ["unknown profile 'slow'", "quick"]),
            (["--image", "{folder}/notes.txt"], ["notes.txt", "convert it to JPEG or PNG"]),
            (["--image", "{folder}/none.jpg"], ["none.jpg", "does not exist"]),
            (["--output", "{folder}/notes.txt/results"], ["notes.txt", "--output"]),
            (["--output", "{folder}/notes.txt"], ["notes.txt", "--output"]),
        ],
    )
    def test_refuses_in_one_line_with_exit_code_2_before_anything_runs(
        self, tmp_path, capsys, monkeypatch, flags, parts
    ):
        monkeypatch.setattr(run, "run", lambda plan, steps: pytest.fail("measuring began"))
        (tmp_path / "notes.txt").write_text("not a photo")
        flags = [flag.format(folder=tmp_path) for flag in flags]
        output = [] if "--output" in flags else ["--output", str(tmp_path / "results")]
        with pytest.raises(SystemExit) as caught:
            run_command(lambda: run.main([*flags, *output]))
        assert caught.value.code == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        (line,) = shown.err.splitlines()
        assert line.startswith("error: ")
        assert all(part in line for part in parts)
        assert not list(tmp_path.glob("**/*.jsonl"))

    def test_a_number_of_threads_that_is_none_ends_with_exit_code_2(self, tmp_path, capsys):
        with pytest.raises(SystemExit) as caught:
            run.main(["--threads", "four", "--output", str(tmp_path)])
        assert caught.value.code == 2
        assert "four" in capsys.readouterr().err


class TestCombinations:
    def test_baselines_run_in_pytorch_only(self, tmp_path):
        assert combinations(plan(tmp_path, models=["tee-0", "r101-f", "grid-r50", "minilm", "oscar-b", "minivlm"])) == [
            ("tee-0", "pytorch"),
            ("tee-0", "executorch"),
            ("r101-f", "pytorch"),
            ("grid-r50", "pytorch"),
            ("minilm", "pytorch"),
            ("minilm", "executorch"),
            ("oscar-b", "pytorch"),
            ("minivlm", "pytorch"),
            ("minivlm", "executorch"),
        ]

    def test_nothing_left_to_measure_is_a_user_s_error(self, tmp_path):
        with pytest.raises(UserError, match="r101-f run in PyTorch only"):
            combinations(plan(tmp_path, models=["r101-f"], runtimes=["executorch"]))


class TestRun:
    """With the measurement itself replaced; `test_worker` runs real ones."""

    @pytest.fixture(autouse=True)
    def _no_export(self, monkeypatch):
        monkeypatch.setattr(run, "ensure_artifact", lambda model, runtime, plan, steps: Path(f"{model}.pte"))

    def test_every_pair_is_measured_once_and_on_disk_before_the_next_begins(self, tmp_path, monkeypatch):
        path, requests = tmp_path / "results" / "records.jsonl", []

        def measure(request):
            assert (len(records.read(path)) if path.exists() else 0) == len(requests)
            requests.append(request)
            return replace(SAMPLE, model=request.model, runtime=request.runtime)

        monkeypatch.setattr(run, "measure", measure)
        measured = run.run(plan(tmp_path, threads=3, profile="quick"), Steps())
        assert [(request.model, request.runtime, request.artifact) for request in requests] == [
            ("minilm-tiny", "pytorch", None),
            ("minilm-tiny", "executorch", "minilm-tiny.pte"),
            ("grid-tiny", "pytorch", None),
        ]
        assert {(request.threads, request.profile, request.photo) for request in requests} == {
            (3, "quick", str(default_photo()))
        }
        assert records.read(path) == measured

    @pytest.mark.parametrize("error", [KeyboardInterrupt(), UserError("the second one failed")])
    def test_an_interruption_keeps_what_was_measured(self, tmp_path, monkeypatch, error):
        def measure(request):
            if request.runtime == "executorch":
                raise error
            return replace(SAMPLE, model=request.model)

        monkeypatch.setattr(run, "measure", measure)
        with pytest.raises(type(error)):
            run.run(plan(tmp_path), Steps())
        assert [record.model for record in records.read(tmp_path / "results" / "records.jsonl")] == ["minilm-tiny"]

    def test_earlier_records_stay(self, tmp_path, monkeypatch):
        records.append(tmp_path / "results" / "records.jsonl", SAMPLE)
        monkeypatch.setattr(run, "measure", lambda request: replace(SAMPLE, model=request.model))
        run.run(plan(tmp_path, models=["grid-tiny"]), Steps())
        assert [record.model for record in records.read(tmp_path / "results" / "records.jsonl")] == [
            "tee-0",
            "grid-tiny",
        ]

    def test_the_command_shows_progress_then_the_table_and_where_the_records_are(self, tmp_path, monkeypatch, capfd):
        monkeypatch.setattr(run, "measure", lambda request: replace(SAMPLE, model="tee-0", runtime=request.runtime))
        run.main(["--models", "grid-tiny", "--output", str(tmp_path), "--threads", "1"])
        shown = capfd.readouterr()
        assert "[1/1] grid-tiny, pytorch" in shown.err
        assert "tee-0, pytorch" in shown.out
        assert "393.9" in shown.out, "the paper's figure beside it"
        assert f"1 records added to {tmp_path / 'records.jsonl'}" in shown.out

    def test_more_threads_than_cores_are_measured_with_a_word_of_warning(self, tmp_path, monkeypatch, capfd):
        asked = []
        monkeypatch.setattr(run, "measure", lambda request: asked.append(request.threads) or SAMPLE)
        many = available_cores() + 1
        run.main(["--models", "grid-tiny", "--output", str(tmp_path), "--threads", str(many)])
        assert asked == [many]
        assert f"{many} threads on {available_cores()} cores" in capfd.readouterr().err


class TestEnsureArtifact:
    def test_one_that_is_there_is_taken_as_it_is(self, tmp_path):
        path = tmp_path / "artifacts" / "minilm-tiny-executorch-fp32.pte"
        path.parent.mkdir()
        path.write_bytes(b"anything")
        assert run.ensure_artifact("minilm-tiny", "executorch", plan(tmp_path), Steps()) == path
        assert path.read_bytes() == b"anything"

    def test_one_that_is_missing_is_exported_with_the_same_photo(self, tmp_path, monkeypatch):
        made = []
        monkeypatch.setattr(run, "export_model", lambda request, steps: made.append(request))
        wanted = plan(tmp_path)
        path = run.ensure_artifact("minilm-tiny", "executorch", wanted, Steps())
        assert path == wanted.artifacts / "minilm-tiny-executorch-fp32.pte"
        (request,) = made
        assert (request.model, request.precision, request.output) == ("minilm-tiny", "fp32", wanted.artifacts)
        assert (request.checkpoint, request.seed, request.photo) == (None, 0, wanted.photo)


def test_the_environment_names_the_machine_and_is_plain_data():
    found = environment()
    assert found["cores"] == available_cores() >= 1
    assert found["cpu"]
    assert {"python", "torch", "executorch"} <= found["versions"].keys()
    assert json.loads(json.dumps(found)) == found


def test_as_a_process_a_mistake_is_one_line_and_exit_code_2(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / "run.py", "--device", "cpu", "--threads", "0", "--output", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
