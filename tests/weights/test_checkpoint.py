"""A checkpoint folder gives back the model that was saved, and says what is wrong with one that cannot."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from minivlm.errors import UserError
from minivlm.inference.backend import load_torch_backend
from minivlm.models.registry import build, get_config
from minivlm.models.sizes import with_sizes
from minivlm.storage.files import sha256
from minivlm.vision.efficientnet import import_timm
from minivlm.weights import checkpoint
from minivlm.weights.checkpoint import CheckpointInfo
from minivlm.weights.labels import random_labels, shipped_vocabulary, write_labels
from minivlm.weights.loading import load_model
from minivlm.weights.making import halve, import_weights, make_random
from tests.tiny import CONFIG, NAME


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint of seed 3."""
    make_random(tmp_path / "saved", NAME, seed=3)
    return tmp_path / "saved"


def edit(folder: Path, changes: Mapping[str, Any]) -> None:
    path = folder / "config.json"
    content = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not ...}))


def assert_same_state(left: torch.nn.Module, right: torch.nn.Module) -> None:
    """Bit for bit: equal keys, types and bytes."""
    one, other = left.state_dict(), right.state_dict()
    assert one.keys() == other.keys()
    for key, tensor in one.items():
        assert tensor.dtype == other[key].dtype
        assert tensor.numpy().tobytes() == other[key].numpy().tobytes(), key


def test_loading_gives_the_saved_weights_bit_for_bit(folder: Path) -> None:
    assert_same_state(load_model(checkpoint=folder).module, load_model(NAME, seed=3).module)


def test_saving_what_was_loaded_gives_the_same_files(folder: Path, tmp_path: Path) -> None:
    backend = load_torch_backend(checkpoint=folder)
    write_labels(tmp_path / "again", backend.labels)
    checkpoint.save(tmp_path / "again", backend.module, checkpoint.read_info(folder))
    for path in folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_unusual_values_survive(tmp_path: Path) -> None:
    """Negative zero, denormals and the largest floats are values like others."""
    model = load_model(NAME).module
    strange = torch.tensor([-0.0, 1e-42, 3.4e38, -3.4e38, 1e-30])
    next(model.parameters()).view(-1)[:5] = strange
    checkpoint.save(tmp_path, model, CheckpointInfo(NAME, "test", random=False, heads=CONFIG.heads))
    assert_same_state(load_model(checkpoint=tmp_path).module, model)


def test_the_folder_alone_says_which_model_it_is_and_that_it_is_random(folder: Path) -> None:
    model = load_model(checkpoint=folder)
    assert model.name == NAME
    assert model.origin.random
    assert model.origin.sha256 == sha256(folder / "model.safetensors")
    assert model.origin.description == f"random (seed 3), sha256 {model.origin.sha256[:12]}"


def test_a_checkpoint_may_have_some_heads_only(tmp_path: Path) -> None:
    config = replace(CONFIG, heads=("match",))
    info = CheckpointInfo(NAME, "trained for retrieval", random=False, heads=config.heads)
    write_labels(tmp_path, random_labels(config))
    checkpoint.save(tmp_path, build(config), info)
    backend = load_torch_backend(checkpoint=tmp_path)
    assert backend.config.heads == ("match",)
    assert not backend.origin.random


