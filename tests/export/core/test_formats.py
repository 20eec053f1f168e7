"""What each format holds, and what is said of what it cannot."""

from dataclasses import replace
from pathlib import Path

import pytest

from export.core.format import PRECISIONS, Family
from export.core.formats import (
    FORMATS,
    artifact_path,
    check_accelerator,
    check_precision,
    exporter_of,
    family_of,
    format_of,
    program_class,
    require_runtime,
    require_tools,
    support,
    support_table,
)
from minivlm.errors import UserError

SOME = replace(
    FORMATS["executorch"],
    title="Some Runtime",
    precisions={Family.DETECTOR: ("fp32",), Family.TRANSFORMER: ("fp32", "int8")},
)


@pytest.mark.parametrize(
    ("model", "family"), [("tee-0", Family.DETECTOR), ("minilm", Family.TRANSFORMER), ("minivlm", Family.WHOLE)]
)
def test_models_come_in_three_families(model, family):
    assert family_of(model) is family


@pytest.mark.parametrize("model", ["r101-f", "grid-x101", "oscar-b"])
def test_baselines_have_no_artifact(model):
    with pytest.raises(UserError, match=f"{model} is a baseline"):
        family_of(model)


def test_artifacts_are_named_by_model_runtime_and_precision(tmp_path):
    assert artifact_path(tmp_path, "tee-0", FORMATS["executorch"], "fp32") == tmp_path / "tee-0-executorch-fp32.pte"


@pytest.mark.parametrize("runtime", FORMATS)
def test_a_suffix_belongs_to_one_format_and_its_code_is_there(runtime):
    target = FORMATS[runtime]
    for suffix in (target.suffix, target.whole_suffix):
        assert format_of(Path(f"model.{suffix}")) is target
    assert exporter_of(target).format is target
    assert callable(program_class(target))


@pytest.mark.parametrize("runtime", FORMATS)
def test_its_command_is_a_script_that_is_there_or_else_the_package(runtime):
    target = FORMATS[runtime]
    assert (Path(__file__).parents[3] / target.command.removeprefix("python ")).is_file()
    assert replace(target, script="").command == f"python -m export {runtime}"


def test_an_unsupported_precision_is_refused_with_what_there_is():
    check_precision(SOME, "minilm", "int8")
    with pytest.raises(
        UserError, match="Some Runtime takes no int8 detector such as tee-0: choose fp32, or ExecuTorch"
    ) as caught:
        check_precision(SOME, "tee-0", "int8")
    assert str(caught.value).endswith("ONNX Runtime or LiteRT or Core ML for int8")
    with pytest.raises(
        UserError, match="no fp32 whole such as minivlm: choose ExecuTorch with XNNPACK or ONNX Runtime"
    ):
        check_precision(SOME, "minivlm", "fp32")


@pytest.mark.parametrize("runtime", FORMATS)
def test_int4_is_of_matrices_that_a_detector_has_not(runtime):
    with pytest.raises(UserError, match=r"takes no int4 detector such as tee-0: choose fp32 or fp16 or int8$"):
        check_precision(FORMATS[runtime], "tee-0", "int4")


def test_int4_is_of_rows_that_divide_into_groups():
    check_precision(FORMATS["onnx"], "minivlm", "int4")  # rows of 384 and 1,536 numbers
    with pytest.raises(UserError, match="int4 has groups of 32 weights, and rows of tinybert-4 have 312: choose int8"):
        check_precision(FORMATS["onnx"], "tinybert-4", "int4")


def test_a_misspelt_precision_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="unknown precision 'int88': did you mean int8"):
        check_precision(SOME, "minilm", "int88")


def test_missing_tools_are_named_with_the_way_to_get_them():
    with pytest.raises(UserError, match=r"needs no_such_tool, not installed here: pip install -e '.\[litert\]'"):
        require_tools(replace(SOME, imports=("torch", "no_such_tool"), extra="litert"))


def test_the_table_has_a_line_a_format_and_one_for_each_other_delegate_and_accelerator():
    heading, *lines = support_table().splitlines()
    assert all(family in heading for family in Family)
    expected = [
        *("ExecuTorch with XNNPACK", "ExecuTorch with Core ML", "ExecuTorch with Vulkan"),
        *("ONNX Runtime", "LiteRT", "LiteRT on gpu", "Core ML"),
    ]
    assert [line.split("  ")[1] for line in lines] == expected


def test_running_an_artifact_needs_one_of_the_runtime_s_modules_and_none_of_the_exporter_s():
    bindings = ("no_such_runtime", "executorch.runtime")
    target = replace(FORMATS["executorch"], imports=("no_such_tools",), bindings=bindings)
    assert require_runtime(target) == ["executorch.runtime"]
    with pytest.raises(UserError, match="needs no_such_tools"):
        require_tools(target)
    with pytest.raises(UserError, match="needs no_such_tools"):
        require_runtime(replace(target, bindings=("no_such_runtime",)))


class TestAccelerators:
    def test_every_format_runs_on_the_cpu_in_every_precision(self):
        for target in FORMATS.values():
            check_accelerator(target, "int8", "cpu")

    def test_a_misspelt_one_is_answered_with_the_nearest(self):
        with pytest.raises(UserError, match=r"^unknown accelerator 'gpuu': did you mean gpu or cpu\?$"):
            check_accelerator(FORMATS["litert"], "fp32", "gpuu")

    def test_a_format_without_it_names_those_that_have_it(self):
        with pytest.raises(UserError, match="ONNX Runtime has no accelerator gpu here: leave it out, or take LiteRT"):
            check_accelerator(FORMATS["onnx"], "fp32", "gpu")

    def test_a_precision_that_it_would_not_compute_is_refused(self):
        with pytest.raises(UserError, match="would compute int8 in float: take an artifact in fp32 or fp16"):
            check_accelerator(FORMATS["litert"], "int8", "gpu")
        check_accelerator(FORMATS["litert"], "fp16", "gpu")


def test_the_page_has_what_formats_delegates_and_accelerators_take():
    """Of a table that is checked before anything is loaded, people have the same one."""
    page = (Path(__file__).parents[3] / "docs/accelerators.md").read_text()
    part = page.partition("## What goes together")[2].partition("## ")[0]
    rows = [line for line in part.splitlines() if line.startswith("| ")][2:]
    assert rows == [f"| {title} | {' | '.join(' '.join(one) for one in by.values())} |" for title, by in support()]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_accelerator_takes_what_the_table_says_and_nothing_else(precision):
    taken = dict(support())["LiteRT on gpu"][Family.WHOLE]
    if precision in taken:
        check_accelerator(FORMATS["litert"], precision, "gpu")
    else:
        with pytest.raises(UserError, match=f"would compute {precision} in float"):
            check_accelerator(FORMATS["litert"], precision, "gpu")
