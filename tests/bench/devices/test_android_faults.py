"""What ends a run on an Android phone, in one line with a way out."""

import pytest

from bench import run
from bench.devices import adb
from bench.records.file import read
from tests.bench.devices import adb_replies as replies
from tests.bench.devices.adb_replies import SERIAL, devices
from tests.bench.devices.android_runs import ALIVE, CONNECTED, COPIES, INSTALLED, READY, STARTS, benchmark, sends
from tests.bench.devices.phones import refused, status

ABSENT = {"err": f"adb: device '{SERIAL}' not found\n", "code": 1}
EOF = {"err": "adb: error: failed to read copy response: EOF\n", "code": 1}
CLOSED = {"err": "error: closed\n", "code": 1}


def unplugged(after: int, state: str = "") -> tuple[str, list[dict]]:
    """`adb devices`, in which the phone is there for so many times."""
    then = devices(**{SERIAL: state}) if state else devices()
    return ("^devices$", [*[CONNECTED[1][0]] * after, {"out": then}])


class TestFaults:
    """What ends the run, in one line with a way out."""

    @pytest.mark.parametrize(
        ("rules", "part"),
        [
            ([("^devices$", [{"out": devices()}])], "adb sees no phone: connect one"),
            ([("^devices$", [{"out": devices(**{SERIAL: "unauthorized"})}])], "does not trust this computer yet"),
            ([("^devices$", [{"out": devices(**{SERIAL: "authorizing"})}])], "does not trust this computer yet"),
            ([("^devices$", [{"out": devices(**{SERIAL: "offline"})}])], "is offline: connect it again"),
            ([("^devices$", [{"out": devices(**{SERIAL: "recovery"})}])], "is recovery: connect it again"),
            ([("^devices$", [{"out": devices(**{SERIAL: replies.NO_PERMISSIONS})}])], "install its udev rules"),
            ([("^devices$", [{"out": devices(A="device", B="offline")}])], "name one with --serial, of A, B (offline)"),
            ([("^devices$", [{"err": "cannot start daemon\n", "code": 1}])], "adb does not work (cannot start daemon)"),
            ([CONNECTED, ("pm path", [{"code": 1}])], "./gradlew installDebug"),
            (
                [CONNECTED, ("pm path", [{"err": "cmd: Can't find service: package\n", "code": 20}])],
                "wait until it has started",
            ),
            (
                [
                    CONNECTED,
                    INSTALLED,
                    ("run-as", [{"err": "run-as: package not debuggable: org.minivlm.demo\n", "code": 1}]),
                ],
                "cannot reach the app's files (run-as: package not debuggable",
            ),
            ([("dumpsys window", [{"out": replies.LOCKED}]), *READY], "is locked"),
            (
                [*READY, ("run-as .* cp", [{"err": "cp: /x: No space left on device\n", "code": 1}]), COPIES],
                "storage is full",
            ),
            ([unplugged(1), *READY[1:], ("push ", [ABSENT]), COPIES], "is no longer connected"),
            ([unplugged(1), *READY[1:], ("push ", [EOF]), COPIES], "is no longer connected"),
            ([unplugged(1, "offline"), *READY[1:], ("push ", [EOF]), COPIES], f"{SERIAL} is offline"),
            ([unplugged(1, "unauthorized"), *READY[1:], ("push ", [CLOSED]), COPIES], "connect it again and use"),
            ([*READY, ("push ", [EOF]), COPIES], "cannot copy china.jpg to the phone (adb: error: failed to read copy"),
            (
                [*READY, COPIES, ("am start", [{"out": replies.NO_ACTIVITY}]), *STARTS],
                "does not exist.): install it again",
            ),
            (
                [
                    *READY,
                    COPIES,
                    *STARTS,
                    ALIVE,
                    ("cat files", [{"err": "run-as: couldn't stat: No such file\n", "code": 1}]),
                ],
                "cannot read the app's results/status.json",
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_faults_are_one_line_with_a_way_out(self, adb_tool, folders, capsys, rules, part):
        adb_tool.follow(rules)
        assert part in refused(capsys, lambda: benchmark(folders))

    def test_a_phone_that_is_unplugged_while_it_measures(self, adb_tool, folders, capsys):
        # The message says nothing of that: only the list of devices does. One question each for the note that is not
        # there and the choice of the phone, then it is gone.
        cut = [{"out": status("running")}, {"code": 1}]
        adb_tool.follow([unplugged(2), *READY[1:], COPIES, *STARTS, ALIVE, ("cat files", cut)])
        assert "is no longer connected (exit code 1): connect it again and use --resume" in refused(
            capsys, lambda: benchmark(folders)
        )

    @pytest.mark.parametrize("fault", [EOF, CLOSED, {"err": "adb: error: couldn't read from device\n", "code": 1}])
    def test_a_fault_that_passes_is_tried_again(self, adb_tool, folders, android_answers, fault):
        adb_tool.follow([("push ", [fault, fault, {}]), *READY, COPIES, *STARTS, ALIVE, sends(android_answers)])
        benchmark(folders)
        assert read(folders["output"] / "records.jsonl")[0].ok

    def test_a_phone_that_drops_its_connection_and_comes_back_is_waited_for(
        self, adb_tool, folders, android_answers, monkeypatch
    ):
        monkeypatch.setattr(adb, "RETURN_SECONDS", 30.0)
        there, away = CONNECTED[1][0], {"out": devices()}
        comes_back = ("^devices$", [there, there, away, away, there])
        lost = ("push ", [{"code": 1}, {}])  # it may say nothing at all
        adb_tool.follow([comes_back, lost, *READY[1:], COPIES, *STARTS, ALIVE, sends(android_answers)])
        benchmark(folders)
        assert read(folders["output"] / "records.jsonl")[0].ok

    def test_a_command_that_hangs(self, adb_program, folders, capsys, monkeypatch):
        monkeypatch.setattr(adb, "COMMAND_SECONDS", 1.0)
        adb_program.follow([("getprop", [{"sleep": 60}]), *READY])
        assert "adb did not answer within 1 s: check the cable" in refused(capsys, lambda: benchmark(folders))

    def test_outputs_that_were_damaged_on_their_way_are_not_taken_for_a_wrong_model(
        self, adb_tool, folders, android_answers, capsys
    ):
        (file,) = android_answers.rglob("forward-pooled.bin")
        file.write_bytes(file.read_bytes()[:-4])
        adb_tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(android_answers)])
        assert "forward-pooled.bin arrived damaged" in refused(capsys, lambda: benchmark(folders))

    def test_on_a_fresh_install_the_first_question_comes_before_the_app_s_first_word(
        self, adb_tool, folders, android_answers
    ):
        first = {"err": "cat: files/results/status.json: No such file or directory\n", "code": 1}
        late = ("cat files/results/status.json", [first, first, {"out": status("finished", "writing")}])
        adb_tool.follow([late, *READY, COPIES, *STARTS, ALIVE, sends(android_answers)])
        benchmark(folders)
        assert read(folders["output"] / "records.jsonl")[0].ok

    def test_a_serial_that_is_not_there(self, adb_tool, folders, capsys):
        adb_tool.follow(READY)
        assert f"no phone OTHER: it sees {SERIAL}" in refused(capsys, lambda: benchmark(folders, "--serial", "OTHER"))

    def test_without_adb(self, folders, tmp_path, monkeypatch, capsys):
        monkeypatch.setenv("PATH", str(tmp_path))
        assert "adb is not on the PATH" in refused(capsys, lambda: benchmark(folders))

    def test_what_was_measured_before_the_phone_went_away_is_kept_and_the_run_goes_on_from_there(
        self, adb_tool, folders, android_answers, capsys
    ):
        start = ("am start", [{}, ABSENT])
        adb_tool.follow([unplugged(2), start, *READY[1:], COPIES, *STARTS, ALIVE, sends(android_answers)])
        assert "no longer connected" in refused(capsys, lambda: benchmark(folders, "--threads", "1,2"))
        assert len(read(folders["output"] / "records.jsonl")) == 1
        adb_tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(android_answers)])
        run.main(["--resume", "--output", str(folders["output"])])
        assert len([line for line in adb_tool.asked if " am start " in line]) == 1