def test_a_part_of_a_model_has_a_checkpoint_but_no_tasks(tmp_path: Path) -> None:
    model = load_model("minilm-tiny")
    checkpoint.save(tmp_path, model.module, CheckpointInfo(model.name, "test", random=False))
    assert_same_state(load_model(checkpoint=tmp_path).module, model.module)
    with pytest.raises(UserError, match="only a part"):
        load_torch_backend(checkpoint=tmp_path)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"modle": "minivlm"}, "unknown key 'modle': did you mean model"),
        ({"model": ...}, "lacks the key 'model'"),
        ({"random": ...}, "lacks the key 'random'"),
        ({"model": 3}, "'model' of the wrong type"),
        ({"random": "no"}, "'random' of the wrong type"),
        ({"heads": "vqa"}, "'heads' of the wrong type"),
        ({"heads": ["vqa", "vqa"]}, "can be there once"),
        ({"heads": ["vqa", "captions"]}, "unknown head 'captions'"),
        ({"heads": ["vqa"]}, "does not fit its model"),
        ({"sources": []}, "'sources' of the wrong type"),
        ({"format": 2}, "reads format 1"),
        ({"model": "minivml"}, "did you mean minivlm"),
        ({"model": "tee-tiny"}, "has none"),
        ({"model": "tee-tiny", "heads": []}, "does not fit its model"),
    ],
)
def test_a_config_that_is_not_one_is_refused(folder: Path, changes: Mapping[str, Any], complaint: str) -> None:
    edit(folder, changes)
    with pytest.raises(UserError, match=complaint) as caught:
        load_torch_backend(checkpoint=folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", "{", "nonsense", "[" * 100_000, '{"model": "\ud800"}'])
def test_a_config_that_is_no_object_is_refused(folder: Path, content: str) -> None:
    (folder / "config.json").write_bytes(content.encode("utf-8", errors="surrogatepass"))
    with pytest.raises(UserError, match=r"config\.json"):
        load_torch_backend(checkpoint=folder)


@pytest.mark.parametrize("kept", [0, 7, 100, 20_000, -1])
def test_truncated_weights_are_refused(folder: Path, kept: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match="truncated or damaged"):
        load_model(checkpoint=folder)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "vocab.txt", "tags.txt", "answers.txt"])
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(UserError, match=file):
        load_torch_backend(checkpoint=folder)


def test_a_name_that_contradicts_the_checkpoint_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="holds 'minivlm-tiny', not 'minivlm': pass --model minivlm-tiny"):
        load_model("minivlm", checkpoint=folder)


def damage(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_value_that_is_no_number_is_named_at_loading(folder: Path, value: float) -> None:
    def change(state: dict[str, torch.Tensor]) -> None:
        state["heads.nlvr2.classifier.bias"][-1] = value

    damage(folder, change)
    with pytest.raises(UserError, match=r"nlvr2.classifier.bias holds 1 values of 2 that are NaN"):
        load_model(checkpoint=folder)


def test_a_negative_variance_is_named_at_loading(folder: Path) -> None:
    key = "vision.backbone.efficientnet.body.bn1.running_var"

    def change(state: dict[str, torch.Tensor]) -> None:
        state[key][0] = -1.0

    damage(folder, change)
    with pytest.raises(UserError, match=f"{key} holds a negative variance"):
        load_model(checkpoint=folder)


@pytest.mark.parametrize("dtype", [torch.int8, torch.float16, torch.float64])
def test_another_type_is_named_at_loading(folder: Path, dtype: torch.dtype) -> None:
    key = "heads.nlvr2.classifier.bias"
    damage(folder, lambda state: state.update({key: state[key].to(dtype)}))
    with pytest.raises(UserError, match=f"first {key} .*{dtype}"):
        load_model(checkpoint=folder)


def test_what_could_not_be_loaded_is_never_saved(tmp_path: Path) -> None:
    model = load_model(NAME).module
    next(model.parameters()).view(-1)[0] = float("nan")
    with pytest.raises(UserError, match="NaN or infinite"):
        checkpoint.save(tmp_path, model, CheckpointInfo(NAME, "test", random=False, heads=CONFIG.heads))
    assert list(tmp_path.iterdir()) == []


def test_halved_weights_are_the_nearest_in_float16_and_vectors_are_as_they_were(folder: Path, tmp_path: Path) -> None:
    """Nearest: what torch's own rounding gives. Vectors are a small share of the bytes."""
    halve(folder, tmp_path / "half")
    before, after = (load_model(checkpoint=one).module.state_dict() for one in (folder, tmp_path / "half"))
    for key, tensor in before.items():
        wanted = tensor.half().float() if tensor.ndim > 1 else tensor
        assert torch.equal(after[key], wanted), key
    sizes = [(one / "model.safetensors").stat().st_size for one in (folder, tmp_path / "half")]
    assert sizes[1] < 0.6 * sizes[0]
    labels = [load_torch_backend(checkpoint=one).labels for one in (folder, tmp_path / "half")]
    assert labels[0].sha256 == labels[1].sha256


def test_a_halved_detector_keeps_all_its_names(tmp_path: Path) -> None:
    model = load_model("tee-tiny", sizes={"tags": 2, "attributes": 1})
    checkpoint.save(tmp_path, model.module, CheckpointInfo(model.name, "test", random=False))
    names = {"tags.txt": "cat\ndog\n", "attributes.txt": "red\n"}
    for name, text in names.items():
        (tmp_path / name).write_text(text)
    halve(tmp_path, tmp_path / "half")
    assert {name: (tmp_path / "half" / name).read_text() for name in names} == names


def test_weights_too_large_for_float16_are_not_halved(folder: Path, tmp_path: Path) -> None:
    damage(folder, lambda state: state["heads.nlvr2.classifier.weight"].view(-1)[:1].fill_(1e6))
    with pytest.raises(UserError, match="NaN or infinite"):
        halve(folder, tmp_path / "half")
    assert not (tmp_path / "half").exists()


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "vocab.txt", "tags.txt", "answers.txt"])
def test_a_folder_in_a_files_place_is_called_one(folder: Path, file: str) -> None:
    (folder / file).unlink()
    (folder / file).mkdir()
    with pytest.raises(UserError, match=f"{file} is a folder"):
        load_torch_backend(checkpoint=folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "vocab.txt", "tags.txt", "answers.txt"])
