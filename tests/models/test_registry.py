"""Every model by its name: built, given weights, described."""

from pathlib import Path

import pytest
import torch
from torch import nn

import minivlm
from minivlm.errors import UserError
from minivlm.language.transformer import FusionTransformer
from minivlm.models.registry import build, get_config, list_models, parts_of
from minivlm.models.vision_language import VisionLanguageModel
from minivlm.storage.files import sha256
from minivlm.vision.faster_rcnn import FasterRCNN
from minivlm.vision.grid import GridExtractor
from minivlm.vision.tee import TEE
from minivlm.weights import checkpoint
from minivlm.weights.checkpoint import CheckpointInfo
from minivlm.weights.loading import create_model, describe_model, load_model
from minivlm.weights.making import make_random

FAMILIES = {
    TEE: ["tee-0", "tee-1", "tee-2", "tee-3", "tee-lite-0", "tee-sample", "tee-lite-sample", "tee-tiny"],
    FasterRCNN: ["r101-f", "r101-f-tiny"],
    GridExtractor: ["grid-r50", "grid-x101", "grid-tiny"],
    FusionTransformer: [
        *("bert-base", "bert-8", "bert-4", "tinybert-6", "tinybert-4"),
        *("minilm", "minilm-sample", "minilm-tiny"),
    ],
    VisionLanguageModel: ["minivlm", "oscar-b", "minivlm-sample", "minivlm-tiny"],
}
TINY = ["tee-tiny", "r101-f-tiny", "grid-tiny", "minilm-tiny", "minivlm-tiny"]
# The paper's names with the backbones and transformers of sections 3.1 and 4.1.
PARTS = {
    "minivlm": ("tee-0", "minilm"),
    "oscar-b": ("r101-f", "bert-base"),
    "minivlm-sample": ("tee-sample", "minilm-sample"),
    "minivlm-tiny": ("tee-tiny", "minilm-tiny"),
}


def equal_weights(first: nn.Module, second: nn.Module) -> bool:
    others = second.state_dict()
    return all(torch.equal(value, others[key]) for key, value in first.state_dict().items())


def refusal(*args, **kwargs) -> str:
    with pytest.raises(UserError) as caught:
        load_model(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    return message


class TestNames:
    def test_are_these(self):
        assert sorted(list_models()) == sorted(name for names in FAMILIES.values() for name in names)

    def test_the_package_offers_creating_and_listing(self):
        assert minivlm.create_model is create_model
        assert minivlm.list_models is list_models

    @pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in FAMILIES.items() for name in names])
    def test_each_builds_its_family_in_eval_mode_ready_to_be_trained_without_allocating_anything(self, kind, name):
        with torch.device("meta"):
            module = build(get_config(name))
        assert type(module) is kind
        values = [*module.parameters(), *module.buffers()]
        assert {value.device.type for value in values} == {"meta"}
        assert all(parameter.requires_grad for parameter in module.parameters())
        assert not any(part.training for part in module.modules())

    @pytest.mark.parametrize(("whole", "parts"), PARTS.items())
    def test_a_whole_model_is_its_two_parts_with_regions_that_fit(self, whole, parts):
        with torch.device("meta"):
            model = build(get_config(whole))
        assert model.vision.config == get_config(parts[0])
        sizes = {
            name: (config.layers, config.hidden, config.intermediate, config.heads, config.vocabulary)
            for name, config in [("own", model.language.config), ("part", get_config(parts[1]))]
        }
        assert sizes["own"] == sizes["part"]
        feature = {"minivlm": 1024, "oscar-b": 2048, "minivlm-sample": 1024, "minivlm-tiny": 64}[whole]
        assert model.language.config.region_dim == feature + 6  # section 3.1: the feature and 6 numbers of geometry

    @pytest.mark.parametrize(
        ("given", "nearest"), [("minivl", "minivlm"), ("tee0", "tee-0"), ("bert_base", "bert-base"), ("r101", "r101-f")]
    )
    def test_a_misspelt_one_is_answered_with_the_nearest(self, given, nearest):
        message = refusal(given)
        assert message.startswith(f"unknown model '{given}': did you mean ")
        assert nearest in message

    def test_one_that_is_like_none_is_answered_with_all(self):
        message = refusal("xyz")
        assert all(name in message for name in list_models())

    def test_none_at_all_is_a_user_s_error(self):
        assert refusal().startswith("no model given")


