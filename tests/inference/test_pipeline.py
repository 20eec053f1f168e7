"""The way from a photo to words: what goes into the transformer, and what its outputs are called."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from minivlm.errors import UserError
from minivlm.images.photos import load_photo
from minivlm.inference.backend import TorchBackend, load_torch_backend
from minivlm.inference.detector import hash_module
from minivlm.inference.pipeline import MATCH_BATCH, Pipeline
from minivlm.language.decoding import CaptionSession, search
from minivlm.language.exportable import CompiledSession, Prefill, Step
from minivlm.language.layout import CAPTIONING, NLVR2, RETRIEVAL, VQA, CaptionContext
from minivlm.language.sessions import FullSession
from minivlm.models.registry import build
from tests.tiny import CONFIG, NAME, made_up_regions, save_photo, with_tags


@pytest.fixture(scope="module")
def backend() -> TorchBackend:
    return load_torch_backend(NAME, seed=1)


@pytest.fixture
def pipeline(backend: TorchBackend) -> Pipeline:
    return Pipeline(backend)


class TestRegions:
    def test_boxes_are_in_the_photos_pixels(self, pipeline: Pipeline, backend: TorchBackend, tmp_path: Path) -> None:
        """A 300 x 200 photo goes into 128 x 128 at 128/300 across and, rounded to 85 rows, 85/200 down."""
        photo = load_photo(save_photo(tmp_path / "photo.png", (300, 200)))
        found = pipeline.regions_of(photo)
        raw = backend.regions(backend.fit(photo))
        expected = raw.boxes * torch.tensor([300 / 128, 200 / 85, 300 / 128, 200 / 85])
        torch.testing.assert_close(found.boxes, expected, atol=1e-3, rtol=0)
        assert found.photo_size == (200, 300)
        assert (found.boxes[:, 2] <= 300).all()
        assert (found.boxes[:, 3] <= 200).all()

    def test_a_file_and_the_photo_in_it_have_the_same_regions(self, pipeline: Pipeline, tmp_path: Path) -> None:
        path = save_photo(tmp_path / "photo.png")
        assert torch.equal(pipeline.regions(path).features, pipeline.regions_of(load_photo(path)).features)

    def test_vectors_are_features_then_geometry(self) -> None:
        regions = made_up_regions()
        assert torch.equal(regions.vectors[:, :64], regions.features)
        assert torch.equal(regions.vectors[:, 64:], regions.geometry)

    @pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (2, 3)])
    def test_every_task_takes_photos_of_any_shape(
        self, pipeline: Pipeline, tmp_path: Path, size: tuple[int, int]
    ) -> None:
        regions = pipeline.regions(save_photo(tmp_path / "photo.png", size))
        assert pipeline.caption(regions).token_ids
        assert pipeline.answer(regions, "what is it?").best
        assert 0.0 <= pipeline.judge(regions, regions, "both are small").probability <= 1.0
        assert 0.0 <= pipeline.match("a small photo", regions).probability <= 1.0


class TestCaption:
    @pytest.mark.parametrize("beams", [1, 3])
    @pytest.mark.parametrize("seed", range(5))
    def test_equals_the_definition(self, pipeline: Pipeline, backend: TorchBackend, seed: int, beams: int) -> None:
        """The definition recomputes everything in each step; score within 1e-4."""
        regions, special = made_up_regions(seed), backend.labels.tokenizer.special
        names = dict.fromkeys(backend.labels.tags[tag] for tag in regions.tags[:7].tolist())
        tags = backend.labels.tokenizer.encode(" ".join(names))
        rows = torch.cat([regions.features, regions.geometry], dim=1)
        context = CAPTIONING.context(tags, rows, torch.arange(10) < 7, special)
        session = FullSession(backend.module.language, CAPTIONING, context, special.mask)
        expected = search(session, special, beams=beams)
        given = pipeline.caption(regions, beams=beams)
        assert given.token_ids == expected.token_ids
        assert given.score == pytest.approx(expected.score, abs=1e-4)
        assert given.text == backend.labels.tokenizer.decode(expected.token_ids)

    def test_another_backend_writes_the_same_caption(self, pipeline: Pipeline, backend: TorchBackend) -> None:
        """The pipeline asks for nothing beyond the protocol: here the graphs that are exported take PyTorch's place."""

        @dataclass(frozen=True)
        class StaticBackend(TorchBackend):
            caption_layout = CAPTIONING

            def session(self, context: CaptionContext) -> CaptionSession:
                language, mask = self.module.language, self.labels.tokenizer.special.mask
                prefill, step = Prefill(language, CAPTIONING), Step(language, CAPTIONING, mask)
                return CompiledSession(prefill, step, CAPTIONING, context)

        static = Pipeline(StaticBackend(backend.named, backend.labels))
        regions = made_up_regions(9)
        assert static.caption(regions).token_ids == pipeline.caption(regions).token_ids
        with pytest.raises(UserError, match="2 to 20"):
            static.caption(regions, max_length=21)

    def test_length_is_bounded(self, pipeline: Pipeline) -> None:
        regions = made_up_regions()
        for length in (2, 5, 40):
            assert len(pipeline.caption(regions, max_length=length).token_ids) <= length
        for length in (-1, 0, 1, 41):
            with pytest.raises(UserError, match="2 to 40"):
                pipeline.caption(regions, max_length=length)

    @pytest.mark.parametrize("beams", [0, -1, 10**9])
    def test_a_number_of_beams_that_cannot_be_is_refused(self, pipeline: Pipeline, beams: int) -> None:
        with pytest.raises(UserError, match="beams"):
            pipeline.caption(made_up_regions(), beams=beams)