def test_a_file_without_permission_is_neither_missing_nor_damaged(folder: Path, file: str) -> None:
    (folder / file).chmod(0)
    with pytest.raises(UserError, match=r"(no permission to read|Permission denied)"):
        load_torch_backend(checkpoint=folder)


def test_an_empty_name_is_not_the_current_folder() -> None:
    with pytest.raises(UserError, match="name is empty"):
        load_model(checkpoint="")


class TestFullDisk:
    """Nothing is left of a checkpoint that could not be written whole, and the next try finds its place free."""

    SCRIPT = """
import resource, signal, sys
from minivlm.cli.main import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
main(["checkpoint", "random", sys.argv[2], "--model", "minivlm-tiny"])
"""

    @pytest.mark.parametrize("most", [200, 100_000], ids=["words", "weights"])
    @pytest.mark.parametrize("empty", [True, False], ids=["empty folder", "new folder"])
    def test_a_second_try_works(self, tmp_path: Path, most: int, empty: bool) -> None:
        folder = tmp_path / "here" / "new"
        folder.parent.mkdir()
        if empty:
            folder.mkdir()
        before = sorted(folder.parent.rglob("*"))
        command = [sys.executable, "-c", self.SCRIPT, str(most), str(folder)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 2
        assert ended.stderr.count("\n") == 1, ended.stderr
        assert "cannot write" in ended.stderr
        assert sorted(folder.parent.rglob("*")) == before
        make_random(folder, NAME)
        assert load_torch_backend(checkpoint=folder).model == NAME


def test_a_link_to_an_empty_folder_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    make_random(tmp_path / "link", NAME)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "config.json").is_file()


def test_the_current_folder_is_not_replaced_under_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="name a new folder in it"):
        make_random(Path(), NAME)


def test_making_a_checkpoint_never_overwrites_one(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UserError, match="not empty"):
        make_random(folder, NAME)
    with pytest.raises(UserError, match="not empty"):
        import_weights(folder, NAME, bert="anything")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


class TestImport:
    """Published weights take their places; the rest is what the seed gives."""

    @pytest.fixture(scope="class")
    def bert(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A folder as published, of the tiny model's sizes, written by transformers."""
        pytest.importorskip("transformers")
        import_timm()
        import transformers

        size = CONFIG.language
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            model = transformers.BertModel(
                transformers.BertConfig(
                    num_hidden_layers=size.layers,
                    hidden_size=size.hidden,
                    intermediate_size=size.intermediate,
                    num_attention_heads=size.heads,
                    vocab_size=size.vocabulary,
                )
            )
        folder = tmp_path_factory.mktemp("bert")
        model.save_pretrained(folder)
        (folder / "vocab.txt").write_bytes(shipped_vocabulary(size.vocabulary).read_bytes())
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
