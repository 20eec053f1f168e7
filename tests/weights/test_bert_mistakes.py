"""What is no BERT, another one or a damaged one is refused in one line that names the way out."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from minivlm.errors import UserError
from minivlm.language.transformer import FusionTransformer
from minivlm.weights.bert import load_pretrained, load_state
from tests.weights.bert_configs import SMALL, hf_config, untied

pytestmark = pytest.mark.usefixtures("torch_seed")


class TestMistakes:
    """Each ends in one line that names the way out, and leaves the model as it was."""

    @pytest.fixture
    def folder(self, transformers: Any, tmp_path: Path) -> Path:
        transformers.BertModel(hf_config(transformers, SMALL)).save_pretrained(tmp_path)
        return tmp_path

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("hidden_size", 64),
            ("num_hidden_layers", 12),
            ("vocab_size", 30522),
            ("hidden_act", "relu"),
            ("layer_norm_eps", 1e-5),
            ("num_attention_heads", 2),
            ("model_type", "roberta"),
        ],
    )
    def test_another_size(self, folder: Path, key: str, value: Any) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, key: value}))
        with pytest.raises(UserError, match=f"{key} is {value}, this transformer has .*; choose the model size"):
            load_pretrained(FusionTransformer(SMALL), folder)

    def test_no_such_folder(self) -> None:
        with pytest.raises(UserError, match=r"no folder /no/such/place; give one with config.json and"):
            load_pretrained(FusionTransformer(SMALL), "/no/such/place")

    def test_no_config(self, folder: Path) -> None:
        (folder / "config.json").unlink()
        with pytest.raises(UserError, match=r"has no config.json; put"):
            load_pretrained(FusionTransformer(SMALL), folder)

    @pytest.mark.parametrize("content", ["{", "[]"])
    def test_broken_config(self, folder: Path, content: str) -> None:
        (folder / "config.json").write_text(content)
        with pytest.raises(UserError, match="get it again"):
            load_pretrained(FusionTransformer(SMALL), folder)

    def test_config_of_something_else(self, folder: Path) -> None:
        (folder / "config.json").write_text("{}")
        with pytest.raises(UserError, match="has no num_hidden_layers; it must describe a BERT encoder"):
            load_pretrained(FusionTransformer(SMALL), folder)

    def test_no_weights(self, folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        with pytest.raises(UserError, match=r"has no weights; put model.safetensors or pytorch_model.bin there"):
            load_pretrained(FusionTransformer(SMALL), folder)

    @pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
    def test_a_pointer_file_instead_of_weights(self, folder: Path, name: str) -> None:
        (folder / "model.safetensors").unlink()
        (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
        with pytest.raises(UserError, match=f"{name} cannot be read .*; get the file again"):
            load_pretrained(FusionTransformer(SMALL), folder)

    def test_a_training_checkpoint_instead_of_a_state_dict(self, folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        torch.save({"epoch": 3}, folder / "pytorch_model.bin")
        with pytest.raises(UserError, match="is not a state dict of tensors; save"):
            load_pretrained(FusionTransformer(SMALL), folder)

    @pytest.mark.parametrize("where", ["hub", "missing"])
    def test_the_hub_is_out_of_reach(self, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
        hub = pytest.importorskip("huggingface_hub")
        kind = {"hub": hub.errors.LocalEntryNotFoundError, "missing": ConnectionError}[where]

        def unreachable(*_: Any) -> str:
            raise kind("no network")

        monkeypatch.setattr(hub, "hf_hub_download", unreachable)
        with pytest.raises(UserError, match="into the folder some/bert and run again") as caught:
            load_pretrained(FusionTransformer(SMALL), "some/bert")
        assert "config.json and model.safetensors or pytorch_model.bin" in str(caught.value)

    def test_the_first_missing_weight_is_named_and_nothing_is_changed(self, transformers: Any) -> None:
        state = transformers.BertModel(hf_config(transformers, SMALL)).state_dict()
        del state["encoder.layer.1.output.dense.bias"]
        model = FusionTransformer(SMALL)
        before = untied(model.state_dict())
        with pytest.raises(UserError, match=r"no weights for encoder.layers.1.output.bias"):
            load_state(model, state)
        assert all(torch.equal(model.state_dict()[key], before[key]) for key in before)

    def test_more_layers_than_built(self, transformers: Any) -> None:
        state = transformers.BertModel(hf_config(transformers, SMALL)).state_dict()
        state["encoder.layer.2.output.dense.bias"] = torch.zeros(32)
        with pytest.raises(UserError, match=r"holds encoder.layers.2.output.bias, which this transformer lacks"):
            load_state(FusionTransformer(SMALL), state)

    def test_another_shape(self, transformers: Any) -> None:
        state = transformers.BertModel(hf_config(transformers, SMALL)).state_dict()
        state["pooler.dense.weight"] = torch.zeros(16, 32)
        with pytest.raises(UserError, match=r"pooler.dense.weight has shape \(16, 32\), this transformer needs"):
            load_state(FusionTransformer(SMALL), state)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("hidden_act", "gelu_new"),
            ("position_embedding_type", "relative_key"),
            ("is_decoder", True),
            ("add_cross_attention", True),
            ("quantization_config", {"load_in_8bit": True}),
            ("auto_map", {"AutoModel": "code.Model"}),
            ("pruned_heads", {"0": [1]}),
            ("architectures", ["RobertaModel"]),
            ("architectures", ["JinaBertForMaskedLM"]),
        ],
    )
    def test_another_computation(self, folder: Path, key: str, value: Any) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, key: value}))
        with pytest.raises(UserError, match=rf"config\.json.* {key} ") as caught:
            load_pretrained(FusionTransformer(SMALL), folder)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("source", ["", Path()])
    def test_an_empty_name(self, source: Any) -> None:
        with pytest.raises(UserError, match="no BERT is named"):
            load_pretrained(FusionTransformer(SMALL), source)

    @pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
    def test_a_file(self, folder: Path, name: str) -> None:
        with pytest.raises(UserError, match="is a file: give the folder that holds it"):
            load_pretrained(FusionTransformer(SMALL), str(folder / name))

    def test_a_file_that_is_not_there_is_not_looked_for_on_the_hub(self) -> None:
        with pytest.raises(UserError, match=r"no folder pytorch_model\.bin; give one"):
            load_pretrained(FusionTransformer(SMALL), "pytorch_model.bin")

    @pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.", "module._orig_mod."])
    @pytest.mark.parametrize("inner", ["", "bert."])
    def test_wrappers_are_taken_off(self, transformers: Any, prefix: str, inner: str) -> None:
        state = untied(transformers.BertModel(hf_config(transformers, SMALL)).state_dict())
        plain, wrapped = FusionTransformer(SMALL), FusionTransformer(SMALL)
        load_state(plain, state)
        load_state(wrapped, {f"{prefix}{inner}{key}": tensor for key, tensor in state.items()})
        for key, tensor in plain.encoder.state_dict().items():
            assert torch.equal(wrapped.encoder.state_dict()[key], tensor)

    @pytest.mark.parametrize("prefix", ["module.", "bert."])
    def test_keys_of_two_models(self, transformers: Any, prefix: str) -> None:
        state = transformers.BertModel(hf_config(transformers, SMALL)).state_dict()
        mixed = {(prefix if number % 2 else "") + key: tensor for number, (key, tensor) in enumerate(state.items())}
        with pytest.raises(UserError, match=f"mixes keys that begin with .{prefix[:-1]}"):
            load_state(FusionTransformer(SMALL), mixed)

    def test_another_model_s_keys_are_shown(self, transformers: Any) -> None:
        state = transformers.BertModel(hf_config(transformers, SMALL)).state_dict()
        state = {f"roberta.{key}": tensor for key, tensor in state.items()}
        with pytest.raises(UserError, match=r"no weights for \S+ \(it begins with roberta\.embeddings"):
            load_state(FusionTransformer(SMALL), state)

    @pytest.mark.parametrize(
        ("key", "tensor", "complaint"),
        [
            ("encoder.layer.0.output.dense.SCB", torch.ones(32), "quantized"),
            ("encoder.layer.0.output.dense.weight_mask", torch.ones(32, 64), "no place in a BERT"),
            ("encoder.layer.0.output.dense.lora_A", torch.ones(4, 64), "no place in a BERT"),
            ("encoder.layer.0.crossattention.self.query.weight", torch.ones(32, 32), "no place in a BERT"),
            ("embeddings.position_ids", torch.arange(40).flip(0)[None], "no place in a BERT"),
            ("encoder.layer.0.output.dense.weight", torch.ones(32, 64, dtype=torch.int8), "is int8"),
            ("encoder.layer.0.output.dense.weight", torch.full((32, 64), float("nan")), "2048 values of 2048"),
            ("encoder.layer.0.output.dense.weight", torch.full((32, 64), 1e6).half(), "NaN or infinite"),
            ("encoder.layer.0.output.LayerNorm.gamma", torch.zeros(32), "both mean .*output_norm.weight"),
        ],
    )
    def test_what_would_be_read_as_something_else(
        self, transformers: Any, key: str, tensor: Tensor, complaint: str
    ) -> None:
        state = {**transformers.BertModel(hf_config(transformers, SMALL)).state_dict(), key: tensor}
        model = FusionTransformer(SMALL)
        before = untied(model.state_dict())
        with pytest.raises(UserError, match=complaint):
            load_state(model, state)
        assert all(torch.equal(model.state_dict()[key], before[key]) for key in before)

    def test_buffers_that_count_are_no_weights(self, transformers: Any) -> None:
        state = transformers.BertModel(hf_config(transformers, SMALL)).state_dict()
        state["embeddings.position_ids"] = torch.arange(40)[None]
        state["classifier.weight"] = torch.ones(2, 32)
        report = load_state(FusionTransformer(SMALL), state)
        assert report.ignored == ("embeddings.position_ids", "classifier.weight")
        assert str(report).endswith("in the file and left out: embeddings, classifier")
