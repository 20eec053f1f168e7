"""Both sides measured in rounds, in a repository made by hand whose bench/run.py writes records at once."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench import regress
from bench.records.file import read
from bench.workers import turns
from bench.workers.turns import conducting
from minivlm.errors import UserError
from minivlm.weights.making import make_random
from tests.bench.regression.test_worktree import git, trees
from tests.bench.samples import SAMPLE

RUN = """
import json, random, sys
from pathlib import Path
here = Path(__file__).parents[1]
flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert flags["--repeats"] == "1" and flags["--device"] == "cpu"
record = json.loads((here / "record.json").read_text())
exec((here / "fault.py").read_text() if (here / "fault.py").exists() else "")
if flags["--runtimes"] not in json.loads((here / "runtimes.json").read_text()):
    sys.exit("error: no such runtime")
record["model"], record["runtime"] = flags["--models"], flags["--runtimes"]
record["samples"] = {"forward": [record["load_ms"] * random.uniform(0.999, 1.001)] * 3}
output = Path(flags["--output"])
output.mkdir(parents=True)
(output / "records.jsonl").write_text(json.dumps(record) + "\\n")
"""


def state(repository: Path, milliseconds: float, runtimes: list[str]) -> None:
    (repository / "bench").mkdir(exist_ok=True)
    (repository / "bench" / "run.py").write_text(RUN)
    record = replace(SAMPLE, model="any", load_ms=milliseconds)
    (repository / "record.json").write_text(record.to_json())
    (repository / "runtimes.json").write_text(json.dumps(runtimes))


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    """A commit of 100 ms on one runtime."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    state(folder, 100.0, ["pytorch"])
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "base")
    monkeypatch.setattr(regress, "REPOSITORY", folder)
    monkeypatch.setattr(turns, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(regress, "bind", lambda threads: None)
    return folder


def run(repository: Path, *flags: str) -> int:
    argv = ["--base", "HEAD", "--models", "minilm", "--output", str(repository.parent / "out"), *flags]
    with pytest.raises(SystemExit) as ended:
        regress.main(argv)
    return ended.value.code


def test_a_slower_working_tree_is_a_regression(repository):
    state(repository, 110.0, ["pytorch"])
    markdown = repository.parent / "verdict.md"
    assert run(repository, "--runtimes", "pytorch", "--repeats", "10", "--markdown", str(markdown)) == 1
    # 100 and 110 ms, with 0.1 % of noise that moves the last digit shown.
    (row,) = re.findall(r"\| latency \| (\S+) ms \| (\S+) ms \| \+(\S+)% \|.*slower", markdown.read_text())[:1]
    assert [float(number) for number in row] == pytest.approx([100.0, 110.0, 10.0], abs=0.3)
    base, new = (read(repository.parent / "out" / f"{side}.jsonl") for side in ("base", "new"))
    assert [record.round for record in base] == [record.round for record in new] == list(range(10))
    assert len({record.run for record in (*base, *new)}) == 1
    assert trees(repository) == 1


def test_the_same_code_is_none_and_what_one_side_refuses_is_left_out(repository, capfd):
    state(repository, 100.0, ["pytorch", "onnx"])
    assert run(repository, "--runtimes", "pytorch,onnx", "--repeats", "10") == 0
    assert "minilm, onnx is left out: base refused it" in " ".join(capfd.readouterr().err.split())


def test_nothing_that_both_sides_can_measure_is_refused(repository):
    with pytest.raises(UserError, match="both sides"):
        regress.main(["--base", "HEAD", "--models", "minilm", "--runtimes", "onnx"])
    assert trees(repository) == 1


CALLS = """
import os, signal, time
calls = here.parent / "calls"
number = int(calls.read_text()) + 1 if calls.exists() else 0  # 0 is the run that does not count
calls.write_text(str(number))
"""
CRASH = "os.kill(os.getpid(), signal.SIGSEGV)"
HANG = "time.sleep(600)"
NAN = "record['load_ms'] = float('nan')"
UNREADABLE = f"""
{NAN}
output = Path(flags["--output"])
output.mkdir()
(output / "records.jsonl").write_text(json.dumps(record))
sys.exit()
"""


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("import nowhere_at_all", "No module named 'nowhere_at_all'"),
        (CRASH, "killed by SIGSEGV"),
        (UNREADABLE, "Input should be a finite number"),
        ("sys.exit(0)", "ended with exit code 0"),
    ],
)
def test_a_new_side_that_fails_at_once_is_broken(repository, capfd, fault, said):
    (repository / "fault.py").write_text(CALLS + fault)
    assert run(repository, "--runtimes", "pytorch", "--repeats", "3") == 1
    printed = " ".join(capfd.readouterr().out.split())
    assert "broken" in printed
    assert said in printed


