"""Published weights become a checkpoint: they take their places, and the rest is what the seed gives."""

from pathlib import Path

import pytest
import torch

from minivlm.errors import UserError
from minivlm.inference.backend import load_torch_backend
from minivlm.models.registry import build, get_config
from minivlm.models.sizes import with_sizes
from minivlm.vision.efficientnet import import_timm
from minivlm.weights import checkpoint
from minivlm.weights.checkpoint import CheckpointInfo
from minivlm.weights.labels import random_labels, shipped_vocabulary
from minivlm.weights.loading import load_model
from minivlm.weights.making import import_weights
from tests.tiny import CONFIG, NAME
from tests.weights.bert_configs import hf_config
from tests.weights.made import assert_same_state


class TestImport:
    """Published weights take their places; the rest is what the seed gives."""

    @pytest.fixture(scope="class")
    def bert(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A folder as published, of the tiny model's sizes, written by transformers."""
        pytest.importorskip("transformers")
        import_timm()
        import transformers

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            model = transformers.BertModel(hf_config(transformers, CONFIG.language))
        folder = tmp_path_factory.mktemp("bert")
        model.save_pretrained(folder)
        (folder / "vocab.txt").write_bytes(shipped_vocabulary(CONFIG.language.vocabulary).read_bytes())
        return folder

    @pytest.fixture(scope="class")
    def backbone(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A classifier as timm publishes them."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            model = import_timm().create_model(CONFIG.vision.efficientnet)
        path = tmp_path_factory.mktemp("timm") / "tinynet_e.pth"
        torch.save(model.state_dict(), path)
        return path

    def test_every_tensor_comes_from_where_the_config_says(self, bert: Path, backbone: Path, tmp_path: Path) -> None:
        from safetensors.torch import load_file

        info = import_weights(tmp_path / "new", NAME, bert=str(bert), backbone=str(backbone), seed=5)
        model = load_torch_backend(checkpoint=tmp_path / "new").module
        state = model.state_dict()
        published = load_file(bert / "model.safetensors")
        assert torch.equal(state["language.embeddings.words.weight"], published["embeddings.word_embeddings.weight"])
        assert torch.equal(state["language.pooler.dense.bias"], published["pooler.dense.bias"])
        timm_state = torch.load(backbone, weights_only=True)
        for key, tensor in model.vision.backbone.efficientnet.body.state_dict().items():
            scaled = f"{key.removesuffix('weight')}running_var" in timm_state  # BatchNorm's, by its eps
            assert (scaled and key.endswith("weight")) or torch.equal(tensor, timm_state[key]), key
        fresh = load_model(NAME, seed=5).module.state_dict()
        imported = tuple(f"{part}." for part in info.sources)
        rest = [key for key in state if not key.startswith(imported)]
        assert any(key.startswith("heads.") for key in rest)
        assert all(torch.equal(state[key], fresh[key]) for key in rest)

    def test_it_says_what_is_from_where_and_that_outputs_mean_nothing(self, bert: Path, tmp_path: Path) -> None:
        info = import_weights(tmp_path / "new", NAME, bert=str(bert), seed=5)
        assert info.sources == {
            "language.embeddings": str(bert),
            "language.encoder": str(bert),
            "language.pooler": str(bert),
            "vocab.txt": f"{bert} (vocab.txt)",
            "everything else": "random (seed 5)",
        }
        origin = load_model(checkpoint=tmp_path / "new").origin
        assert origin.random
        assert str(bert) in origin.description
        assert "everything else: random (seed 5)" in origin.description

    def test_a_vocabulary_beside_the_weights_becomes_the_checkpoints(self, bert: Path, tmp_path: Path) -> None:
        tokens = random_labels(CONFIG).tokenizer.tokens(range(CONFIG.language.vocabulary))
        mine = tmp_path / "mine"
        mine.mkdir()
        for path in bert.iterdir():
            (mine / path.name).write_bytes(path.read_bytes())
        (mine / "vocab.txt").write_text("\n".join([*tokens[:-1], "zebra"]) + "\n", encoding="utf-8")
        import_weights(tmp_path / "new", NAME, bert=str(mine))
        assert (tmp_path / "new" / "vocab.txt").read_bytes() == (mine / "vocab.txt").read_bytes()

    def test_nothing_to_import_or_the_wrong_model_leaves_nothing_behind(self, backbone: Path, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="pass --bert, --backbone or --detector"):
            import_weights(tmp_path / "new", NAME)
        with pytest.raises(UserError, match="only a part"):
            import_weights(tmp_path / "new", "minilm-tiny", backbone=str(backbone))
        for given in ({"bert": "some/bert"}, {"bert": "some/bert", "backbone": str(backbone)}, {}):
            with pytest.raises(UserError, match="tee-tiny is a detector, of which --backbone alone gives weights"):
                import_weights(tmp_path / "new", "tee-tiny", **given)
        assert not (tmp_path / "new").exists()

    def test_a_detector_brings_its_weights_and_its_names(self, tmp_path: Path) -> None:
        """Its numbers of tags and attributes are those of the new model, whose other parts are the seed's."""
        sizes = {"tags": 3, "attributes": 2}
        trained = load_model("tee-tiny", seed=7, sizes=sizes)
        checkpoint.save(tmp_path, trained.module, CheckpointInfo("tee-tiny", "trained on scenes", random=False))
        (tmp_path / "tags.txt").write_text("cat\ndog\nred panda\n")
        info = import_weights(tmp_path / "new", NAME, detector=tmp_path, seed=5)
        backend = load_torch_backend(checkpoint=tmp_path / "new")
        assert backend.labels.tags == ("cat", "dog", "red panda")
        assert_same_state(backend.module.vision, trained.module)
        assert_same_state(backend.module.language, load_model(NAME, seed=5, sizes=sizes).module.language)
        assert info.sources["vision"].startswith("trained on scenes, sha256")
        assert backend.labels.attributes == (), "nobody has named them"
        (tmp_path / "attributes.txt").write_text("red\nold\n")
        import_weights(tmp_path / "named", NAME, detector=tmp_path)
        assert load_torch_backend(checkpoint=tmp_path / "named").labels.attributes == ("red", "old")

    def test_another_models_detector_is_refused(self, tmp_path: Path) -> None:
        model = load_model("r101-f-tiny")
        checkpoint.save(tmp_path, model.module, CheckpointInfo(model.name, "test", random=False))
        with pytest.raises(UserError, match="r101-f-tiny, which is not the detector of minivlm-tiny"):
            import_weights(tmp_path / "new", NAME, detector=tmp_path)

    def test_two_sources_of_one_thing_are_refused(self, bert: Path, backbone: Path, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="both bring a backbone"):
            import_weights(tmp_path / "new", NAME, detector=tmp_path, backbone=str(backbone))
        with pytest.raises(UserError, match="leave --vocabulary out"):
            import_weights(tmp_path / "new", NAME, bert=str(bert), vocabulary=tmp_path / "vocab.txt")

    def test_a_detector_alone_is_what_training_starts_from(self, backbone: Path, tmp_path: Path) -> None:
        """What is not the backbone's is as `TEE.initialize` draws it, and has no names."""
        sizes = {"tags": 7, "attributes": 2}
        info = import_weights(tmp_path / "new", "tee-tiny", backbone=str(backbone), seed=5, sizes=sizes)
        assert {path.name for path in (tmp_path / "new").iterdir()} == {"config.json", "model.safetensors"}
        state = load_model(checkpoint=tmp_path / "new").module.state_dict()
        drawn = build(with_sizes(get_config("tee-tiny"), sizes))
        drawn.initialize(torch.Generator().manual_seed(5))
        fresh = drawn.state_dict()
        rest = [key for key in state if not key.startswith("backbone.efficientnet.")]
        assert all(torch.equal(state[key], fresh[key]) for key in rest)
        stem = "backbone.efficientnet.body.conv_stem.weight"
        assert torch.equal(state[stem], torch.load(backbone, weights_only=True)["conv_stem.weight"])
        assert info.sources["everything else"] == "drawn to train, random (seed 5)"
        assert str(backbone) in load_model(checkpoint=tmp_path / "new").origin.description
