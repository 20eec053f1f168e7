"""Opening an artifact by its suffix, and handing it whatever a caller has."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from export.backends.executorch.program import ExecuTorchProgram
from export.core.catalogue import fusion_method, regions_method
from export.core.interface import TensorSpec, prepared
from export.runtime.program import open_program
from export.verify.comparison import compare, run_reference
from export.verify.tolerances import tolerances_of
from minivlm.errors import UserError
from minivlm.images.photos import default_photo
from minivlm.weights.loading import create_model


def test_the_suffix_tells_the_runtime(exported):
    assert isinstance(open_program(exported("minilm-tiny").artifact), ExecuTorchProgram)


def test_a_missing_file_says_how_to_make_it(tmp_path):
    with pytest.raises(UserError, match=r"none.pte does not exist: make it with python export/to_executorch.py"):
        open_program(tmp_path / "none.pte")


def test_another_suffix_has_no_runtime(tmp_path):
    with pytest.raises(UserError, match=r"no runtime for .*model.txt: artifacts end in .*\.pte"):
        open_program(tmp_path / "model.txt")


IMAGE = TensorSpec("image", [1, 3, 4, 6], "float32")
IDS = TensorSpec("ids", [1, 5], "int32")
VALUES = torch.arange(72.0).reshape(1, 3, 4, 6)


def canonical(tensor: torch.Tensor) -> bool:
    """Whether strides are those of rows after rows, of sides of length 1 too."""
    return tensor.stride() == torch.empty(tensor.shape).stride()


class TestPrepared:
    @pytest.mark.parametrize(
        "given_",
        [
            VALUES.contiguous(memory_format=torch.channels_last),
            VALUES.double(),
            VALUES.bfloat16(),  # whole numbers up to 256 are exact in it
            VALUES.half(),
            VALUES.clone().requires_grad_(),
            VALUES.expand(2, 3, 4, 6)[:1],
            VALUES.as_strided((1, 3, 4, 6), (7, 24, 6, 1)),
            torch.stack([VALUES, VALUES], dim=4)[..., 1],
            VALUES.numpy(),
            VALUES.numpy()[..., ::-1].copy()[..., ::-1],
            VALUES.numpy().astype(">f8"),
            np.asfortranarray(VALUES.numpy()),
        ],
        ids=str,
    )
    def test_one_image_in_any_layout_is_the_same_image(self, given_):
        (ready,) = prepared("forward", [given_], [IMAGE])
        assert torch.equal(ready, VALUES)
        assert (ready.dtype, ready.requires_grad, canonical(ready)) == (torch.float32, False, True)

    def test_a_repeated_row_is_written_out(self):
        (ready,) = prepared("forward", [torch.ones(1, 3, 4, 1).expand(1, 3, 4, 6)], [IMAGE])
        assert canonical(ready)
        assert torch.equal(ready, torch.ones(IMAGE.shape))

    @given(order=st.permutations(range(4)), steps=st.lists(st.integers(1, 3), min_size=4, max_size=4))
    @settings(max_examples=50, deadline=None)
    def test_so_are_views_of_any_strides(self, order, steps):
        room = torch.zeros([IMAGE.shape[axis] * steps[axis] for axis in order])
        view = room.permute([order.index(axis) for axis in range(4)])[tuple(slice(None, None, step) for step in steps)]
        view.copy_(VALUES)
        (ready,) = prepared("forward", [view], [IMAGE])
        assert torch.equal(ready, VALUES)
        assert canonical(ready)

    @pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int16, torch.uint8])
    def test_whole_numbers_of_any_width_are_whole_numbers(self, dtype):
        (ready,) = prepared("forward", [torch.tensor([[1, 2, 3, 4, 5]], dtype=dtype)], [IDS])
        assert ready.dtype is torch.int32
        assert ready.tolist() == [[1, 2, 3, 4, 5]]

    @pytest.mark.parametrize(
        ("given_", "message"),
        [
            ([], r"forward takes 1 inputs \(ids\), and 0 were given"),
            ([torch.zeros(1, 5), torch.zeros(1)], "and 2 were given"),
            ([torch.zeros(1, 4, dtype=torch.int64)], r"input ids takes shape \(1, 5\), and \(1, 4\) was given"),
            ([torch.zeros(5, dtype=torch.int64)], "takes shape"),
            ([torch.zeros(1, 5)], "input ids takes int32, and float32 was given"),
            ([torch.zeros(1, 5, dtype=torch.bool)], "and bool was given"),
            ([torch.full((1, 5), 2**31)], "larger numbers were given"),
            ([[1, 2, 3, 4, 5]], "is a list: give a dense tensor"),
            ([np.array([["a"] * 5])], "is a ndarray: give a dense tensor"),
            ([torch.zeros(1, 5, dtype=torch.int64).to_sparse()], "give a dense tensor"),
            ([torch.zeros(1, 5, dtype=torch.int64, device="meta")], "give a dense tensor"),
        ],
    )
    def test_anything_else_is_one_line(self, given_, message):
        with pytest.raises(UserError, match=message) as caught:
            prepared("forward", given_, [IDS])
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("given_", [torch.zeros(IMAGE.shape, dtype=torch.int64), VALUES.to(torch.complex64)])
    def test_no_other_kind_of_number_is_a_float(self, given_):
        with pytest.raises(UserError, match="input image takes float32"):
            prepared("forward", [given_], [IMAGE])


@pytest.mark.parametrize(("runtime", "precision"), [("executorch", "fp32"), ("onnx", "fp32"), ("litert", "fp32")])
def test_a_channels_last_image_is_the_same_image_in_every_runtime(exported, runtime, precision):
    program = open_program(exported("tee-tiny", runtime, precision).artifact)
    image, extent = regions_method("forward", create_model("tee-tiny"), None, default_photo()).example
    expected = program.run("forward", [image, extent])
    for form in (
        image.contiguous(memory_format=torch.channels_last),
        image.double(),
        image.numpy()[..., ::-1].copy()[..., ::-1],
    ):
        given_ = program.run("forward", [form, extent])
        assert all(torch.equal(one, other) for one, other in zip(given_, expected, strict=True))


@pytest.mark.parametrize(
    ("runtime", "precision"), [("executorch", "fp32"), ("onnx", "fp32"), ("litert", "fp32"), ("coreml", "int8")]
)
class TestEveryRuntime:
    def test_takes_one_form_or_says_so_in_one_line(self, exported, runtime, precision):
        program = open_program(exported("minilm-tiny", runtime, precision).artifact)
        inputs = fusion_method("forward", create_model("minilm-tiny")).example
        for wrong in (inputs[:-1], [*inputs, inputs[0]], [*inputs[:4], inputs[4][..., :-1]], [inputs[3], *inputs[1:]]):
            with pytest.raises(UserError) as caught:
                program.run("forward", wrong)
            assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("hidden", [-10000.0, torch.finfo(torch.float32).min, -torch.inf])
    def test_tokens_that_are_all_hidden_by_whatever_number_give_finite_right_values(
        self, exported, runtime, precision, hidden
    ):
        program = open_program(exported("minilm-tiny", runtime, precision).artifact)
        method = fusion_method("forward", create_model("minilm-tiny"))
        inputs = [*method.example[:4], torch.full_like(method.example[4], hidden)]
        bounds = tolerances_of(runtime, precision, random=True)
        metrics = compare(method, run_reference(method, inputs), program.run("forward", inputs), bounds)
        assert all(metric.passed for metric in metrics), [str(metric) for metric in metrics]