def pooled_by_forward(backend: TorchBackend, inputs: tuple[Tensor, ...]) -> Tensor:
    with torch.no_grad():
        return backend.module.language(*inputs)[0]


class TestHeads:
    """Logits by hand: layout, `FusionTransformer.forward`, then the head's one linear layer; tolerance 1e-5."""

    TEXT = "how many people are there?"

    def inputs(self, backend: TorchBackend, layout: object, seed: int) -> tuple[Tensor, ...]:
        regions, tokenizer = made_up_regions(seed), backend.labels.tokenizer
        tags = tokenizer.encode(" ".join(dict.fromkeys(backend.labels.tags[tag] for tag in regions.tags[:7].tolist())))
        rows = torch.cat([regions.features, regions.geometry], dim=1)
        return layout.arrange(tokenizer.encode(self.TEXT), tags, rows, torch.arange(10) < 7, tokenizer.special)  # type: ignore[attr-defined]

    def test_answers(self, pipeline: Pipeline, backend: TorchBackend) -> None:
        pooled = pooled_by_forward(backend, self.inputs(backend, VQA, 0))[0]
        linear = backend.module.heads["vqa"].classifier
        logits = linear.weight @ pooled + linear.bias
        result = pipeline.answer(made_up_regions(0), self.TEXT, top=20)
        assert [answer.id for answer in result.best] == logits.argsort(descending=True).tolist()
        for answer in result.best:
            assert answer.text == backend.labels.answers[answer.id]
            assert answer.logit == pytest.approx(logits[answer.id].item(), abs=1e-5)
            assert answer.probability == pytest.approx(1 / (1 + 2.718281828459045**-answer.logit), abs=1e-6)

    def test_judgement(self, pipeline: Pipeline, backend: TorchBackend) -> None:
        pooled = [pooled_by_forward(backend, self.inputs(backend, NLVR2, seed))[0] for seed in (0, 1)]
        linear = backend.module.heads["nlvr2"].classifier
        logits = linear.weight @ torch.cat(pooled) + linear.bias
        result = pipeline.judge(made_up_regions(0), made_up_regions(1), self.TEXT)
        assert result.logits == pytest.approx(logits.tolist(), abs=1e-5)
        assert result.probability == pytest.approx(logits.softmax(0)[1].item(), abs=1e-5)
        assert result.true == (result.probability > 0.5)

    def test_match(self, pipeline: Pipeline, backend: TorchBackend) -> None:
        pooled = pooled_by_forward(backend, self.inputs(backend, RETRIEVAL, 0))[0]
        linear = backend.module.heads["match"].classifier
        logits = linear.weight @ pooled + linear.bias
        result = pipeline.match(self.TEXT, made_up_regions(0))
        assert result.logits == pytest.approx(logits.tolist(), abs=1e-5)
        assert result.probability == pytest.approx(logits.softmax(0)[1].item(), abs=1e-5)

    def test_many_pairs_give_what_each_gives_alone(self, pipeline: Pipeline) -> None:
        """More pairs than one batch; float32 sums in another order, tolerance 1e-5."""
        texts = ["a man", "two women on a long street", self.TEXT]
        pairs = [(texts[seed % 3], made_up_regions(seed, valid=1 + seed % 9)) for seed in range(MATCH_BATCH + 3)]
        together = pipeline.match_all(pairs)
        alone = [pipeline.match(text, regions) for text, regions in pairs]
        for one, other in zip(together, alone, strict=True):
            assert one.logits == pytest.approx(other.logits, abs=1e-5)
            assert one.text == other.text
        assert pipeline.match_all([]) == []


