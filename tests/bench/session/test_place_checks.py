"""What `bench/run.py` refuses of `--accelerator` and `--compute-units`, each in one line."""

from dataclasses import replace

import pytest

from bench.session import place_checks
from bench.session.place_checks import check_places
from export.backends.litert.accelerated import GPUProgram
from export.core.acceleration import DriverFacts
from minivlm.errors import UserError
from tests.bench.plans import plan

SOFTWARE, GPU = DriverFacts("llvmpipe", software=True), DriverFacts("NVIDIA 550.54.15")


@pytest.fixture
def driver(monkeypatch):
    """Says which driver is there; at first a GPU's."""

    def there(facts: DriverFacts) -> None:
        monkeypatch.setattr(GPUProgram, "driver", staticmethod(lambda: facts))

    there(GPU)
    return there


def refusal(*flags: str, **changes) -> str:
    with pytest.raises(UserError) as caught:
        check_places(replace(plan(*flags), **changes))
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestAccelerators:
    def test_a_gpu_is_measured(self, driver):
        for flags in (("--accelerator", "gpu"), ("--accelerator", "cpu,gpu", "--runtimes", "pytorch,litert")):
            check_places(plan(*flags))

    @pytest.mark.parametrize(
        ("flags", "message"),
        [
            (
                ("--runtimes", "executorch"),
                "ExecuTorch has no accelerator gpu here: leave --accelerator out, or take --runtimes litert",
            ),
            (
                ("--runtimes", "pytorch,litert"),
                "pytorch has no accelerator gpu here: leave --accelerator out, or take --runtimes litert",
            ),
            (
                ("--runtimes", "coreml"),
                "Core ML has no accelerator gpu here and its processors are chosen by --compute-units: leave "
                "--accelerator out, or take --runtimes litert",
            ),
            (
                ("--precision", "int8,int4"),
                "LiteRT's gpu would compute int8 in float: take an artifact in fp32 or fp16",
            ),
        ],
    )
    def test_what_does_not_go_with_it_is_told_with_what_does(self, driver, flags, message):
        assert refusal("--accelerator", "gpu", *flags) == message

    def test_one_that_no_named_runtime_has_is_refused_though_the_cpu_is_left(self, driver):
        assert refusal("--accelerator", "cpu,gpu", "--runtimes", "pytorch,onnx") == (
            "--accelerator gpu is of litert, not of pytorch, onnx: add that to --runtimes, or leave gpu out"
        )

    def test_one_of_hosted_phones_is_not_of_this_machine(self, driver):
        assert refusal("--accelerator", "npu") == (
            "--accelerator npu is of hosted phones (--device hub): this machine has gpu, by litert"
        )
        check_places(plan("--device", "hub", "--accelerators", "npu"))

    @pytest.mark.parametrize(
        ("flags", "made"),
        [
            ((), "--model tee-0"),
            # The first model that has an artifact at all, in the first precision that the GPU takes.
            (("--models", "r101-f,tee-1", "--precision", "int8,fp16"), "--model tee-1 --precision fp16"),
            (("--models", "minilm", "--seed", "3"), "--model minilm --seed 3"),
        ],
    )
    def test_software_is_refused_before_anything_is_done_with_the_command_that_proves(self, driver, flags, made):
        driver(SOFTWARE)
        assert refusal("--accelerator", "gpu", *flags) == (
            "the only driver for LiteRT's gpu here is software (llvmpipe), and its times mean nothing: verify the "
            f"artifact by python export/to_tflite.py {made} --accelerator gpu, and measure where there is a GPU"
        )
        check_places(plan("--runtimes", "litert"))  # on the CPU nothing is asked of a driver


class TestUnits:
    def test_off_a_mac_they_are_refused_and_on_a_phone_they_are_not(self, monkeypatch):
        monkeypatch.setattr("platform.system", lambda: "Linux")
        for flags in ((), ("--runtimes", "coreml,litert")):
            assert refusal("--compute-units", "all", *flags) == (
                "Core ML runs on Apple's systems only: measure it on a Mac, or with --device ios"
            )
        check_places(plan("--compute-units", "all", "--device", "ios"))

    def test_on_a_mac_they_are_taken(self, monkeypatch):
        monkeypatch.setattr("platform.system", lambda: "Darwin")
        check_places(plan("--compute-units", "all,cpu-and-gpu,cpu-and-ne,cpu"))

    def test_they_go_with_core_ml_alone(self):
        assert refusal("--compute-units", "cpu", "--runtimes", "litert,onnx") == (
            "--compute-units goes with --runtimes coreml, not with litert, onnx: add that, or leave the flag out"
        )

    @pytest.mark.parametrize(
        ("flags", "message"),
        [
            (
                ("--compute-units", "cpu-and-npu"),
                r"unknown compute unit 'cpu-and-npu': did you mean cpu-and-gpu or cpu-and-ne\?",
            ),
            (("--compute-units", "all", "--device", "android"), "goes with --device cpu or ios or ios-simulator, not"),
            (("--accelerator", "gpu", "--device", "ios"), "goes with --device cpu or android or hub, not with ios"),
            (("--accelerator", "gpux"), r"unknown accelerator 'gpux': did you mean gpu or npu or cpu\?"),
        ],
    )
    def test_names_and_devices_are_checked_when_they_are_read(self, flags, message):
        with pytest.raises(UserError, match=message):
            plan(*flags)


def test_every_accelerator_here_has_a_runtime():
    assert {name: place_checks._having(name) for name in place_checks.accelerators_here()} == {"gpu": ["litert"]}
