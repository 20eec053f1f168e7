"""What on Android becomes a failed record, after which the run goes on."""

from pathlib import Path

import pytest

from bench.records.file import read
from tests.bench.devices import adb_replies as replies
from tests.bench.devices.adb_replies import PID, SERIAL
from tests.bench.devices.android_runs import ALIVE, COPIES, READY, STARTS, benchmark, says, sends
from tests.bench.devices.phones import MODEL, results, status

GONE = ("shell pidof", [{"out": f"{PID}\n"}, {"code": 1}])
WORDS = ("logcat -d -t 11-26 10:00:00.000 -v tag|logcat -d -t .* -v tag", [{"out": replies.WORDS}])
NO_RECORD = (
    "cat files/results/records",
    [{"err": "cat: files/results/records.jsonl: No such file or directory\n", "code": 1}],
)


def dies(listed: str, crash: str = "") -> list[tuple[str, list[dict]]]:
    return [
        GONE,
        ("exit-info org.minivlm.demo", [{"out": listed}]),
        ("logcat .*-b crash", [{"out": crash}]),
        WORDS,
        says(status("running", "loading")),
        NO_RECORD,
    ]


def failed(folders, *flags: str):
    """Run a benchmark whose one measurement fails; returns its record."""
    with pytest.raises(SystemExit) as caught:
        benchmark(folders, *flags)
    assert caught.value.code == 1
    (record,) = read(folders["output"] / "records.jsonl")
    return record


class TestFailures:
    """What becomes a failed record, after which the run goes on."""

    def test_outputs_that_are_wrong(self, adb_tool, folders, tmp_path):
        answers = results(tmp_path / "app", folders["artifact"], "android", change=lambda raw: bytes(len(raw)))
        adb_tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(answers)])
        record = failed(folders)
        assert "the phone computes something else" in record.error.reason
        assert "caption_logits SQNR" in record.error.reason

    def test_what_the_app_could_not_do(self, adb_tool, folders):
        said = status("failed", "loading", "the model does not load")
        adb_tool.follow([*READY, COPIES, *STARTS, ALIVE, says(said), NO_RECORD])
        record = failed(folders)
        assert record.error.reason == "the model does not load"
        assert record.environment["serial"] == SERIAL

    def test_the_app_s_own_record_of_it_has_the_runtime_s_last_words(self, adb_tool, folders, android_answers):
        lines = (Path(__file__).parents[2] / "fixtures" / "records" / "android.jsonl").read_text().splitlines()
        mine = lines[1].replace("20260101T000000Z", "{run}").replace('"round":2', '"round":0')
        (android_answers / "records.jsonl").write_text(mine + "\n")
        adb_tool.follow(
            [*READY, COPIES, *STARTS, ALIVE, says(status("failed", "loading", "short")), sends(android_answers)]
        )
        record = failed(folders)
        assert record.error.reason == "the program is of a newer version"
        assert record.error.stderr == ["the runtime's last words"]
        assert (record.environment["cpu"], record.model) == ("Example SoC", MODEL)

    @pytest.mark.parametrize(
        ("listed", "crash", "code", "part"),
        [
            (replies.exit_info(replies.entry("3 (LOW_MEMORY)"), replies.STOPPED_BEFORE), "", -9, "short of memory"),
            (
                replies.exit_info(replies.entry("5 (APP CRASH(NATIVE))", 4, "crash")),
                replies.NATIVE_CRASH,
                -4,
                "crashed by SIGILL",
            ),
            (replies.exit_info(replies.entry("6 (ANR)")), "", None, "did not answer"),
            (replies.exit_info(replies.entry("10 (USER REQUESTED)")), "", None, "was stopped by the user"),
            (replies.NO_EXIT_INFO, replies.KOTLIN_CRASH, None, "crashed (java.lang.UnsatisfiedLinkError"),
            (replies.NO_EXIT_INFO, "", None, "the phone does not say why"),
        ],
        ids=["memory", "signal", "ANR", "user", "old Android", "no trace"],
    )
    def test_an_app_that_dies_says_why_and_its_last_words_are_kept(self, adb_tool, folders, listed, crash, code, part):
        adb_tool.follow([*READY, COPIES, *STARTS, *dies(listed, crash)])
        record = failed(folders)
        assert record.error.exit == code
        assert record.error.reason.startswith("while loading, the app ")
        assert part in record.error.reason
        assert record.error.stderr[-1] == "I/ExecuTorch: loading the program"
        assert any(f"logcat -d -t '11-26 10:00:00.000' -v tag --pid={PID}" in line for line in adb_tool.asked)

    def test_after_a_death_the_next_case_is_measured(self, adb_tool, folders, android_answers):
        gone = ("shell pidof", [{"code": 1}] * 3 + [{"out": f"{PID}\n"}])
        said = says(*[status("running", "loading")] * 3, status("finished", "writing"))
        record = ("cat files/results/(records.jsonl)", [NO_RECORD[1][0], {"folder": str(android_answers)}])
        unknown = [rule for rule in dies(replies.NO_EXIT_INFO) if "exit-info" in rule[0] or "logcat" in rule[0]]
        adb_tool.follow([*READY, COPIES, *STARTS, gone, *unknown, said, record, sends(android_answers)])
        with pytest.raises(SystemExit):
            benchmark(folders, "--threads", "1,2")
        assert [record.ok for record in read(folders["output"] / "records.jsonl")] == [False, True]

    def test_an_app_that_shows_no_progress(self, adb_tool, folders):
        adb_tool.follow([*READY, COPIES, *STARTS, ALIVE, says(status("running", "loading")), WORDS, NO_RECORD])
        record = failed(folders, "--timeout", "1", "--cool-down", "0")
        assert "shows no progress after 1 s of loading" in record.error.reason
        assert record.error.stderr[-1] == "I/ExecuTorch: loading the program"

    def test_a_start_whose_screen_never_showed_is_watched_like_any_other(self, adb_tool, folders, android_answers):
        locked = ("am start", [{"out": replies.NOT_DRAWN}])
        adb_tool.follow([locked, *READY, COPIES, *STARTS, ALIVE, sends(android_answers)])
        benchmark(folders)
        assert read(folders["output"] / "records.jsonl")[0].ok
