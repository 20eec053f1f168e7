"""Why the app on an iPhone is gone, by its phone's crash reports."""

from pathlib import Path

import pytest

from bench.records.file import read
from tests.bench.devices import apple
from tests.bench.devices.ios_runs import COPIES, READY, STARTS, benchmark, sends
from tests.bench.devices.phones import status

GONE = ("info processes", [{"json": {"runningProcesses": [{"processIdentifier": 0}]}}])


def failed(folders, *flags: str) -> str:
    """Run a benchmark whose only measurement fails; returns the record's reason."""
    with pytest.raises(SystemExit) as caught:
        benchmark(folders, *flags)
    assert caught.value.code == 1
    (record,) = read(folders["output"] / "records.jsonl")
    return record.error.reason


class TestDeath:
    """The app is gone and its status says that it runs."""

    def dies(self, tmp_path: Path, report: str | None, name: str = "MiniVLM-2026-11-26-101112.ips") -> list:
        app = tmp_path / "app"
        app.mkdir()
        (app / "status.json").write_text(status("running", "loading"))
        (app / "log.txt").write_text("MINIVLM starting\nE: arena of 900 MB\n")
        (app / name).write_text(report or "")
        old = {"relativePath": "MiniVLM-2026-01-01-000000.ips", "name": "MiniVLM-2026-01-01-000000.ips"}
        new = [] if report is None else [{"relativePath": name, "name": name}]
        files = ("info files .*systemCrashLogs", [{"json": {"files": [old]}}, {"json": {"files": [old, *new]}}])
        reports = (r"systemCrashLogs --source (\S+) ", [{"copy": str(app)}])
        return [*READY, COPIES, STARTS, GONE, files, reports, sends(app)]

    @pytest.mark.parametrize(
        ("report", "part"),
        [
            (apple.crash(), "while loading, the app crashed by SIGILL (EXC_BAD_INSTRUCTION)"),
            (
                apple.crash(asi={"libswiftCore.dylib": ["MiniVLM/Layouts.swift:3: Fatal error: Index out of range"]}),
                "EXC_BAD_INSTRUCTION, MiniVLM/Layouts.swift:3: Fatal error: Index out of range)",
            ),
            (
                apple.crash(**apple.WATCHDOG),
                "did not answer, and the system stopped it (watchdog: scene-update watchdog transgression",
            ),
            (apple.crash(**apple.QUIT), "was stopped by the user (swiped away): leave the phone alone"),
            (None, "while loading, the app is gone, and the phone keeps no report on it"),
            ("{not json", "keeps no report on it"),
            (apple.crash(procName="Other").replace('"app_name": "MiniVLM"', '"app_name": "Other"'), "keeps no report"),
        ],
        ids=["signal", "Swift", "watchdog", "user", "no report", "damaged", "another app's"],
    )
    def test_the_record_says_why(self, devicectl_tool, folders, tmp_path, report, part):
        devicectl_tool.follow(self.dies(tmp_path, report))
        assert part in failed(folders)

    def test_memory_is_told_from_the_report_on_all_processes(self, devicectl_tool, folders, tmp_path):
        """131072 pages of 16 KiB are 2048 MiB."""
        report = apple.jetsam({"name": "Maps", "rpages": 9, "reason": "vm-pageshortage"}, apple.STOPPED)
        devicectl_tool.follow(self.dies(tmp_path, report, "JetsamEvent-2026-11-26-101112.ips"))
        assert failed(folders).startswith(
            "while loading, the app was killed, as the phone was short of memory (per-process-limit, 2048 MiB): close"
        )

    def test_memory_that_others_were_stopped_for_is_not_the_apps(self, devicectl_tool, folders, tmp_path):
        report = apple.jetsam({"name": "Maps", "rpages": 9, "reason": "vm-pageshortage"}, {"name": "MiniVLM"})
        devicectl_tool.follow(self.dies(tmp_path, report, "JetsamEvent-2026-11-26-101112.ips"))
        assert "keeps no report on it" in failed(folders)

    def test_the_apps_last_lines_are_kept(self, devicectl_tool, folders, tmp_path):
        devicectl_tool.follow(self.dies(tmp_path, apple.crash()))
        failed(folders)
        (record,) = read(folders["output"] / "records.jsonl")
        assert record.error.stderr == ["MINIVLM starting", "E: arena of 900 MB"]

    def test_the_app_may_say_itself_that_it_was_swiped_away(self, devicectl_tool, folders, tmp_path):
        rules = self.dies(tmp_path, None)
        (tmp_path / "app" / "log.txt").write_text("MINIVLM closed\n")
        devicectl_tool.follow(rules)
        assert "was stopped by the user (swiped away)" in failed(folders)

    def test_reports_from_before_the_start_are_not_read(self, devicectl_tool, folders, tmp_path):
        devicectl_tool.follow(self.dies(tmp_path, None))
        failed(folders)
        assert not [line for line in devicectl_tool.asked if "systemCrashLogs --source" in line]
