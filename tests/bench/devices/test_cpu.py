"""What this machine can measure, and how it asks the processes that do it; `test_measuring` runs real ones."""

import json
from pathlib import Path

import pytest

from bench.devices import DEVICES, Work, artifacts, cpu, device_class
from bench.devices.cpu import ThisMachine
from bench.records.record import Case, Failure, MachineRates
from bench.workers.process import WORKER, Answer
from export.core.format import Family
from export.core.formats import FORMATS
from minivlm.console import Steps
from minivlm.errors import UserError
from minivlm.storage.files import sha256
from minivlm.weights.making import make_random
from tests.bench.plans import plan
from tests.bench.samples import SAMPLE
from tests.export.artifacts import handmade, renamed

RATES = {"gmac_per_s": 800.0, "gb_per_s": 40.0}


@pytest.fixture
def machine(tmp_path):
    """Makes a machine of a command line."""

    def make(*argv: str) -> ThisMachine:
        folders = ("--output", str(tmp_path / "results"), "--artifacts", str(tmp_path / "artifacts"))
        return ThisMachine(plan(*argv, *folders), Steps())

    return make


def work(device: ThisMachine) -> Work:
    return Work(Path(), "a run", [(0, case) for case in device.cases()])


@pytest.fixture
def asked(monkeypatch):
    """Answers in the place of the processes; returns what they were asked."""
    questions: list[tuple[str, dict]] = []
    failures: dict[str, Failure] = {}

    def ask(question, silence, command=WORKER):
        kind = command[-1].rpartition(".")[2]
        questions.append((kind, json.loads(question)))
        if kind in failures:
            return Answer(failure=failures[kind])
        if kind == "rates_worker":
            return Answer(json.dumps(RATES))
        return Answer(SAMPLE.to_json() if kind == "worker" else "a path")

    for module in (cpu, artifacts):
        monkeypatch.setattr(module, "ask", ask)
    monkeypatch.setattr(
        cpu, "ask_in_turns", lambda questions, silence: [ask(each, silence, WORKER) for each in questions]
    )
    ask.questions, ask.failures = questions, failures
    return ask


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    make_random(tmp_path / "mine", "minivlm-tiny", seed=1, sizes={"tags": 12, "answers": 5})
    return tmp_path / "mine"


def test_every_kind_of_device_has_a_class():
    assert device_class("cpu") is ThisMachine
    assert all(callable(device_class(kind)) for kind in DEVICES)