@pytest.mark.parametrize(
    ("rounds", "count"), [("{1}", 1), ("{1, 3}", 2), ("set(range(1, 12))", 11), ("set(range(1, 13))", 12)]
)
def test_any_number_of_crashes_is_broken_and_named(repository, capfd, rounds, count):
    (repository / "fault.py").write_text(f"{CALLS}\nif number in {rounds}: {CRASH}")
    assert run(repository, "--runtimes", "pytorch", "--repeats", "12") == 1
    printed = " ".join(capfd.readouterr().out.split())
    assert f"failed in new: {count} of 12 repeats" in printed
    assert "killed by SIGSEGV" in printed


@pytest.mark.parametrize("rounds", ["{0}", "{1}"])
def test_a_hang_is_broken(repository, capfd, rounds):
    (repository / "fault.py").write_text(f"{CALLS}\nif number in {rounds}: {HANG}")
    assert run(repository, "--runtimes", "pytorch", "--repeats", "2", "--timeout", "2") == 1
    assert "stopped: it said nothing for 2 s" in " ".join(capfd.readouterr().out.split())


def test_a_working_tree_that_cannot_be_imported_is_broken(tmp_path):
    (tmp_path / "minivlm").mkdir()
    (tmp_path / "minivlm" / "__init__.py").write_text("import nowhere_at_all")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(regress.__file__).parents[1])])}
    command = [sys.executable, regress.__file__, "--base", "HEAD"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "new is broken" in done.stderr
    assert "No module named 'nowhere_at_all'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_base_that_cannot_run_says_why(repository):
    (repository / "fault.py").write_text("import nowhere_at_all")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "broken")
    (repository / "fault.py").unlink()
    with pytest.raises(UserError, match=r"base: .*No module named 'nowhere_at_all'"):
        regress.main(["--base", "HEAD", "--models", "minilm", "--runtimes", "pytorch"])


class TestWeights:
    @pytest.fixture
    def checkpoint(self, tmp_path) -> Path:
        make_random(tmp_path / "mine", "minivlm-tiny")
        return tmp_path / "mine"

    def flags(self, *argv: str) -> dict[str, list[str]]:
        found = regress.cases(regress.parse(["--base", "HEAD", "--runtimes", "onnx", *argv]))
        return {name: list(flags) for name, flags in found.items()}

    def test_of_a_checkpoint_reach_both_sides_wherever_they_run(self, checkpoint, monkeypatch):
        monkeypatch.chdir(checkpoint.parent)
        found = self.flags("--checkpoint", "mine")
        assert list(found) == ["minivlm-tiny, onnx"]
        flags = found["minivlm-tiny, onnx"]
        assert flags[flags.index("--checkpoint") + 1] == str(checkpoint)

    def test_of_a_seed_reach_both_sides_and_a_base_without_the_flag_is_asked_for_none(self):
        assert "--seed" not in self.flags("--models", "minilm")["minilm, onnx"]
        flags = self.flags("--models", "minilm", "--seed", "3")["minilm, onnx"]
        assert flags[flags.index("--seed") + 1] == "3"

    @pytest.mark.parametrize(
        ("argv", "part"),
        [
            (["--checkpoint", "mine", "--seed", "1"], "leave one of the two out"),
            (["--checkpoint", "none"], "is not a folder"),
            (["--checkpoint", "mine", "--models", "tee-0"], "not 'tee-0'"),
            (["--seed", "-1"], "--seed -1"),
        ],
    )
    def test_that_cannot_be_are_refused_before_anything_is_checked_out(self, checkpoint, monkeypatch, argv, part):
        monkeypatch.chdir(checkpoint.parent)
        with pytest.raises(UserError, match=part):
            regress.parse(["--base", "HEAD", *argv])


@pytest.mark.parametrize("flag", ["--repeats", "--threads", "--timeout"])
def test_less_than_one_is_refused(flag):
    with pytest.raises(UserError, match=flag):
        regress.parse(["--base", "HEAD", flag, "0"])


def test_who_loads_is_waited_for_and_who_ends_is_not(tmp_path):
    state(tmp_path, 100.0, ["pytorch"])
    side = regress.Side("new", tmp_path, tmp_path / "work")
    flags = ("--models", "minilm", "--runtimes", "pytorch")
    with conducting(2) as conductor:
        process = side.start(flags, tmp_path / "out", conductor.path)
        conductor.wait_for_next(lambda: process.poll() is not None)
        assert process.communicate()[0] is None
    assert read(tmp_path / "out" / "records.jsonl")[0].model == "minilm"
