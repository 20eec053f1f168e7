"""Why an app's process ended, from what Android says of it."""

import pytest

from bench.devices.exits import crash_of, death, read_exits
from tests.bench.devices.adb_replies import (
    KOTLIN_CRASH,
    NATIVE_CRASH,
    NO_EXIT_INFO,
    OTHER_CRASH,
    PACKAGE,
    PID,
    STARTED,
    STOPPED_BEFORE,
    entry,
    exit_info,
)


def said_of(listed: str, log: str = "", pid: int | None = PID):
    return death(read_exits(listed, PACKAGE), crash_of(log.splitlines(), PACKAGE), ["last"], STARTED, pid)


@pytest.mark.parametrize(
    ("listed", "log", "code", "part"),
    [
        (entry("3 (LOW_MEMORY)"), "", -9, "was killed, as the phone was short of memory: close other apps"),
        (entry("2 (SIGNALED)", 9), "", -9, "short of memory"),
        (entry("2 (SIGNALED)", 15), "", -15, "was ended by SIGTERM"),
        (entry("5 (APP CRASH(NATIVE))", 4, "crash"), NATIVE_CRASH, -4, "SIGILL (crash): the library has instructions"),
        (entry("5 (APP CRASH(NATIVE))", 11), "", -11, "crashed by SIGSEGV"),
        (entry("5 (APP CRASH(NATIVE))", 77), "", -77, "crashed by signal 77"),
        (entry("4 (APP CRASH(EXCEPTION))", 0, "crash"), KOTLIN_CRASH, None, "crashed (java.lang.UnsatisfiedLinkError"),
        (entry("4 (APP CRASH(EXCEPTION))", 0, "crash"), "", None, "crashed (crash)"),
        (entry("6 (ANR)", 0, "Input dispatching timed out"), "", None, "(ANR (Input dispatching timed out))"),
        (entry("10 (USER REQUESTED)", 0, f"stop {PACKAGE} due to from pid 1"), "", None, "stopped by the user"),
        (entry("11 (USER STOPPED)"), "", None, "stopped by the user or another tool: leave the phone alone"),
        (entry("1 (EXIT_SELF)", 3), "", 3, "ended by itself with exit code 3"),
        (entry("16 (PACKAGE UPDATED)"), "", None, "ended by the system: package updated"),
    ],
)
def test_the_system_s_list_of_exits_says_why(listed, log, code, part):
    found = said_of(exit_info(listed, STOPPED_BEFORE), log)
    assert found.exit == code
    assert part in found.reason
    assert found.stderr[-1] == "last"


def test_of_several_exits_the_one_of_this_start_counts():
    of_the_process = entry("3 (LOW_MEMORY)")
    of_a_service = entry("2 (SIGNALED)", 15, pid=4999, time="2026-11-26 10:00:08.000")
    assert "short of memory" in said_of(exit_info(of_a_service, of_the_process, STOPPED_BEFORE)).reason
    assert "SIGTERM" in said_of(exit_info(of_a_service, of_the_process, STOPPED_BEFORE), pid=None).reason
    assert "does not say why" in said_of(exit_info(STOPPED_BEFORE)).reason, "the stop before the start is none of it"


def test_exits_of_other_processes_and_lists_without_subreasons_are_read():
    other = entry("3 (LOW_MEMORY)").replace(f"process={PACKAGE} ", f"process={PACKAGE}:remote ")
    assert read_exits(exit_info(other), PACKAGE) == []
    older = entry("6 (ANR)").replace(" subreason=0 (UNKNOWN)", "")
    assert [found.name for found in read_exits(exit_info(older), PACKAGE)] == ["ANR"]


@pytest.mark.parametrize("listed", [NO_EXIT_INFO, "", exit_info()])
def test_without_a_list_the_crash_log_says_why(listed):
    found = said_of(listed, OTHER_CRASH + NATIVE_CRASH)
    assert (found.exit, found.reason.split(":")[0]) == (-4, "crashed by SIGILL")
    assert found.stderr[0].startswith("libc    : Fatal signal 4 (SIGILL)")
    assert not any("not ours" in line for line in found.stderr)
    assert "UnsatisfiedLinkError" in said_of(listed, KOTLIN_CRASH).reason
    unknown = said_of(listed, OTHER_CRASH)
    assert unknown.reason.startswith("was stopped, and the phone does not say why; most often it is short of memory")
    assert unknown.stderr == ["last"]