class TestCases:
    def test_baselines_run_in_pytorch_only(self, machine):
        found = machine("--models", "tee-0,r101-f,grid-r50,minilm,oscar-b,minivlm", "--threads", "2").cases()
        assert [(item.model, item.runtime) for item in found] == [
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
        assert {(item.device, item.precision, item.threads) for item in found} == {("cpu", "fp32", 2)}

    def test_a_sweep_has_every_number_of_threads(self, machine):
        found = machine("--models", "minilm", "--runtimes", "pytorch", "--threads", "1,2,4").cases()
        assert [item.threads for item in found] == [1, 2, 4]

    def test_precisions_are_those_that_the_format_holds_and_pytorch_s_is_fp32(self, machine, monkeypatch):
        precisions = {**FORMATS["executorch"].precisions, Family.TRANSFORMER: ("fp32", "int8")}
        target = FORMATS["executorch"].__class__(**{**vars(FORMATS["executorch"]), "precisions": precisions})
        monkeypatch.setattr(cpu, "FORMATS", {"executorch": target})
        found = machine("--models", "minilm", "--precision", "fp32,int8").cases()
        assert [(item.runtime, item.precision) for item in found] == [
            ("pytorch", "fp32"),
            ("executorch", "fp32"),
            ("executorch", "int8"),
        ]

    def test_each_accelerator_and_each_set_of_units_is_a_case(self, machine):
        found = machine("--models", "minilm", "--runtimes", "pytorch,litert", "--accelerator", "cpu,gpu").cases()
        assert [(item.runtime, item.accelerator) for item in found] == [
            ("pytorch", ""),
            ("litert", ""),
            ("litert", "gpu"),
        ]
        found = machine("--models", "minilm", "--runtimes", "coreml", "--compute-units", "cpu,all").cases()
        assert [(item.runtime, item.accelerator) for item in found] == [("coreml", "cpu"), ("coreml", "all")]

    def test_nothing_left_to_measure_is_a_user_s_error(self, machine):
        with pytest.raises(UserError, match="nothing to measure: executorch cannot run r101-f in fp32; PyTorch runs"):
            machine("--models", "r101-f", "--runtimes", "executorch").cases()


class TestPrepare:
    def test_artifacts_that_are_missing_are_exported_once_with_the_same_photo(self, machine, asked, tmp_path):
        handmade(tmp_path / "artifacts", "tee-tiny", "executorch")
        made = machine("--models", "tee-tiny,minilm-tiny,grid-tiny", "--threads", "1,2")
        made.prepare(work(made))
        ((kind, question),) = asked.questions
        assert kind == "export_worker"
        assert (question["model"], question["runtime"], question["precision"]) == ("minilm-tiny", "executorch", "fp32")
        assert question["artifact"] == str(tmp_path / "artifacts" / "minilm-tiny-executorch-fp32.pte")
        assert Path(question["photo"]).name == "china.jpg"

    def test_one_of_other_weights_is_left_alone_and_another_made(self, machine, asked, checkpoint, tmp_path, capfd):
        other = handmade(tmp_path / "artifacts", "tee-tiny", "executorch")
        content = other.read_bytes()
        made = machine(
            *("--checkpoint", str(checkpoint), "--models", "tee-tiny,minilm-tiny", "--precision", "fp32,int8"),
            *("--image-size", "96x64", "--runtimes", "executorch", "--threads", "1,2"),
        )
        made.prepare(work(made))
        digest = sha256(checkpoint / "model.safetensors")
        names = [Path(question["artifact"]).name for _, question in asked.questions]
        assert names == [
            f"tee-tiny-executorch-fp32-{digest[:8]}-96x64.pte",
            "tee-tiny-executorch-int8.pte",
            "minilm-tiny-executorch-fp32.pte",
            "minilm-tiny-executorch-int8.pte",
        ]
        assert {question["checkpoint"] for _, question in asked.questions} == {str(checkpoint)}
        assert [question["image_size"] for _, question in asked.questions] == [[96, 64], [96, 64], None, None]
        assert other.read_bytes() == content
        assert "tee-tiny-executorch-fp32.pte is of other weights" in capfd.readouterr().err

    def test_one_that_is_renamed_to_another_precision_is_not_measured_as_such(self, machine, asked, tmp_path):
        renamed(handmade(tmp_path / "artifacts", "minilm-tiny", "executorch", "int8"), "fp32")
        made = machine("--models", "minilm-tiny", "--runtimes", "executorch")
        made.prepare(work(made))
        ((_, question),) = asked.questions
        assert Path(question["artifact"]).name == "minilm-tiny-executorch-fp32-seed0.pte"
        made.measure(made.cases()[0], "a run", 0)
        assert asked.questions[-1][1]["artifact"] == question["artifact"]

    def test_one_that_cannot_be_exported_fails_without_being_measured(self, machine, asked):
        made = machine("--models", "minilm-tiny", "--runtimes", "executorch")
        asked.failures["export_worker"] = Failure(2, "no space", ["error: no space"])
        made.prepare(work(made))
        record = made.measure(made.cases()[0], "a run", 0)
        assert record.error == Failure(2, "export: no space", ["error: no space"])
        assert "worker" not in [kind for kind, _ in asked.questions]

    def test_what_is_asked_for_and_cannot_be_had_is_said(self, machine, asked, capfd):
        made = machine("--models", "tee-tiny,grid-tiny", "--runtimes", "pytorch,executorch", "--precision", "fp32")
        made.prepare(work(made))
        assert "left out: grid-tiny on executorch, which cannot run it in fp32" in capfd.readouterr().err

    def test_who_stays_on_the_cpu_is_said(self, machine, asked, capfd):
        flags = ("--runtimes", "executorch,litert", "--precision", "fp32,int8", "--accelerator", "cpu,gpu")
        made = machine("--models", "minilm-tiny", *flags)
        made.prepare(work(made))
        said = [line.strip() for line in capfd.readouterr().err.splitlines() if "left out" in line]
        assert said == [
            f"left out: {case} on gpu, which it does not run on"
            for case in ("executorch in fp32", "executorch in int8", "litert in int8")
        ]


class TestMeasure:
    def test_the_process_is_asked_for_the_whole_case(self, machine, asked):
        made = machine("--models", "minilm-tiny", "--threads", "3", "--profile", "quick", "--sustained", "2")
        record = made.measure(Case("cpu", "minilm-tiny", "pytorch", "fp32", 3), "a run", 5)
        question = dict(asked.questions)["worker"]
        assert question["case"] == ["cpu", "minilm-tiny", "pytorch", "fp32", 3, "", "", ""]
        assert (question["run"], question["round"], question["plan"]["profile"]) == ("a run", 5, "quick")
        assert (question["artifact"], question["plan"]["sustained"]) == (None, 2.0)
        assert record.machine == MachineRates(**RATES)
        assert question["plan"]["weights"] == {"checkpoint": None, "seed": 0}

    @pytest.mark.parametrize("runtime", ["pytorch", "executorch"])
    def test_the_process_is_told_whose_weights_on_every_runtime(self, machine, asked, checkpoint, runtime):
        made = machine("--checkpoint", str(checkpoint), "--image-size", "64x96")
        made.measure(Case("cpu", "minivlm-tiny", runtime, "fp32", 1), "a run", 0)
        told = dict(asked.questions)["worker"]["plan"]
        assert told["weights"] == {"checkpoint": str(checkpoint), "seed": 0}
        assert told["origin"]["sha256"] == sha256(checkpoint / "model.safetensors")
        assert told["image_size"] == [64, 96]
        seeded = machine("--models", "minilm-tiny", "--seed", "5")
        seeded.measure(Case("cpu", "minilm-tiny", runtime, "fp32", 1), "a run", 0)
        assert asked.questions[-1][1]["plan"]["weights"]["seed"] == 5

    def test_the_machine_s_rates_are_measured_once_a_round_and_number_of_threads(self, machine, asked):
        made = machine("--models", "minilm-tiny")
        for number, threads in ((0, 1), (0, 1), (0, 2), (1, 1)):
            made.measure(Case("cpu", "minilm-tiny", "pytorch", "fp32", threads), "a run", number)
        assert [question["threads"] for kind, question in asked.questions if kind == "rates_worker"] == [1, 2, 1]

    def test_cases_of_a_round_and_number_of_threads_take_turns(self, machine, asked):
        made = machine(
            "--models", "minilm-tiny,tee-tiny", "--runtimes", "pytorch", "--order", "turns", "--threads", "1,2"
        )
        made.prepare(Work(Path(), "a run", [(number, case) for number in (0, 1) for case in made.cases()]))
        first, *others = made.cases()
        assert made.measure(first, "a run", 0).machine == MachineRates(**RATES)
        told = [question for kind, question in asked.questions if kind == "worker"]
        assert [(each["round"], each["case"][1], each["case"][4], each["turns"]) for each in told] == [
            (0, "minilm-tiny", 1, 2),
            (0, "tee-tiny", 1, 2),
        ]
        for case in others:
            made.measure(case, "a run", 0)
        assert len([kind for kind, _ in asked.questions if kind == "worker"]) == 4, "each was measured once"

    def test_what_the_machine_did_beside_turns_is_said_of_all_that_took_them(self, machine, asked, monkeypatch):
        monkeypatch.setattr(cpu, "interference_between", lambda before, after: ["the hypervisor took 2% of the time"])
        made = machine(
            "--models", "minilm-tiny,tee-tiny", "--runtimes", "pytorch", "--order", "turns", "--threads", "1"
        )
        made.prepare(work(made))
        found = [made.measure(case, "a run", 0) for case in made.cases()]
        assert [record.disturbed for record in found] == [["the hypervisor took 2% of the time"]] * 2

    def test_who_cannot_be_exported_takes_no_turn(self, machine, asked):
        flags = ("--runtimes", "pytorch,executorch", "--order", "turns", "--threads", "1")
        made = machine("--models", "minilm-tiny", *flags)
        asked.failures["export_worker"] = Failure(2, "no space", [])
        made.prepare(work(made))
        assert [made.measure(case, "a run", 0).ok for case in made.cases()] == [True, False]
        assert [question["turns"] for kind, question in asked.questions if kind == "worker"] == [1]

    def test_a_failure_is_a_record_with_all_that_is_known(self, machine, asked):
        asked.failures["worker"] = Failure(-11, "killed by SIGSEGV", ["Segmentation fault"])
        case = Case("cpu", "minilm-tiny", "pytorch", "fp32", 2)
        record = machine("--models", "minilm-tiny").measure(case, "a run", 1)
        assert (record.status, record.samples, record.load_ms, record.threads) == ("failed", {}, None, None)
        assert record.error == asked.failures["worker"]
        assert (record.case, record.run, record.round) == (case, "a run", 1)
        assert record.photo["name"] == "china.jpg"
        assert record.environment["cores"] >= 1
        assert record.weights == "random (seed 0)"
