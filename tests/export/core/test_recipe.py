"""Which modules an int8 recipe leaves alone, and what it is calibrated on."""

import torch

from export.core.calibration import calibration_set
from export.core.catalogue import regions_method
from export.core.methods import Method
from export.core.recipe import Recipe
from minivlm.images.photos import default_photo
from minivlm.vision.tee_config import TEE_TINY
from minivlm.weights.loading import create_model

SIZE = TEE_TINY.image_size


class TestRecipe:
    def test_a_detector_is_calibrated_on_photos_and_anything_else_on_its_example(self):
        photos = calibration_set(None, 2, TEE_TINY, SIZE)
        recipe = Recipe("int8", calibration=photos)
        regions = regions_method("forward", create_model("tee-tiny"), None, default_photo())
        other = Method("forward", torch.nn.Identity(), {"x": torch.zeros(1)}, ("y",))
        assert recipe.samples(regions) == photos.samples
        assert recipe.samples(other) == [other.example]
