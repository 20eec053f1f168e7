"""int8 by layer: what is quantized how, and how the layer that suffers is found."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from export.backends.coreml.convert import convert, layer_of, save
from export.backends.coreml.layers import layers as layer_outputs
from export.backends.coreml.quantize import quantize
from export.backends.coreml.rules import INT8
from export.core.methods import Method
from export.core.precision import in_float, kept_in_float
from export.core.ranges import Spread
from export.core.recipe import Calibration, Recipe
from export.mil.executor import MilFunction, read_functions
from export.verify.layers import weakest_layer
from export.verify.metrics import sqnr
from export.verify.tolerances import LAYER_SQNR
from minivlm.quiet import quiet

SAMPLE = (torch.randn(1, 16, 12, 12, generator=torch.Generator().manual_seed(1)), torch.ones(2))


class Block(nn.Module):
    """A detector's kinds of layers under their names, at a size for tests."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.ModuleDict(
            {
                "conv_stem": nn.Conv2d(16, 64, 3, padding=1),
                "conv_pw": nn.Conv2d(64, 64, 1),
                "conv_dw": nn.Conv2d(64, 64, 7, padding=3, groups=64),
                "conv_pwl": nn.Conv2d(64, 32, 1),
            }
        )

    def forward(self, image: Tensor, extent: Tensor) -> tuple[Tensor]:
        """Map (1, 16, H, W) to (1, 32, H, W)."""
        for layer in self.backbone.values():
            image = torch.relu(layer(image))
        return (image * extent[0],)


@pytest.fixture(scope="module")
def method() -> Method:
    torch.manual_seed(0)
    return Method(
        "main", Block().eval(), {"image": SAMPLE[0], "extent": SAMPLE[1]}, ("result",), detector=True, by_box=True
    )


@pytest.fixture(scope="module")
def packages(method, tmp_path_factory):
    """The block in fp32, and quantized under a recipe, with what stays in float."""
    folder = tmp_path_factory.mktemp("quantized")
    recipe = Recipe("int8", INT8, Calibration([SAMPLE], ("noise",), (), ""))
    kept = {}
    with quiet():
        save(convert(method, "fp32"), folder / "fp32.mlpackage")
        for name, asked in {
            "int8": recipe,
            "asked": replace(recipe, rules=(*kept_in_float(["backbone.conv_pw"]), *INT8)),
        }.items():
            model, kept[name] = quantize(convert(method, "fp16"), method, asked)
            save(model, folder / f"{name}.mlpackage")
    return folder, kept


def layers(package) -> dict[str, tuple[bool, bool]]:
    """By convolution: whether its weight, and whether its input, is stored in 8 bits."""
    with quiet():
        function = read_functions(package)["main"]
    return {
        layer_of(operation.outputs[0].name): (
            operation.inputs["weight"].op.op_type.startswith("constexpr_"),
            operation.inputs["x"].op is not None and operation.inputs["x"].op.op_type == "dequantize",
        )
        for operation in function.operations
        if operation.op_type == "conv"
    }


def test_each_layer_is_quantized_as_the_recipe_says(packages):
    folder, kept = packages
    assert layers(folder / "int8.mlpackage") == {
        "backbone.conv_stem": (False, False),
        "backbone.conv_pw": (True, True),
        "backbone.conv_dw": (True, False),
        "backbone.conv_pwl": (True, False),
    }
    assert {decision.layer: str(decision.rule.mode) for decision in kept["int8"]} == {
        "backbone.conv_stem": "float",
        "backbone.conv_pw": "static",
        "backbone.conv_dw": "weight-only",
        "backbone.conv_pwl": "weight-only",
    }


def test_a_layer_that_was_asked_for_stays_in_float(packages):
    folder, kept = packages
    assert layers(folder / "asked.mlpackage")["backbone.conv_pw"] == (False, False)
    assert in_float(kept["asked"]) == ["backbone.conv_pw", "backbone.conv_stem"]


def test_the_quantized_block_computes_nearly_the_same(packages, method):
    folder, _ = packages
    with torch.no_grad():
        expected, *_ = method.module(*method.example)
    with quiet():
        function = MilFunction(read_functions(folder / "int8.mlpackage")["main"])
    (result,) = function.run(method.inputs).values()
    # Bound: 8 bits over a range that the data fill give about 40 dB a layer; three of them in a row.
    assert 25.0 < sqnr(expected, result) < 60.0


def test_an_input_is_rounded_in_the_range_that_costs_least(packages, method):
    """PyTorch computes the input. float16 has 11 bits, of it and of the step."""
    folder, _ = packages
    with quiet(), torch.no_grad():
        function = read_functions(folder / "int8.mlpackage")["main"]
        given = torch.relu(method.module.backbone["conv_stem"](SAMPLE[0]))
    (rounded,) = (one for one in function.operations if one.op_type == "quantize")
    spread = Spread()
    spread.add(given)
    assert spread.best_symmetric(254).high < 0.99 * spread.whole().high
    assert float(rounded.inputs["scale"].val) == pytest.approx(spread.best_symmetric(254).high / 127, rel=2**-9)


def test_ratios_are_told_by_layer_in_order_and_none_is_weak(packages, method):
    folder, _ = packages
    with quiet():
        outputs = list(layer_outputs(folder / "fp32.mlpackage", folder / "int8.mlpackage", method))
    ratios = {layer: sqnr(exact, quantized) for layer, exact, quantized in outputs}
    assert list(ratios) == [f"backbone.{name}" for name in ("conv_stem", "conv_pw", "conv_dw", "conv_pwl")]
    assert ratios["backbone.conv_stem"] > 55.0  # fp16 has 11 bits: 6 dB each
    assert ratios["backbone.conv_pw"] < ratios["backbone.conv_stem"]
    assert weakest_layer(method, outputs) is None


def test_the_first_layer_that_goes_wrong_is_named(method, tmp_path):
    """One input channel a thousand times the others leaves these no levels: the pointwise layer that reads it fails."""
    spoiled = Block().eval()
    spoiled.load_state_dict(method.module.state_dict())
    with torch.no_grad():
        spoiled.backbone["conv_stem"].bias[0] = 1e3
        spoiled.backbone["conv_pw"].weight[:, 0] = 0.0
    other = replace(method, module=spoiled)
    recipe = Recipe("int8", INT8, Calibration([SAMPLE], ("noise",), (), ""))
    with quiet():
        save(convert(other, "fp32"), tmp_path / "fp32.mlpackage")
        save(quantize(convert(other, "fp16"), other, recipe)[0], tmp_path / "int8.mlpackage")
        outputs = list(layer_outputs(tmp_path / "fp32.mlpackage", tmp_path / "int8.mlpackage", other))
    assert weakest_layer(other, outputs) == "backbone.conv_pw"
    (found,) = (output for output in outputs if output.layer == "backbone.conv_pw")
    assert sqnr(found.exact, found.quantized) < LAYER_SQNR
