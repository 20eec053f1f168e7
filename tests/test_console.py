"""A command's steps are shown with their time, past whatever is hidden meanwhile."""

import pytest

from minivlm.console import Steps
from tests.terminal import chatter, terminal


class TestSteps:
    def test_each_is_shown_on_stderr_past_what_is_hidden(self, capfd):
        with terminal(capfd) as read:
            steps = Steps()
            with steps.step("lower to XNNPACK"):
                chatter()
                steps.say("still here")
            steps.say("[1/3] done")  # square brackets are no markup
            out, err = read()
        assert out == ""
        started, within, finished, said = err.splitlines()
        assert started == "  lower to XNNPACK ..."
        assert within == "still here"
        assert finished.startswith("  lower to XNNPACK  ")
        assert finished.endswith(" s")
        assert said == "[1/3] done"

    def test_times_are_kept_by_name(self, monkeypatch):
        clock = iter([10.0, 12.5, 20.0, 20.25])
        monkeypatch.setattr("minivlm.console.time.perf_counter", lambda: next(clock))
        steps = Steps()
        with steps.step("load"):
            pass
        with steps.step("run"):
            pass
        assert steps.seconds == {"load": 2.5, "run": 0.25}

    def test_one_that_fails_is_not_reported_as_done(self, capfd):
        steps = Steps()

        def fail() -> None:
            with steps.step("load"):
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail()
        assert capfd.readouterr().err == "  load ...\n"


class TestManners:
    """What is shown where nobody waits at a terminal."""

    def test_a_stage_says_nothing_and_many_rounds_of_it_every_tenth(self, capfd):
        steps = Steps()
        for number in range(1, 26):
            with steps.stage("regions", number=number, of=25):
                pass
        with steps.stage("caption"):
            pass
        assert capfd.readouterr().err.splitlines() == ["regions 10/25", "regions 20/25"]
        assert list(steps.seconds) == ["regions", "caption"]

    def test_small_things_are_counted_every_so_often(self, capfd):
        steps = Steps()
        with steps.counting("pictures", every=1000) as told:
            for number in range(1, 2501):
                told(number, 2500)
        assert capfd.readouterr().err.splitlines() == ["pictures 1,000/2,500", "pictures 2,000/2,500"]

    def test_and_in_leaps_whenever_another_so_many_are_done(self, capfd):
        steps = Steps()
        with steps.counting("regions", every=500) as told:
            for number in (256, 512, 768, 1024, 1100):
                told(number, 1100)
        assert capfd.readouterr().err.splitlines() == ["regions 512/1,100", "regions 1,024/1,100"]

    def test_what_takes_long_is_told_after_so_many_seconds(self, capfd, monkeypatch):
        clock = iter([0.0, 0.0, 10.0, 29.9, 30.0, 30.0, 45.0])  # asked once a line, and once more where one is printed
        monkeypatch.setattr("minivlm.console.time.monotonic", lambda: next(clock))
        with Steps().telling("train", every=30.0) as tell:
            for step in range(5):
                tell(f"step {step}")
        assert capfd.readouterr().err.splitlines() == ["train: step 0", "train: step 3"]

    def test_time_adds_up_also_of_what_fails(self, monkeypatch):
        clock = iter(range(100))
        monkeypatch.setattr("minivlm.console.time.perf_counter", lambda: float(next(clock)))
        steps = Steps()
        for _ in range(2):
            with steps.stage("regions"):
                pass
        with pytest.raises(OSError, match="gone"), steps.stage("regions"):
            raise OSError("gone")
        assert steps.seconds == {"regions": 3.0}