def test_rows_that_only_fill_change_nothing_and_others_do(pipeline: Pipeline) -> None:
    regions = made_up_regions(valid=7)
    for row, matters in ((9, False), (7, False), (6, True)):
        features, tags = regions.features.clone(), regions.tags.clone()
        features[row] = features[row] * -3.0 + 1.0
        tags[row] = (tags[row] + 1) % CONFIG.tags
        changed = replace(regions, features=features, tags=tags)
        same = pipeline.match("a man", changed).logits == pipeline.match("a man", regions).logits
        assert same != matters


def test_tags_take_part_in_every_task(pipeline: Pipeline) -> None:
    one, other = with_tags(made_up_regions(), [1] * 10), with_tags(made_up_regions(), [2] * 10)
    assert pipeline.match("a man", one).logits != pipeline.match("a man", other).logits
    assert pipeline.caption(one).score != pipeline.caption(other).score


class TestTexts:
    @pytest.mark.parametrize("text", ["", " ", "\t\n\r", "\u200b", "\x00\x07", "\ud800", "\u3000"])
    def test_nothing_to_read_is_refused(self, pipeline: Pipeline, text: str) -> None:
        regions = made_up_regions()
        for ask in (
            lambda: pipeline.answer(regions, text),
            lambda: pipeline.judge(regions, regions, text),
            lambda: pipeline.match(text, regions),
        ):
            with pytest.raises(UserError, match="is empty") as caught:
                ask()
            assert str(caught.value).isprintable()

    @pytest.mark.parametrize("text", ["这是什么", "что это?", "ما هذا؟", "🎉", "[MASK] [SEP]", "a\x00b", "é" * 101])
    def test_any_script_is_read(self, pipeline: Pipeline, text: str) -> None:
        used = pipeline.answer(made_up_regions(), text).question
        assert used.tokens
        assert used.dropped == 0

    def test_a_long_text_is_cut_at_its_end_and_that_is_said(self, pipeline: Pipeline) -> None:
        """One tag of one token: of VQA's 128 rows three hold special tokens and one the tag, so 124 are the text's."""
        tag = pipeline.labels.tags.index("this")
        regions = with_tags(made_up_regions(), [tag] * 10)
        words = ["man" if number % 2 else "of" for number in range(10_000)]
        used = pipeline.answer(regions, " ".join(words)).question
        assert used.tokens == tuple(words[:124])
        assert used.dropped == 10_000 - 124
        assert pipeline.match(" ".join(words), regions).text.tokens == tuple(words[:66])
        assert pipeline.judge(regions, regions, " ".join(words)).left.tokens == tuple(words[:51])

    def test_what_is_cut_changes_nothing(self, pipeline: Pipeline) -> None:
        regions = made_up_regions()
        long = "a man of " * 100
        assert pipeline.match(long, regions).logits == pipeline.match(long + "house", regions).logits


