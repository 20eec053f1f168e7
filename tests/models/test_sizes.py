"""Sizes that a checkpoint may have in place of the paper's, and what follows from them."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minivlm.errors import UserError
from minivlm.inference.backend import load_torch_backend
from minivlm.models.registry import build, get_config, list_models
from minivlm.models.sizes import SIZES, sizes_of, with_sizes
from minivlm.weights.checkpoint import read_info
from minivlm.weights.labels import shipped_vocabulary
from minivlm.weights.making import make_random


def test_of_the_paper_s_model_are_the_paper_s():
    # Sections 3.1 and 4.1: 1600 object classes, 400 attributes, MiniLM of 12 layers, 384 wide; 3129 answers of VQA v2.
    assert sizes_of(get_config("minivlm")) == {
        "tags": 1600,
        "attributes": 400,
        "tokens": 30522,
        "layers": 12,
        "hidden": 384,
        "intermediate": 1536,
        "attention_heads": 12,
        "answers": 3129,
    }


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("tee-0", {"tags", "attributes"}),
        ("r101-f", {"tags", "attributes"}),
        ("minilm", {"tokens", "layers", "hidden", "intermediate", "attention_heads", "region_dim"}),
        ("grid-r50", set()),
        ("oscar-b", set(SIZES)),
    ],
)
def test_are_those_that_the_model_has(model, names):
    assert set(sizes_of(get_config(model))) == names


@pytest.mark.parametrize("model", list_models())
def test_a_model_s_own_change_nothing(model):
    config = get_config(model)
    assert with_sizes(config, sizes_of(config)) == config


@given(st.sampled_from(list_models()), st.data())
def test_are_what_they_were_set_to(model, data):
    config = get_config(model)
    names = data.draw(st.sets(st.sampled_from(sorted(sizes_of(config) or {"none"}))))
    free = names & {"tags", "attributes", "layers", "answers"}  # the others must fit each other
    wanted = {name: data.draw(st.integers(1, SIZES[name].most)) for name in free}
    assert sizes_of(with_sizes(config, wanted)) == sizes_of(config) | wanted


def test_the_model_has_layers_of_these_sizes():
    sizes = {"tags": 80, "attributes": 9, "answers": 20, "tokens": 500, "layers": 3, "hidden": 24, "attention_heads": 2}
    with torch.device("meta"):
        model = build(with_sizes(get_config("minivlm-tiny"), sizes))
    assert model.vision.box_head.classifier.out_features == 81  # the background is the first
    assert model.vision.attribute_head.classifier.out_features == 10  # and "no attribute"
    assert model.heads["vqa"].classifier.out_features == 20
    assert model.language.embeddings.words.weight.shape == (500, 24)
    assert len(model.language.encoder.layers) == 3
    assert model.language.encoder.layers[0].attention.heads == 2


def test_a_detector_may_have_no_attributes_and_then_has_no_head_for_them():
    config = with_sizes(get_config("minivlm-tiny"), {"attributes": 0})
    with torch.device("meta"):
        model = build(config)
    assert model.vision.attribute_head is None
    assert sizes_of(config)["attributes"] == 0
    assert with_sizes(get_config("minivlm-tiny"), sizes_of(config)) == config


@pytest.mark.parametrize(
    ("sizes", "complaint"),
    [
        ({"tag": 80}, "no size 'tag' in this model: did you mean tags"),
        ({"answers": 0}, "'answers' is 0: give a whole number from 1 to 100000"),
        ({"answers": -1}, "'answers' is -1"),
        ({"answers": True}, "'answers' is True"),
        ({"answers": 20.0}, "'answers' is 20.0"),
        ({"answers": "20"}, "'answers' is '20'"),
        ({"answers": None}, "'answers' is None"),
        ({"tokens": 10**9}, "'tokens' is 1000000000: give a whole number from 1 to 300000"),
        ({"hidden": 33}, "heads must divide it"),
    ],
)
def test_that_cannot_be_are_refused_in_one_line(sizes, complaint):
    with pytest.raises(UserError, match=complaint) as caught:
        with_sizes(get_config("minivlm-tiny"), sizes)
    assert "\n" not in str(caught.value)


def test_of_another_kind_of_model_are_refused():
    with pytest.raises(UserError, match="no size 'layers' in this model: known: tags, attributes"):
        with_sizes(get_config("tee-0"), {"layers": 3})


class TestCheckpoint:
    def test_says_its_sizes_and_has_as_many_words(self, tmp_path: Path):
        sizes = {"tags": 12, "answers": 5, "layers": 1}
        make_random(tmp_path / "made", "minivlm-tiny", sizes=sizes)
        assert read_info(tmp_path / "made").sizes["tags"] == 12
        backend = load_torch_backend(checkpoint=tmp_path / "made")
        assert (len(backend.labels.tags), len(backend.labels.answers)) == (12, 5)
        assert (tmp_path / "made" / "tags.txt").read_text().count("\n") == 12
        assert sizes_of(backend.config) == sizes_of(get_config("minivlm-tiny")) | sizes

    def test_takes_a_vocabulary_of_its_own_size(self, tmp_path: Path):
        vocabulary = tmp_path / "mine.txt"
        vocabulary.write_text(shipped_vocabulary(400).read_text(encoding="utf-8") + "zebra\n", encoding="utf-8")
        make_random(tmp_path / "made", "minivlm-tiny", sizes={"tokens": 401}, vocabulary=vocabulary)
        assert len(load_torch_backend(checkpoint=tmp_path / "made").labels.tokenizer) == 401
        with pytest.raises(UserError, match="has 401 lines, and the model has 400 tokens"):
            make_random(tmp_path / "other", "minivlm-tiny", vocabulary=vocabulary)
        assert not (tmp_path / "other").exists()

    @pytest.mark.parametrize("name", ["tags", "answers", "layers", "tokens", "attributes", "hidden"])
    def test_whose_files_have_others_is_refused(self, tmp_path: Path, name: str):
        folder = tmp_path / "made"
        info = make_random(folder, "minivlm-tiny", sizes={"tags": 12})
        text = (folder / "config.json").read_text()
        right = f'"{name}": {read_info(folder).sizes[name]}'
        assert right in text
        (folder / "config.json").write_text(text.replace(right, f'"{name}": 4'))
        with pytest.raises(UserError, match="does not fit its model"):
            load_torch_backend(info.model, checkpoint=folder)

    def test_without_sizes_has_the_model_s_own(self, tmp_path: Path):
        folder = tmp_path / "made"
        make_random(folder, "minivlm-tiny")
        content = (folder / "config.json").read_text()
        start, end = content.index('  "sizes"'), content.index('  "format"')
        (folder / "config.json").write_text(content[:start] + content[end:])
        assert load_torch_backend(checkpoint=folder).config == get_config("minivlm-tiny")
