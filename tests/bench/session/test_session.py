"""A run: rounds, what an interruption leaves, how it is continued, and who else may not be there."""

import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.records.file import append, read
from bench.session.checks import check_plan
from bench.session.flags import given, make_parser
from bench.session.session import Session, alone_in, rounds
from minivlm.console import Steps
from minivlm.errors import UserError
from minivlm.weights.making import make_random
from tests.bench.plans import plan
from tests.bench.samples import SAMPLE
from tests.bench.session.costless import A, B, C, Machine, begun


class TestRounds:
    def test_everything_is_measured_once_a_round_there_and_back(self, tmp_path):
        machine = Machine()
        session = begun(tmp_path)
        session.measure(machine, 3, Steps())
        assert machine.measured == [(0, A), (0, B), (0, C), (1, C), (1, B), (1, A), (2, A), (2, B), (2, C)]
        assert [(record.round, record.case) for record in session.records()] == machine.measured
        assert read(session.path) == session.records()
        assert rounds([A], 1) == [(0, A)]

    def test_a_record_is_on_disk_before_the_next_measurement(self, tmp_path):
        session, seen = begun(tmp_path), []

        class Watching(Machine):
            def measure(self, case, run, number):
                seen.append(len(session.records()))
                return super().measure(case, run, number)

        session.measure(Watching(), 1, Steps())
        assert seen == [0, 1, 2]

    def test_what_fails_is_recorded_and_the_rest_goes_on(self, tmp_path):
        session = begun(tmp_path)
        session.measure(Machine(broken=(B,)), 1, Steps())
        assert [record.ok for record in session.records()] == [True, False, True]

    def test_records_of_earlier_runs_stay_and_are_not_this_run_s(self, tmp_path):
        append(tmp_path / "records.jsonl", SAMPLE)
        session = begun(tmp_path)
        session.measure(Machine(), 1, Steps())
        assert read(session.path)[0] == SAMPLE
        assert len(session.records()) == 3

    def test_a_file_that_holds_something_else_is_refused(self, tmp_path):
        (tmp_path / "records.jsonl").write_text("my notes\n")
        with pytest.raises(UserError, match="line 1 is no record"):
            begun(tmp_path)
        assert (tmp_path / "records.jsonl").read_text() == "my notes\n"


class TestResume:
    @pytest.mark.parametrize("error", [KeyboardInterrupt(), UserError("no space")])
    def test_what_is_missing_is_measured_and_nothing_else(self, tmp_path, error):
        class Interrupted(Machine):
            def measure(self, case, run, number):
                if len(self.measured) == 4:
                    raise error
                return super().measure(case, run, number)

        first, interrupted = begun(tmp_path, "--threads", 4), Interrupted()
        with pytest.raises(type(error)):
            first.measure(interrupted, 2, Steps())
        assert (interrupted.prepared, interrupted.finished) == (1, 1), "what it changed is put back all the same"
        session, machine = Session.last(tmp_path), Machine()
        session.measure(machine, 2, Steps())
        assert session.run == first.run
        assert session.plan == first.plan
        assert machine.measured == [(1, B), (1, A)]
        assert len(session.records()) == 6

    def test_what_failed_is_measured_again_and_the_last_record_counts(self, tmp_path):
        begun(tmp_path).measure(Machine(broken=(A, C)), 1, Steps())
        session, machine = Session.last(tmp_path), Machine()
        session.measure(machine, 1, Steps())
        assert machine.measured == [(0, A), (0, C)]
        assert sorted(record.model for record in session.records() if record.ok) == ["minilm", "tee-0", "tee-1"]
        assert len(session.records()) == 3

    def test_a_whole_run_has_nothing_missing(self, tmp_path, capfd):
        begun(tmp_path).measure(Machine(), 1, Steps())
        machine = Machine()
        Session.last(tmp_path).measure(machine, 1, Steps())
        assert (machine.measured, machine.prepared, machine.finished) == ([], 0, 0)
        assert "nothing is missing" in capfd.readouterr().err

    @pytest.mark.parametrize(
        ("argv", "said"),
        [
            (["--threads", "2"], "--threads 2 differs from the run in .*, which has 4"),
            (["--models", "tee-0,minilm"], "--models tee-0,minilm differs from the run in .*, which has minilm-tiny"),
            (["--seed", "3"], "--seed 3 differs from the run in .*, which has 0"),
            (["--precision", "int8"], "--precision int8 differs from the run in .*, which has fp32"),
        ],
    )
    def test_flags_that_are_given_again_must_be_the_same(self, tmp_path, argv, said):
        session = begun(tmp_path, "--threads", 4)
        same = ["--threads", "4", "--models", "minilm-tiny"]
        session.check_given(plan(*same), given(make_parser(""), same))
        with pytest.raises(UserError, match=f"{said}: leave the flag out, or start a new run without --resume"):
            session.check_given(plan(*argv), given(make_parser(""), argv))

    def test_nothing_to_resume_is_a_user_s_error(self, tmp_path):
        with pytest.raises(UserError, match="nothing to resume in"):
            Session.last(tmp_path / "none")

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "{",
            "[]",
            "{}",
            '{"run": "x"}',
            '{"run": "x", "flags": {"threads": "4"}}',
            '{"run": "x", "plan": 3}',
            '{"run": 3, "plan": {}}',
            '{"run": "x", "plan": {"timeout": NaN}}',
            "[" * 100_000,
        ],
    )
    def test_a_damaged_plan_is_a_user_s_error(self, tmp_path, content):
        (tmp_path / "plan.json").write_text(content)
        with pytest.raises(UserError, match=r"plan.json is not the plan of a run.* start a new run"):
            Session.last(tmp_path)


