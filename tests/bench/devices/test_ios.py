"""`bench/run.py --device ios` against a scripted xcrun devicectl: the whole way."""

import pytest

from bench import run
from bench.devices.launching import launch_words
from bench.devices.phone import IOS_RUNTIMES, Phone
from bench.records.file import read
from bench.session.session import Session
from minivlm.console import Steps
from tests.bench.devices import apple
from tests.bench.devices.apple import BUNDLE, IDENTIFIER, UDID, device, listed
from tests.bench.devices.ios_runs import WORKS, benchmark, sends
from tests.bench.devices.phones import MODEL, results, status
from tests.bench.plans import plan


class Anywhere:
    """A transport to nowhere."""

    def check(self) -> None: ...

    def describe(self) -> dict:
        return {}


def test_a_record_comes_back(devicectl_tool, folders, tmp_path):
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    devicectl_tool.follow([*WORKS, sends(answers)])
    benchmark(folders)
    (record,) = read(folders["output"] / "records.jsonl")
    assert (record.device, record.runtime, record.status) == ("ios", "executorch", "ok")
    assert record.artifact.name == folders["artifact"].name


def test_units_are_a_case_each_and_told_to_the_app_in_its_own_words(folders):
    made = plan("--device", "ios", "--models", MODEL, "--compute-units", "all,cpu-and-gpu,cpu-and-ne,cpu")
    phone = Phone(made, Steps(), Anywhere(), "ios", IOS_RUNTIMES)
    cases = phone.cases()
    assert [(case.runtime, case.accelerator) for case in cases] == [
        *(("coreml", "all"), ("coreml", "cpu-and-gpu"), ("coreml", "cpu-and-ne"), ("coreml", "cpu"))
    ]
    # What BenchmarkRequest of the app takes (ios_demo/MiniVLMCore): all, cpu-and-gpu, cpu-and-ne, cpu.
    told = [launch_words(phone._arguments(case, folders["artifact"], "a run", 0, verify=False)) for case in cases]
    assert [words[words.index("--compute-units") + 1] for words in told] == ["all", "cpu-and-gpu", "cpu-and-ne", "cpu"]
    (plain,) = Phone(plan("--models", MODEL), Steps(), Anywhere(), "ios", IOS_RUNTIMES).cases()
    assert (plain.runtime, plain.accelerator) == ("executorch", "")
    assert "compute_units" not in phone._arguments(plain, folders["artifact"], "a run", 0, verify=False)


def test_commands_are_those_of_the_contract(devicectl_tool, folders, tmp_path):
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    devicectl_tool.follow([*WORKS, sends(answers)])
    benchmark(folders)
    name = folders["artifact"].name
    first, launch = [line for line in devicectl_tool.asked if "process launch" in line]
    start = f"--device {IDENTIFIER} --terminate-existing {BUNDLE} -- --benchmark"
    assert first.endswith(start), "the first start makes the app's folders"
    assert f"{start} --artifact {name} --photo china.jpg --run " in launch
    assert "--warmup-runs 1 --warmup-seconds 0.5 --runs 3 --seconds 2.0 --threads 2" in launch
    assert launch.endswith("--cool-down 180.0 --verify yes")
    for line in devicectl_tool.asked:
        assert "--timeout " in line.partition(" -- ")[0]
        assert "--json-output " in line.partition(" -- ")[0]


def test_a_folder_is_copied_as_one_source(devicectl_tool, folders, tmp_path):
    """Whether devicectl makes the folders above a single file is not known."""
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    devicectl_tool.follow([*WORKS, sends(answers)])
    benchmark(folders)
    name, stem = folders["artifact"].name, folders["artifact"].stem
    copied = [line.split()[-1] for line in devicectl_tool.asked if "copy to" in line]
    assert copied == [
        "Documents/inputs/china.jpg",
        f"Documents/models/{name}",
        f"Documents/models/{stem}.json",
        f"Documents/inputs/{stem}",
    ]


@pytest.mark.parametrize("udid", [UDID, UDID.lower(), IDENTIFIER, "Ada's iPhone"])
def test_a_phone_is_named_by_what_its_owner_knows_of_it(devicectl_tool, folders, tmp_path, udid):
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    devicectl_tool.follow([listed(device(), apple.SECOND), *WORKS[1:], sends(answers)])
    benchmark(folders, "--udid", udid)
    assert all(f"--device {IDENTIFIER}" in line for line in devicectl_tool.asked if " list " not in line)


def test_the_bundle_id_is_kept_in_the_plan(devicectl_tool, folders, tmp_path):
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    devicectl_tool.follow([*WORKS, sends(answers)])
    benchmark(folders)
    assert Session.last(folders["output"]).plan.bundle_id == BUNDLE
    devicectl_tool.follow([*WORKS, sends(answers)])
    run.main(["--resume", "--output", str(folders["output"])])


def test_a_fresh_install_has_no_status_yet(devicectl_tool, folders, tmp_path):
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    missing = {"error": apple.NO_NODE, "err": f"ERROR: {apple.NO_NODE['userInfo']}\n"}
    first = (r"--source Documents/results/(status.json) ", [*[missing] * 5, {"copy": str(answers)}])
    devicectl_tool.follow([*WORKS, first, sends(answers)])
    benchmark(folders)
    assert read(folders["output"] / "records.jsonl")[0].ok


def test_a_status_of_another_run_is_left_over(devicectl_tool, folders, tmp_path):
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    old = tmp_path / "old"
    old.mkdir()
    (old / "status.json").write_text(status("failed", message="long ago", run="another"))
    first = (r"--source Documents/results/(status.json) ", [{"copy": str(old)}, {"copy": str(answers)}])
    devicectl_tool.follow([*WORKS, first, sends(answers)])
    benchmark(folders)
    assert read(folders["output"] / "records.jsonl")[0].ok


def test_a_runtime_that_does_not_tell_its_threads_makes_a_record_without(devicectl_tool, folders, tmp_path, capsys):
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    path = answers / "records.jsonl"
    path.write_text(path.read_text().replace('"threads":4', '"threads":null'))
    devicectl_tool.follow([*WORKS, sends(answers)])
    benchmark(folders)
    (record,) = read(folders["output"] / "records.jsonl")
    assert record.ok
    assert record.threads is None
    assert "threads as the runtime chose" in " ".join(capsys.readouterr().out.split())


def test_sustained_measures_for_so_long_and_brings_latency_over_time(devicectl_tool, folders, tmp_path):
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    path = answers / "records.jsonl"
    path.write_text(path.read_text().replace('"sustained":null', '"sustained":[[1.0,11.0],[600.0,14.0]]'))
    devicectl_tool.follow([*WORKS, sends(answers)])
    benchmark(folders, "--sustained", "10")
    (record,) = read(folders["output"] / "records.jsonl")
    assert record.sustained == [(1.0, 11.0), (600.0, 14.0)]
    launch = [line for line in devicectl_tool.asked if "process launch" in line][-1]
    assert "--seconds 600.0 " in launch
    assert "--sustained yes" in launch
