"""Core ML's compute units and plan, against stand-ins of what coremltools has on a Mac only: its proxies.

The classes around them, of models, plans and devices, are coremltools' own.
"""

from types import SimpleNamespace

import coremltools as ct
import pytest
from coremltools.models import compute_plan
from coremltools.models.compute_device import MLCPUComputeDevice, MLGPUComputeDevice, MLNeuralEngineComputeDevice
from coremltools.models.compute_plan import (
    MLComputePlanDeviceUsage,
    MLModelStructure,
    MLModelStructureProgram,
    MLModelStructureProgramBlock,
    MLModelStructureProgramFunction,
    MLModelStructureProgramOperation,
)

from bench.records.runtimes import default_place
from export.backends.coreml import program
from export.backends.coreml.format import FORMAT, UNITS
from export.backends.coreml.program import CoreMLFunction, CoreMLProgram

CPU, GPU, NE = (object.__new__(kind) for kind in (MLCPUComputeDevice, MLGPUComputeDevice, MLNeuralEngineComputeDevice))


def operation(name: str, device: object = None, *inner: MLModelStructureProgramOperation):
    """An operator that Core ML prefers on a device; None where it does not say, as of constants."""
    blocks = [block(*inner)] if inner else []
    return MLModelStructureProgramOperation({}, name, [], blocks, __proxy__=device)


def block(*operations: MLModelStructureProgramOperation) -> MLModelStructureProgramBlock:
    return MLModelStructureProgramBlock([], list(operations), [])


class Plan:
    """In the place of `MLComputePlan`, whose constructor wants a proxy."""

    def __init__(self, **functions: MLModelStructureProgramBlock) -> None:
        made = {name: MLModelStructureProgramFunction([], body) for name, body in functions.items()}
        self.model_structure = MLModelStructure(None, MLModelStructureProgram(made), None)

    def get_compute_device_usage_for_mlprogram_operation(self, asked):
        device = asked.__proxy__
        return None if device is None else MLComputePlanDeviceUsage(device, [CPU, device])


@pytest.fixture
def package(exported):
    """A package, made before anything is replaced."""
    return exported("minilm-tiny", "coreml").artifact


@pytest.fixture
def core_ml(monkeypatch):
    """A Mac's Core ML: models that remember how they were opened, and a plan that can be exchanged."""
    state = SimpleNamespace(opened=[], planned=[], plan=Plan(forward=block()))
    real = ct.models.MLModel

    class Model:
        def __new__(cls, path, skip_model_load=False, **how):
            return real(path, skip_model_load=True) if skip_model_load else super().__new__(cls)

        def __init__(self, path, compute_units, function_name):
            state.opened.append((path, compute_units, function_name))

        def get_compiled_model_path(self):
            return "/tmp/compiled.mlmodelc"

    class Proxy:
        @staticmethod
        def get_compute_plan(path, units):
            state.planned.append((path, units))
            if state.plan is None:
                raise RuntimeError("MLComputePlan is only available on macOS 14.4 or later")
            return state.plan

    monkeypatch.setattr(ct.models, "MLModel", Model)
    monkeypatch.setattr(compute_plan, "_MLModelProxy", Proxy)
    return state


def test_every_name_is_a_set_that_coremltools_has():
    assert {ct.ComputeUnit[name] for name in UNITS.values()} == set(ct.ComputeUnit)
    assert FORMAT.units == ("all", "cpu-and-gpu", "cpu-and-ne", "cpu")
    assert FORMAT.units[0] == default_place("coreml"), "what coremltools takes by itself"


@pytest.mark.parametrize(
    ("units", "name"),
    [("all", "ALL"), ("cpu-and-gpu", "CPU_AND_GPU"), ("cpu-and-ne", "CPU_AND_NE"), ("cpu", "CPU_ONLY")],
)
def test_model_and_plan_are_told_the_units(core_ml, units, name):
    function = CoreMLFunction("a.mlpackage", "forward", units)
    function.planned()
    assert core_ml.opened == [("a.mlpackage", ct.ComputeUnit[name], "forward")]
    assert core_ml.planned == [("/tmp/compiled.mlmodelc", name)]


def test_the_plan_counts_operators_by_preferred_processor_those_of_loops_too(core_ml):
    loop = operation("while_loop", CPU, operation("conv", NE), operation("const"), operation("add", CPU))
    core_ml.plan = Plan(
        regions=block(operation("const"), operation("conv", NE), operation("conv", GPU), loop),
        step=block(operation("linear", GPU)),
    )
    assert CoreMLFunction("a.mlpackage", "regions", "all").planned() == {"cpu": 2, "gpu": 1, "ne": 2}
    assert CoreMLFunction("a.mlpackage", "step", "all").planned() == {"gpu": 1}


def test_a_system_without_plans_is_measured_without_one(core_ml):
    core_ml.plan = None
    assert CoreMLFunction("a.mlpackage", "forward", "all").planned() == {}
    core_ml.plan = SimpleNamespace(model_structure=MLModelStructure(None, None, None))
    assert CoreMLFunction("a.mlpackage", "forward", "all").planned() == {}


def test_a_program_hands_its_units_on_and_the_reference_executor_plans_nothing(package, core_ml, monkeypatch):
    opened = CoreMLProgram(package, None, "cpu-and-ne")
    monkeypatch.setattr(program.sys, "platform", "linux")
    assert opened.planned("forward") == {}
    assert core_ml.opened == []
    monkeypatch.setattr(program.sys, "platform", "darwin")
    core_ml.plan = Plan(forward=block(operation("linear", NE)))
    on_a_mac = CoreMLProgram(package, None, "cpu-and-ne")
    assert on_a_mac.planned("forward") == {"ne": 1}
    assert core_ml.opened == [(str(package), ct.ComputeUnit.CPU_AND_NE, "forward")]
