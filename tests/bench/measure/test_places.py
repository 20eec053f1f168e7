"""On what artifacts are measured: accelerators and Core ML's units, with stand-ins for what is not here."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from bench.measure import measuring, places
from bench.measure.measuring import perform
from bench.measure.places import load_in_place, places_for
from bench.measure.plan import runtimes_for
from bench.measure.task import Task
from bench.records.accelerated import Accelerated
from bench.records.record import Case, Record
from export.core.acceleration import Adapter, DriverFacts, Placement
from minivlm.errors import UserError
from tests.bench.measure.test_measuring import BRIEF
from tests.bench.plans import plan

MODEL = "minilm-tiny"
REAL = Adapter("Example GPU", software=False)
SOFTWARE = Adapter("llvmpipe (LLVM 15.0.6, 256 bits)", software=True)


class TestPlaces:
    def test_without_flags_all_run_on_the_cpu_and_core_ml_on_what_it_chooses(self):
        made = plan()
        assert [places_for(made, name, "fp32") for name in ("pytorch", "litert", "coreml")] == [[""], [""], ["all"]]

    def test_an_accelerator_is_for_the_runtimes_and_precisions_that_it_takes(self):
        made = plan("--accelerator", "cpu,gpu")
        assert places_for(made, "litert", "fp16") == ["", "gpu"]
        assert places_for(made, "litert", "int8") == [""], "the GPU would compute it in float"
        assert places_for(made, "executorch", "fp32") == places_for(made, "pytorch", "fp32") == [""]
        alone = plan("--accelerator", "gpu")
        assert (places_for(alone, "litert", "fp32"), places_for(alone, "onnx", "fp32")) == (["gpu"], [])

    def test_units_are_core_ml_s_alone(self):
        made = plan("--compute-units", "cpu,cpu-and-ne")
        assert places_for(made, "coreml", "fp16") == ["cpu", "cpu-and-ne"]
        assert places_for(made, "litert", "fp16") == [""]

    def test_what_is_named_brings_the_runtime_that_has_it(self, tmp_path):
        def runtimes(*flags: str) -> list[str]:
            return runtimes_for(plan("--artifacts", tmp_path, *flags), MODEL, "fp32")

        assert runtimes() == ["pytorch", "executorch"]
        assert runtimes("--accelerator", "gpu") == ["litert"]
        assert runtimes("--accelerator", "cpu,gpu") == ["pytorch", "executorch", "litert"]
        assert runtimes("--compute-units", "all,cpu") == ["pytorch", "executorch", "coreml"]
        assert runtimes("--compute-units", "all", "--runtimes", "coreml,onnx") == ["coreml", "onnx"]


@pytest.fixture
def stand_in(monkeypatch):
    """Runs artifacts on the CPU that say they are on another place; returns how they were opened."""
    state = SimpleNamespace(opened=[], adapter=REAL, planned={"cpu": 1, "ne": 3})

    class There:
        computed = "fp16"

        def __init__(self, program):
            self._program = program

        def __getattr__(self, name):
            return getattr(self._program, name)

        @property
        def adapter(self):
            return state.adapter

        @staticmethod
        def driver():
            return DriverFacts("NVIDIA 550.54.15")

        def placement(self, method):
            return Placement(2, 0.75, ("GATHER",))

        def planned(self, method):
            return state.planned

    def loaded(path, *how):
        state.opened.append((path, *how))
        return There(places.load_program(path, 1))

    monkeypatch.setattr(places, "load_accelerated", loaded)
    monkeypatch.setattr(places, "load_on_units", loaded)
    monkeypatch.setattr(measuring, "PROFILES", {"quick": BRIEF})
    return state


def measured(exported, runtime: str, place: str) -> Record:
    made = replace(plan("--models", MODEL, "--profile", "quick"))
    case = Case("cpu", MODEL, runtime, "fp32", 1, accelerator=place)
    artifact = exported(MODEL, runtime).artifact
    return perform(Task(plan=made, case=case, run="a run", round=0, artifact=artifact), lambda: None)


class TestMeasured:
    def test_the_record_names_accelerator_device_driver_and_share(self, stand_in, exported):
        record = measured(exported, "litert", "gpu")
        assert (record.status, record.accelerator, len(record.totals)) == ("ok", "gpu", 3)
        assert record.accelerated == Accelerated(
            adapter="Example GPU",
            driver="NVIDIA 550.54.15",
            computed="fp16",
            pieces={"forward": 2},
            macs={"forward": 0.75},
        )
        assert stand_in.opened == [(exported(MODEL, "litert").artifact, "fp32", "gpu", 1)]
        assert Record.from_json(record.to_json()) == record
        assert str(record.case) == "minilm-tiny, litert, fp32, 1 thread, gpu"

    def test_software_that_only_the_runtime_knows_gives_no_record(self, stand_in, exported):
        stand_in.adapter = SOFTWARE
        with pytest.raises(UserError) as caught:
            measured(exported, "litert", "gpu")
        assert str(caught.value) == (
            "the only driver for LiteRT's gpu here is software (llvmpipe (LLVM 15.0.6, 256 bits)), and its times mean "
            "nothing: verify the artifact by python export/to_tflite.py --model minilm-tiny --accelerator gpu, and "
            "measure where there is a GPU"
        )

    def test_on_units_the_record_names_them_and_has_the_plan(self, stand_in, exported):
        record = measured(exported, "coreml", "cpu-and-ne")
        assert record.accelerator == "cpu-and-ne"
        assert stand_in.opened == [(exported(MODEL, "coreml").artifact, "cpu-and-ne", 1)]
        assert record.accelerated == Accelerated(planned={"forward": {"cpu": 1, "ne": 3}})
        assert record.accelerated.shares == {"cpu": 0.25, "ne": 0.75}

    def test_where_core_ml_has_no_plan_there_is_none(self, stand_in, exported):
        stand_in.planned = {}
        assert measured(exported, "coreml", "all").accelerated is None

    def test_on_the_cpu_nothing_of_it_is_in_the_record(self, exported, monkeypatch):
        monkeypatch.setattr(measuring, "PROFILES", {"quick": BRIEF})
        record = measured(exported, "onnx", "")
        assert (record.accelerator, record.accelerated) == ("", None)


def test_an_artifact_on_the_cpu_is_loaded_as_ever(exported):
    placed = load_in_place(exported(MODEL, "onnx").artifact, Case("cpu", MODEL, "onnx", "fp32", 1))
    placed.check()
    assert placed.describe(["forward"]) is None
    assert placed.program.methods == ["forward"]


def test_the_question_to_a_process_names_the_place(exported):
    made = plan("--models", MODEL, "--accelerator", "gpu", "--compute-units", "all,cpu")
    asked = Task(plan=made, case=Case("cpu", MODEL, "litert", "fp32", 1, accelerator="gpu"), run="r", round=0)
    told = json.loads(asked.to_json())
    assert told["case"] == ["cpu", MODEL, "litert", "fp32", 1, "", "gpu", ""]
    assert (told["plan"]["accelerators"], told["plan"]["compute_units"]) == (["gpu"], ["all", "cpu"])
    assert Task.from_json(asked.to_json()) == asked
