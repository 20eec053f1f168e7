"""Grid extractors against the paper's sizes and costs (Table 1)."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from minivlm.images.photos import default_photo, load_photo
from minivlm.images.preprocess import resize_short_side
from minivlm.vision.grid import GRID_R50, GRID_TINY, GRID_X101, GridConfig, GridExtractor
from minivlm.vision.pixels import MSRA_BGR, RESNEXT_BGR


def on_meta(config: GridConfig) -> GridExtractor:
    with torch.device("meta"):
        return GridExtractor(config).eval()


@pytest.fixture(scope="module")
def tiny() -> GridExtractor:
    model = GridExtractor(GRID_TINY).eval().requires_grad_(False)
    model.randomize(torch.Generator().manual_seed(0))
    return model


@pytest.mark.parametrize(("config", "count"), [(GRID_R50, 23_561_152), (GRID_X101, 86_945_216)])
def test_parameters_with_running_statistics(config, count):
    # Convolutions and 4 values a BatchNorm channel, added up by hand; the paper prints 23.5 M and 86.9 M.
    model = on_meta(config)
    buffers = [value for value in model.buffers() if value.is_floating_point()]
    assert sum(value.numel() for value in [*model.parameters(), *buffers]) == count


@pytest.mark.parametrize(("config", "giga"), [(GRID_R50, 37.16), (GRID_X101, 158.58)])
def test_multiply_adds_at_600_x_800(config, giga):
    # Computed layer by layer; the paper's 37.8 and 161.2 are means over photos of other sizes.
    with FlopCounterMode(display=False) as counter:
        on_meta(config)(torch.empty(1, 3, 600, 800, device="meta"))
    assert counter.get_total_flops() / 2e9 == pytest.approx(giga, abs=0.005)


@pytest.mark.parametrize(("size", "cells"), [((600, 600), 361), ((600, 800), 475), ((600, 1000), 608)])
def test_a_photo_has_361_to_608_cells_of_2048_numbers(size, cells):
    # ceil(H / 32) x ceil(W / 32): the paper's "300 to 600".
    assert on_meta(GRID_R50)(torch.empty(1, 3, *size, device="meta")).shape == (1, cells, 2048)


def test_cells_come_row_by_row(tiny):
    image = torch.randn(1, 3, 128, 224, generator=torch.Generator().manual_seed(0))
    features, maps = tiny(image), tiny.backbone(image)
    assert maps.shape == (1, 256, 4, 7)
    for row, column in [(0, 0), (0, 6), (1, 0), (3, 5)]:
        torch.testing.assert_close(features[0, 7 * row + column], maps[0, :, row, column], rtol=0, atol=0)


@pytest.mark.parametrize("pixels", [MSRA_BGR, RESNEXT_BGR], ids=["grey-levels", "unit-variance"])
def test_random_weights_suit_photos_in_any_pixel_format(pixels):
    config = replace(GRID_TINY, pixels=pixels)
    model = GridExtractor(config).eval().requires_grad_(False)
    model.randomize(torch.Generator().manual_seed(0))
    fitted = resize_short_side(load_photo(default_photo()), config.short_side, config.longest_side, config.pixels)
    features = model(fitted.image)[0]
    assert len(features.unique(dim=0)) == len(features), "every cell has a feature of its own"
    # The sum of two normalised branches has a std of about 0.6 after its ReLU; a photo's may be half or double that.
    assert 0.3 < features.std() < 1.2


def test_random_weights_depend_on_the_generator_only():
    models = [GridExtractor(GRID_TINY) for _ in range(2)]  # fresh weights differ: torch's global generator moves on
    for model in models:
        model.randomize(torch.Generator().manual_seed(3))
    first, second = (model.state_dict() for model in models)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_pixel_formats_are_those_of_the_released_configurations():
    # facebookresearch/grid-feats-vqa: BGR and detectron2's ImageNet mean; X101 alone has a std.
    assert GRID_R50.pixels.channels == GRID_X101.pixels.channels == "bgr"
    assert GRID_R50.pixels.mean == GRID_X101.pixels.mean == (103.53, 116.28, 123.675)
    assert GRID_R50.pixels.std == (1.0, 1.0, 1.0)
    assert GRID_X101.pixels.std == (57.375, 57.12, 58.395)