class TestRandomWeights:
    @pytest.mark.parametrize("name", TINY)
    def test_depend_on_the_seed_only(self, name):
        first = load_model(name, seed=3)
        torch.manual_seed(99)
        torch.rand(5)
        assert equal_weights(first.module, load_model(name, seed=3).module)
        assert not equal_weights(first.module, load_model(name, seed=4).module)
        assert (first.name, first.origin.random, first.origin.sha256) == (name, True, None)
        assert first.origin.description == "random (seed 3)"

    @pytest.mark.parametrize("name", TINY)
    def test_leave_torch_s_own_generator_alone(self, name):
        torch.manual_seed(5)
        expected = torch.rand(3)
        torch.manual_seed(5)
        create_model(name)
        assert torch.equal(torch.rand(3), expected)

    @pytest.mark.parametrize("name", TINY)
    def test_are_finite_and_ready_for_inference(self, name):
        model = create_model(name)
        assert all(value.isfinite().all() for value in model.state_dict().values() if value.is_floating_point())
        assert not any(part.training for part in model.modules())
        assert not any(parameter.requires_grad for parameter in model.parameters())

    def test_two_models_share_nothing(self):
        first, second = create_model("minilm-tiny"), create_model("minilm-tiny")
        next(first.parameters()).fill_(7.0)
        assert not equal_weights(first, second)


class TestCheckpoints:
    """What the registry makes of them; the folder's format has tests of its own."""

    @pytest.fixture(params=["minilm-tiny", "tee-tiny"])
    def saved(self, request, tmp_path) -> tuple[Path, str, nn.Module]:
        model = create_model(request.param, seed=11)
        folder = tmp_path / "run-7"
        checkpoint.save(folder, model, CheckpointInfo(request.param, origin="trained on VG", random=False))
        return folder, request.param, model

    def test_gives_back_the_weights_bit_for_bit_with_or_without_the_name(self, saved):
        folder, name, model = saved
        for loaded in (load_model(name, checkpoint=folder), load_model(checkpoint=str(folder))):
            assert loaded.name == name
            assert equal_weights(loaded.module, model)
            assert not loaded.module.training
            assert not any(parameter.requires_grad for parameter in loaded.module.parameters())
            assert not loaded.origin.random
            assert "trained on VG" in loaded.origin.description
            assert loaded.origin.description.endswith(f", sha256 {loaded.origin.sha256[:12]}")
            assert loaded.origin.sha256 == sha256(folder / checkpoint.WEIGHTS)

    def test_is_the_same_wherever_its_folder_is(self, saved):
        folder, *_ = saved
        before = load_model(checkpoint=folder).origin
        assert load_model(checkpoint=folder.rename(folder.with_name("elsewhere"))).origin == before

    def test_is_described_without_being_built(self, saved):
        folder, name, model = saved
        described = describe_model(None, checkpoint=folder)
        assert (described.name, described.config) == (name, model.config)
        assert described.origin == load_model(checkpoint=folder).origin
        assert describe_model(name, seed=4).origin == load_model(name, seed=4).origin

    def test_of_another_model_is_refused_with_its_name(self, saved):
        folder, name, _ = saved
        message = refusal("tee-0", checkpoint=folder)
        assert f"holds '{name}', not 'tee-0'" in message
        assert f"--model {name}" in message

    def test_a_misspelt_name_beside_one_is_answered_as_such(self, saved):
        assert "did you mean" in refusal("minilm-tinny", checkpoint=saved[0])

    def test_that_is_missing_truncated_or_of_other_shapes_is_refused(self, saved):
        folder, name, _ = saved
        assert "is not a folder" in refusal(name, checkpoint=folder / "none")
        weights = folder / checkpoint.WEIGHTS
        weights.write_bytes(weights.read_bytes()[:-100])
        assert "truncated" in refusal(name, checkpoint=folder)
        weights.unlink()
        assert f"no {checkpoint.WEIGHTS}" in refusal(name, checkpoint=folder)

    def test_with_the_tensors_of_another_model_is_refused(self, tmp_path):
        checkpoint.save(tmp_path, create_model("minilm-tiny"), CheckpointInfo("tee-tiny", origin="x", random=False))
        assert "does not fit its model" in refusal(checkpoint=tmp_path)


class TestPartsOfACheckpoint:
    """A whole model's checkpoint holds its two parts, which are then had by their own names."""

    @pytest.fixture
    def folder(self, tmp_path) -> Path:
        make_random(tmp_path / "whole", "minivlm-tiny", seed=2, sizes={"tags": 7, "layers": 3})
        return tmp_path / "whole"

    @pytest.mark.parametrize(("whole", "parts"), PARTS.items())
    def test_are_these(self, whole, parts):
        found = parts_of(whole)
        assert {"vision": parts[0], "language": parts[1]}.items() <= {at: name for name, at in found.items()}.items()
        assert parts_of(parts[0]) == {}

    def test_have_its_weights_and_sizes(self, folder):
        whole = load_model(checkpoint=folder)
        for name, part in (("tee-tiny", whole.module.vision), ("minilm-tiny", whole.module.language)):
            loaded = load_model(name, checkpoint=folder)
            assert (loaded.name, loaded.origin) == (name, whole.origin)
            assert equal_weights(loaded.module, part)
            assert describe_model(name, checkpoint=folder).config == part.config
        assert load_model("tee-tiny", checkpoint=folder).module.config.classes == 8
        assert load_model("minilm-tiny", checkpoint=folder).module.config.layers == 3

    def test_others_are_refused_with_what_it_holds(self, folder):
        assert "pass --model minivlm-tiny or tee-tiny or minilm-tiny" in refusal("r101-f-tiny", checkpoint=folder)
