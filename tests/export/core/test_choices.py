"""Flags that only some formats have: the exporters of the others say who has them, in one line."""

import pytest

from export.core.formats import FORMATS
from export.core.request import parse_request
from minivlm.errors import UserError


def refused(runtime: str, *flags: str) -> str:
    with pytest.raises(UserError) as caught:
        parse_request("", FORMATS[runtime], flags)
    return str(caught.value)


@pytest.mark.parametrize(
    ("runtime", "flags", "message"),
    [
        (
            "onnx",
            ("--model", "tee-tiny", "--delegate", "coreml"),
            "--delegate is ExecuTorch's: python export/to_executorch.py --model tee-tiny --delegate coreml",
        ),
        (
            "litert",
            ("--delegate", "vulkan", "--model", "minilm-tiny"),
            "--delegate is ExecuTorch's: python export/to_executorch.py --model minilm-tiny --delegate vulkan",
        ),
        (
            "coreml",
            ("--model", "tee-tiny", "--accelerator", "gpu"),
            "--accelerator is LiteRT's: python export/to_tflite.py --model tee-tiny --accelerator gpu",
        ),
        (
            "executorch",
            ("--accelerator", "gpu", "--checkpoint", "DIR"),
            "--accelerator is LiteRT's: python export/to_tflite.py --checkpoint DIR --accelerator gpu",
        ),
        # A name that nobody has makes no command that works, so all that there are are shown.
        (
            "onnx",
            ("--accelerator", "tpu"),
            "--accelerator is LiteRT's: python export/to_tflite.py --model M --accelerator gpu",
        ),
    ],
)
def test_who_has_a_flag_is_told_by_a_command(runtime, flags, message):
    assert refused(runtime, *flags) == message


@pytest.mark.parametrize("runtime", FORMATS)
def test_help_shows_only_what_a_format_has(runtime, capsys):
    with pytest.raises(SystemExit):
        parse_request("", FORMATS[runtime], ["--help"])
    shown = capsys.readouterr().out.partition("what each format takes")[0]
    assert ("--delegate" in shown) is bool(FORMATS[runtime].delegates)
    assert ("--accelerator" in shown) is bool(FORMATS[runtime].accelerators)


def test_a_flag_of_another_format_goes_before_all_else_that_is_wrong():
    assert refused("onnx", "--model", "no-such-model", "--delegate", "coreml").startswith("--delegate is ExecuTorch's")


def test_an_unknown_delegate_is_told_the_nearest_names():
    assert "unknown delegate 'vulkn': did you mean vulkan?" in refused(
        "executorch", "--model", "x", "--delegate", "vulkn"
    )