@pytest.mark.parametrize("heads", [(), ("match",), ("vqa", "nlvr2")])
def test_a_task_without_its_head_says_which_heads_there_are(backend: TorchBackend, heads: tuple[str, ...]) -> None:
    module = build(replace(CONFIG, heads=heads))
    pipeline = Pipeline(TorchBackend(replace(backend.named, module=module), backend.labels))
    regions = made_up_regions()
    tasks = {
        "vqa": lambda: pipeline.answer(regions, "a man?"),
        "nlvr2": lambda: pipeline.judge(regions, regions, "a man"),
        "match": lambda: pipeline.match("a man", regions),
    }
    present = f"only {', '.join(sorted(heads))}" if heads else "no task heads"
    for name, run in tasks.items():
        if name in heads:
            run()
        else:
            with pytest.raises(UserError, match=f"needs the head '{name}' and the model has {present}:"):
                run()
    assert pipeline.caption(regions).token_ids


def test_no_answers_wanted_is_refused_and_more_than_there_are_gives_all(pipeline: Pipeline) -> None:
    with pytest.raises(UserError, match="at least 1"):
        pipeline.answer(made_up_regions(), "a man?", top=0)
    assert len(pipeline.answer(made_up_regions(), "a man?", top=10**6).best) == CONFIG.answers


def test_the_baseline_runs_the_same_tasks(tmp_path: Path) -> None:
    """oscar-b has another detector, whose photos are not padded and whose number of regions varies; here tiny."""
    from minivlm.models.registry import get_config
    from minivlm.weights.labels import random_labels
    from minivlm.weights.loading import NamedModel, WeightsOrigin

    vision = get_config("r101-f-tiny")
    language = replace(CONFIG.language, region_dim=vision.feature_dim + 6)  # type: ignore[union-attr]
    config = replace(CONFIG, vision=vision, language=language)  # type: ignore[arg-type]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = build(config)
    module.randomize(torch.Generator().manual_seed(0))
    named = NamedModel("oscar-tiny", module, WeightsOrigin("random", random=True))
    pipeline = Pipeline(TorchBackend(named, random_labels(config)))
    regions = pipeline.regions(save_photo(tmp_path / "photo.png"))
    assert regions.valid.any()
    assert pipeline.caption(regions).token_ids[0] == pipeline.labels.tokenizer.special.cls
    assert pipeline.answer(regions, "a man?").best


@pytest.mark.parametrize("change", ["weight", "buffer", "config"])
def test_the_detectors_hash_knows_every_weight_buffer_and_setting(change: str) -> None:
    def fresh() -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Linear(3, 2, bias=False), torch.nn.BatchNorm1d(2)).eval()

    module = fresh()
    before = hash_module(module, "config")
    assert hash_module(module, "config") == before
    with torch.no_grad():
        if change == "weight":
            module[0].weight[1, 2] += 1e-6  # type: ignore[index]
        if change == "buffer":
            module[1].num_batches_tracked += 1  # type: ignore[index,operator]
    assert hash_module(module, "other" if change == "config" else "config") != before


@pytest.mark.parametrize("part", ["backbone.efficientnet.body.conv_stem", "box_head.fc1"])
def test_weights_too_large_for_floats_are_one_line_wherever_they_are(part: str) -> None:
    broken = load_torch_backend(NAME)
    broken.module.vision.get_submodule(part).weight.fill_(3e38)
    with pytest.raises(UserError, match="NaN or infinite: its weights are damaged"):
        Pipeline(broken).regions_of(Image.new("RGB", (64, 48), "grey"))
