"""What is said of `--delegate qnn`: which of the things that it needs is missing, and where it comes from."""

import sys

import pytest

from export.core.formats import FORMATS
from export.core.request import parse_request
from export.drivers import qualcomm
from export.drivers.qualcomm import LIBRARY, Qualcomm, look, why_not
from minivlm.errors import UserError


@pytest.mark.parametrize(
    ("there", "beginning", "way_out"),
    [
        (
            Qualcomm("", library=False, binding=True),
            "needs Qualcomm's SDK, and QNN_SDK_ROOT is not set",
            "softwarecenter",
        ),
        (
            Qualcomm("/opt/qnn", library=False, binding=True),
            "needs Qualcomm's SDK, and QNN_SDK_ROOT is /opt/qnn, which has no lib/x86_64-linux-clang/libQnnHtp.so",
            "download it from https://softwarecenter.qualcomm.com",
        ),
        (
            Qualcomm("/opt/qnn", library=True, binding=False),
            "needs ExecuTorch's QNN backend, and the executorch that is installed has no executorch.backends.qualcomm",
            "install its wheel",
        ),
        (Qualcomm("/opt/qnn", library=True, binding=True), "was never tried", "--device hub --accelerator npu"),
    ],
)
def test_the_first_thing_that_is_missing_is_named_in_one_line(there, beginning, way_out):
    said = why_not(there)
    assert said.startswith(f"--delegate qnn {beginning}")
    assert way_out in said
    assert "\n" not in said


def test_the_sdk_is_found_by_its_library(tmp_path):
    assert not look({}).library
    assert not look({"QNN_SDK_ROOT": str(tmp_path)}).library
    (tmp_path / LIBRARY).parent.mkdir(parents=True)
    (tmp_path / LIBRARY).touch()
    assert look({"QNN_SDK_ROOT": str(tmp_path)}) == Qualcomm(str(tmp_path), library=True, binding=look({}).binding)


def test_an_executorch_without_the_module_is_told_apart(monkeypatch):
    monkeypatch.setattr(qualcomm, "find_spec", lambda name: None)
    assert not look({}).binding


def test_looking_imports_nothing_of_qualcomm_s():
    """Its import downloads the SDK where the variable is not set."""
    look({})
    assert qualcomm.MODULE not in sys.modules


@pytest.mark.parametrize(
    ("runtime", "message"),
    [
        ("executorch", "--delegate qnn needs Qualcomm's SDK, and QNN_SDK_ROOT is not set: "),
        ("onnx", "--delegate is ExecuTorch's: python export/to_executorch.py --model tee-tiny --delegate qnn"),
    ],
)
def test_exporters_say_so_before_anything_else(runtime, message, monkeypatch):
    monkeypatch.delenv("QNN_SDK_ROOT", raising=False)
    with pytest.raises(UserError) as caught:
        parse_request("", FORMATS[runtime], ["--model", "tee-tiny", "--delegate", "qnn"])
    assert str(caught.value).startswith(message)