SCRIPT = """
import sys
from pathlib import Path
from bench.session.session import Session, alone_in
from minivlm.console import Steps
from tests.bench.plans import plan
from tests.bench.session.costless import Machine

class Telling(Machine):
    def measure(self, case, run, number):
        print(flush=True)
        return super().measure(case, run, number)

folder = Path(sys.argv[1])
with alone_in(folder):
    there = (folder / "plan.json").exists()
    session = Session.last(folder) if there else Session.new(folder, plan("--models", "minilm-tiny"))
    session.begin()
    session.measure(Telling(), 20, Steps())
"""


def test_killed_again_and_again_it_still_ends_with_every_record_once(tmp_path):
    """SIGKILL while some measurement goes on, and where in it is the machine's choice."""
    measurements, kills = random.Random(0), 0
    while True:
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout is not None
        if kills == 3:
            process.communicate()
            assert process.returncode == 0
            break
        for _ in range(measurements.randint(1, 15)):  # three times fewer than the 60 there are
            assert process.stdout.readline() == b"\n"
        kills += 1
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    records = read(tmp_path / "records.jsonl")
    assert sorted((record.round, record.case) for record in records) == sorted(rounds([A, B, C], 20))


class TestLock:
    def test_a_second_benchmark_is_refused_with_the_first_one_s_id(self, tmp_path):
        code = (
            "from bench.session.session import alone_in; from pathlib import Path; "
            f"alone_in(Path({str(tmp_path)!r})).__enter__()"
        )
        with alone_in(tmp_path):
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert f"{tmp_path} is in use by another benchmark (process " in done.stderr
        assert "choose another folder with --output" in done.stderr

    def test_it_is_free_again_after_the_end_whatever_it_was(self, tmp_path):
        code = (
            f"from bench.session.session import alone_in; from pathlib import Path; import os; "
            f"kept = alone_in(Path({str(tmp_path)!r})); kept.__enter__(); os.kill(os.getpid(), 9)"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
        with alone_in(tmp_path), pytest.raises(UserError), alone_in(tmp_path):
            pass
        with alone_in(tmp_path):
            pass

    def test_a_folder_that_is_not_there_is_a_user_s_error(self, tmp_path):
        with pytest.raises(UserError, match="--output"), alone_in(tmp_path / "none"):
            pass


class TestWeights:
    """A run is of one set of weights, however often it is continued."""

    @pytest.fixture
    def folder(self, tmp_path) -> Path:
        make_random(tmp_path / "mine", "minivlm-tiny", seed=1)
        Session.new(tmp_path, plan("--checkpoint", tmp_path / "mine")).begin()
        return tmp_path

    def test_that_it_began_with_go_on(self, folder):
        check_plan(Session.last(folder).plan, folder)

    def test_others_are_refused_and_the_plan_stays(self, folder):
        before = (folder / "plan.json").read_text()
        shutil.rmtree(folder / "mine")
        make_random(folder / "mine", "minivlm-tiny", seed=2)
        with pytest.raises(UserError, match=r"are random \(seed 2\), sha256 .*, and the run in .* began with random"):
            check_plan(Session.last(folder).plan, folder)
        assert (folder / "plan.json").read_text() == before
