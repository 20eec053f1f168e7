"""Running saved MIL programs: fp16 as fp16, loops, constants, and what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from export.mil.executor import MilFunction, read_functions, rounded
from minivlm.errors import UserError
from minivlm.quiet import quiet
from tests.export.mil.programs import run, saved


class TestHalfPrecision:
    """What would go wrong on a device must go wrong here."""

    @pytest.fixture(scope="class")
    def areas(self, tmp_path_factory):
        """Box areas from sides, once in fp16 and once in fp32."""

        def make(mb):
            def areas(sides):
                half = mb.cast(x=sides, dtype="fp16")
                area = mb.mul(x=half, y=half)
                return mb.cast(x=mb.mul(x=area, y=np.float16(0.125)), dtype="fp32"), mb.mul(x=sides, y=sides)

            return areas

        return saved([((3,), "fp32")], make, tmp_path_factory.mktemp("areas") / "areas.mlpackage")

    def test_an_intermediate_beyond_65504_is_infinite_even_if_the_result_would_fit(self, areas):
        half, single = run(areas, sides=torch.tensor([3.0, 255.0, 512.0]))
        # 512 x 512 / 8 = 32,768 fits; 262,144 on the way does not.
        assert half.tolist() == [1.125, 255.0 * 255.0 // 32 * 32 / 8, float("inf")]
        assert single.tolist() == [9.0, 65025.0, 262144.0]

    def test_every_result_is_rounded_to_the_type_that_the_program_declares(self):
        third = torch.tensor([1.0 / 3.0, 2049.0, 70000.0])
        # numpy rounds by the same standard, IEEE 754, in its own code.
        with np.errstate(over="ignore"):
            expected = third.numpy().astype(np.float16)
        assert np.array_equal(rounded(third, "fp16", "x").numpy(), expected)
        assert rounded(third, "fp32", "x").dtype == torch.float32

    def test_a_whole_number_that_does_not_fit_its_type_is_an_error(self):
        assert rounded(torch.tensor([-128, 127]), "int8", "x").tolist() == [-128, 127]
        with pytest.raises(UserError, match="x holds 3 to 128, beyond int8"):
            rounded(torch.tensor([3, 128]), "int8", "x")


class TestLoops:
    @pytest.fixture(scope="class")
    def doubling(self, tmp_path_factory):
        """Doubles until a limit from outside the loop is reached."""

        def make(mb):
            def grow(start, limit):
                def below(value, count):
                    return mb.squeeze(x=mb.less(x=value, y=limit))

                def double(value, count):
                    return mb.mul(x=value, y=np.float32(2.0)), mb.add(x=count, y=np.int32(1))

                return mb.while_loop(_cond=below, _body=double, loop_vars=(start, np.int32([0])))

            return grow

        return saved([((1,), "fp32")] * 2, make, tmp_path_factory.mktemp("loop") / "loop.mlpackage")

    @pytest.mark.parametrize(("limit", "value", "rounds"), [(100.0, 128.0, 7), (1.0, 1.0, 0), (2.0, 2.0, 1)])
    def test_run_as_often_as_the_condition_holds_none_included(self, doubling, limit, value, rounds):
        result, count = run(doubling, start=torch.tensor([1.0]), limit=torch.tensor([limit]))
        assert (result.item(), count.item()) == (value, rounds)


class TestRefusals:
    def test_an_unknown_operator_is_named(self, tmp_path):
        path = saved([((4,), "fp32")], lambda mb: lambda x: mb.atanh(x=x), tmp_path / "odd.mlpackage")
        with pytest.raises(UserError, match="does not know Core ML's operator 'atanh'") as caught:
            run(path, x=torch.zeros(4))
        assert "\n" not in str(caught.value)

    def test_an_unknown_operator_in_a_loop_is_named_before_anything_runs(self, tmp_path):
        def make(mb):
            return lambda x: mb.while_loop(
                _cond=lambda value: mb.squeeze(x=mb.less(x=value, y=np.float32(1.0))),
                _body=lambda value: (mb.cosh(x=value),),
                loop_vars=(x,),
            )

        path = saved([((1,), "fp32")], make, tmp_path / "loop.mlpackage")
        with quiet():
            function = read_functions(path)["main"]
        with pytest.raises(UserError, match="'cosh'"):
            MilFunction(function)

    def test_another_shape_or_a_missing_input_is_named(self, tmp_path):
        path = saved([((4,), "fp32")], lambda mb: lambda x: mb.relu(x=x), tmp_path / "relu.mlpackage")
        with pytest.raises(UserError, match=r"input x takes shape \(4,\), and \(5,\) was given"):
            run(path, x=torch.zeros(5))
        with pytest.raises(UserError, match=r"input x takes shape \(4,\), and none was given"):
            run(path)

    @pytest.mark.parametrize("content", [None, b"", b"not a program"])
    def test_a_folder_of_something_else_is_refused_in_one_line(self, tmp_path, content):
        path = tmp_path / "model.mlpackage"
        path.mkdir()
        if content is not None:
            (path / "Manifest.json").write_bytes(content)
        with pytest.raises(UserError, match="is no Core ML program that can be read") as caught, quiet():
            read_functions(path)
        assert "\n" not in str(caught.value)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-1e5, 1e5, width=32), min_size=3, max_size=3))
def test_values_are_released_only_after_their_last_use(executed_chain, numbers):
    x = torch.tensor(numbers)
    first, last = executed_chain(x)
    torch.testing.assert_close(first, x.abs() + 1.0, rtol=0, atol=0)
    torch.testing.assert_close(last, torch.relu(x.abs() + 1.0 - x), rtol=0, atol=0)


@pytest.fixture(scope="module")
def executed_chain(tmp_path_factory):
    """The input is read by the first and by the last step, and an inner value is an output as well."""

    def make(mb):
        def chain(x):
            first = mb.add(x=mb.abs(x=x), y=np.float32(1.0))
            return first, mb.relu(x=mb.sub(x=first, y=x))

        return chain

    path = saved([((3,), "fp32")], make, tmp_path_factory.mktemp("chain") / "chain.mlpackage")
    with quiet():
        function = MilFunction(read_functions(path)["main"])
    return lambda x: function.run({"x": x}).values()
