"""What each task costs: held against transformers' BERT, and by hand."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from minivlm.datasets.questions import QuestionExample
from minivlm.language.heads import AnswerHead
from minivlm.language.layout import HIDDEN
from minivlm.training.language.answering import QuestionBatch, answerable, question_losses, soft_scores
from minivlm.training.language.batches import another
from minivlm.training.language.captioning import MaskedCaptions, WholeCaptions, caption_losses
from minivlm.training.language.judging import MatchExamples, match_losses
from minivlm.training.language.known import KnownPictures
from minivlm.training.language.mixing import MixedExamples, MixedLosses
from minivlm.training.language.parts import begin_anew
from minivlm.training.language.pretraining import PretrainingBatch, PretrainingExamples, pretraining_losses
from minivlm.weights.bert import load_state
from tests.tiny import CONFIG, made_up_regions
from tests.training.language.made import LABELS, ids, known, quiet_parts, seeded
from tests.weights.bert_configs import hf_config

SPECIAL = LABELS.tokenizer.special


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> KnownPictures:
    return known(tmp_path_factory.mktemp("known"), count=6)


def paths(pictures: KnownPictures) -> list[Path]:
    return list(pictures.places)


def without_regions(batch: PretrainingBatch) -> PretrainingBatch:
    """BERT has none."""
    text = batch.inputs.token_ids.shape[1]
    inputs = batch.inputs._replace(regions=batch.inputs.regions[:, :0], mask=batch.inputs.mask[:, :, :text])
    return PretrainingBatch(inputs=inputs, originals=batch.originals, matches=batch.matches)


class TestPretraining:
    @torch.no_grad()
    def test_without_regions_it_costs_what_it_costs_bert(self, transformers: Any, pictures: KnownPictures) -> None:
        """That of transformers, BertForPreTraining, whose label 0 is "is next" and ours 1; tolerance 1e-5, float32."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            reference = transformers.BertForPreTraining(hf_config(transformers, CONFIG.language)).eval()
        parts = quiet_parts()
        load_state(parts.language, reference.state_dict())
        parts.heads["match"].classifier.load_state_dict(reference.cls.seq_relationship.state_dict())
        pairs = [(path, ids("two dogs on the table")) for path in paths(pictures)]
        examples = PretrainingExamples(known=pictures, pairs=pairs)
        batch = without_regions(examples.collate([examples.example(row, seeded(row), 0.0) for row in range(6)]))
        assert set(batch.matches.tolist()) == {0, 1}
        found = pretraining_losses(parts, batch, seeded())
        given = {
            "input_ids": batch.inputs.token_ids,
            "token_type_ids": batch.inputs.token_types,
            "attention_mask": (batch.inputs.mask[:, 0] > HIDDEN).long(),
        }
        expected = reference(**given, labels=batch.originals.contiguous(), next_sentence_label=batch.matches)
        torch.testing.assert_close(found["total"], expected.loss, atol=1e-5, rtol=0)

    def test_half_of_the_pairs_have_another_picture_s_tags_and_all_their_own_text(
        self, pictures: KnownPictures
    ) -> None:
        text = ids("two dogs on the table")
        examples = PretrainingExamples(known=pictures, pairs=[(path, text) for path in paths(pictures)])
        own = [pictures.tags(path, pictures.look(path)) for path in paths(pictures)]
        matches = 0
        for seed in range(400):
            batch = examples.example(seed % 6, seeded(seed), 0.0)
            said = torch.where(batch.originals == -100, batch.inputs.token_ids, batch.originals)[0]
            tags = said[batch.inputs.token_types[0] == 1].tolist()[:-1]
            assert tuple(said[1 : len(text) + 1].tolist()) == text
            expected = own[seed % 6]
            assert (tags == expected[: len(tags)]) == bool(batch.matches)
            matches += int(batch.matches)
        assert abs(matches - 200) < 51  # five standard deviations of a binomial of 400

    def test_the_decoder_is_the_words_until_it_is_untied(self) -> None:
        parts = quiet_parts()
        rows = torch.randn(3, CONFIG.language.hidden, generator=seeded())
        tied = parts.tied_logits(rows)
        assert not torch.allclose(parts.language.caption_head(rows), tied)
        parts.untie()
        assert torch.equal(parts.language.caption_head(rows), tied)


class TestCaptions:
    @torch.no_grad()
    def test_masked_captions_see_what_the_layout_lets_them_see(self, pictures: KnownPictures) -> None:
        examples = MaskedCaptions(known=pictures, pairs=[(paths(pictures)[0], ids("two dogs on the table"))])
        rows = examples.collate([examples.example(0, seeded(), 0.0)]).rows
        count = rows.token_ids.shape[1]
        causal = torch.full((count, count), HIDDEN).triu(1)
        assert torch.equal(rows.mask[0], causal)

    @torch.no_grad()
    def test_captions_of_a_picture_do_not_see_each_other(self, pictures: KnownPictures) -> None:
        """The loss of two captions side by side is the mean over all tokens of each alone; tolerance 1e-5."""
        parts, path = quiet_parts(), paths(pictures)[0]
        said = (ids("two dogs on the table"), ids("a table"))

        def loss(*captions: tuple[int, ...]) -> float:
            examples = WholeCaptions(known=pictures, described=[(path, captions)])
            return caption_losses(parts, examples.collate([examples.example(0, seeded(), 0.0)]), seeded())[
                "total"
            ].item()

        tokens = [len(text) + 1 for text in said]  # [SEP], too, is asked for
        expected = sum(loss(text) * count for text, count in zip(said, tokens, strict=True)) / sum(tokens)
        assert loss(*said) == pytest.approx(expected, abs=1e-5)


class TestQuestions:
    def test_answers_are_worth_what_vqa_s_rule_says(self) -> None:
        # One of ten people is worth .3, two .6, three .9, more 1 (the mean over nine of ten of min(1, same / 3)).
        people = ["red"] * 4 + ["blue"] * 3 + ["green"] * 2 + ["pink"]
        scores = soft_scores(people, ["pink", "green", "blue", "red", "grey"])
        assert scores.tolist() == pytest.approx([0.3, 0.6, 0.9, 1.0, 0.0], abs=1e-7)
        assert soft_scores(["yes"] * 10, ["no", "yes"]).tolist() == [0.0, 1.0]

    def test_answers_are_compared_without_articles_and_marks_where_people_disagree(self) -> None:
        people = ["A dog."] * 3 + ["dog"] * 6 + ["cat"]
        assert soft_scores(people, ["dog", "cat"]).tolist() == pytest.approx([1.0, 0.3], abs=1e-7)

    def test_a_new_head_begins_as_if_one_answer_were_right(self) -> None:
        head = AnswerHead(8, 343)
        begin_anew(head, seeded())
        # 342 answers at 1/343 and one right one: -342 log(342/343) - log(1/343) = 0.9985 + 5.8377, by hand.
        logits = head(torch.zeros(1, 8))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.eye(343)[:1], reduction="sum")
        assert loss.item() == pytest.approx(6.8362, abs=1e-3)

    def test_questions_without_an_answer_that_the_model_has_are_left_out(self) -> None:
        questions = [
            QuestionExample(
                id=str(row), picture=Path(), question="?", answers=answers, question_type=None, answer_type=None
            )
            for row, answers in enumerate((("red", "blue"), ("pink",)))
        ]
        assert answerable(questions, ["blue"]) == questions[:1]

    @torch.no_grad()
    def test_the_loss_is_a_sum_over_answers_and_a_mean_over_questions(self, pictures: KnownPictures) -> None:
        parts = quiet_parts()
        parts.heads["vqa"].classifier.weight.zero_()
        bias = torch.linspace(-2.0, 2.0, CONFIG.answers)
        parts.heads["vqa"].classifier.bias.copy_(bias)
        examples = MatchExamples(known=pictures, described=[(path, (ids("a"),)) for path in paths(pictures)])
        inputs = examples.example(0, seeded(), 0.0).inputs
        scores = torch.zeros(2, CONFIG.answers)
        scores[0, 3], scores[1, 19] = 1.0, 0.3
        found = question_losses(parts, QuestionBatch(inputs=inputs, scores=scores), seeded())["total"].item()
        by_hand = 0.0
        for row in range(2):
            for logit, score in zip(bias.tolist(), scores[row].tolist(), strict=True):
                right = 1.0 / (1.0 + math.exp(-logit))
                by_hand -= score * math.log(right) + (1.0 - score) * math.log(1.0 - right)
        assert found == pytest.approx(by_hand / 2, abs=1e-4)


class TestPairs:
    def test_a_false_pair_has_the_true_one_s_text_or_picture_and_not_both(self, pictures: KnownPictures) -> None:
        described = [(path, (ids(f"a {word}"),)) for path, word in zip(paths(pictures), "bcdefg", strict=True)]
        examples = MatchExamples(known=pictures, described=described)
        swapped_texts = 0
        for seed in range(200):
            batch = examples.example(seed % 6, seeded(seed), 0.0)
            same_text = torch.equal(*batch.inputs.token_ids[:, 1:3])
            same_picture = torch.equal(*batch.inputs.regions)
            assert same_text != same_picture
            swapped_texts += same_picture
            assert batch.matches.tolist() == [1, 0]
        assert abs(swapped_texts - 100) < 36  # five standard deviations of a binomial of 200

    def test_another_is_never_the_same_and_any_other(self) -> None:
        drawn = [another(4, 2, seeded(seed)) for seed in range(200)]
        assert sorted(set(drawn)) == [0, 1, 3]
        assert another(1, 0, seeded()) == 0


class TestAllTasks:
    @pytest.fixture
    def mixed(self, pictures: KnownPictures) -> MixedExamples:
        captions = WholeCaptions(known=pictures, described=[(path, (ids("a table"),)) for path in paths(pictures)])
        pairs = MatchExamples(known=pictures, described=captions.described)
        return MixedExamples(each={"caption": captions, "retrieval": pairs}, shares={"caption": 0.2, "retrieval": 0.8})

    @torch.no_grad()
    def test_a_step_costs_what_its_task_costs_times_the_weight(self, mixed: MixedExamples) -> None:
        cost = MixedLosses(
            each={"caption": caption_losses, "retrieval": match_losses}, weights={"caption": 1.0, "retrieval": 3.0}
        )
        parts, seen = quiet_parts(), set()
        for step in range(12):
            batch = mixed.collate([mixed.example(0, seeded(seed), step / 12) for seed in range(4)])
            alone, weight = (caption_losses, 1.0) if batch.task == "caption" else (match_losses, 3.0)
            expected = weight * alone(parts, batch.part, seeded())["total"].item()
            found = {name: loss.item() for name, loss in cost(parts, batch, seeded()).items()}
            assert found == {"total": pytest.approx(expected), batch.task: pytest.approx(expected)}
            seen.add(batch.task)
        assert seen == {"caption", "retrieval"}

    def test_tasks_have_their_shares_of_the_steps(self, mixed: MixedExamples) -> None:
        assert len(mixed) == 12
        tasks = [mixed.example(0, seeded(), step / 500)[0] for step in range(500)]
        assert abs(tasks.count("caption") - 100) < 45  # five standard deviations of a binomial of 500

    def test_examples_of_a_step_are_of_one_task_and_differ(self, mixed: MixedExamples) -> None:
        for step in range(20):
            assert len({mixed.example(row, seeded(row), step / 20)[0] for row in range(5)}) == 1


def test_a_batch_moves_with_all_that_is_in_it(pictures: KnownPictures) -> None:
    examples = WholeCaptions(known=pictures, described=[(paths(pictures)[0], (ids("a table"),))])
    mixed = MixedExamples(each={"caption": examples}, shares={"caption": 1.0})
    batch = mixed.collate([mixed.example(0, seeded(), 0.0)]).to(torch.device("meta"))
    part = batch.part
    tensors = [*part.context, *(getattr(part.rows, name) for name in ("token_ids", "owners", "written", "originals"))]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert batch.task == "caption"


def test_tags_come_from_the_detector_the_data_or_both(tmp_path: Path) -> None:
    names = {tmp_path / "images" / "0.png": ("unheard-of", LABELS.tags[0], "unheard-of")}
    detected = made_up_regions(seed=0)
    own = [LABELS.tags[tag] for tag in dict.fromkeys(detected.tags[detected.valid].tolist())]
    for source, expected in (
        ("detector", own),
        ("data", ["unheard-of", LABELS.tags[0]]),
        ("both", list(dict.fromkeys(["unheard-of", LABELS.tags[0], *own]))),
    ):
        pictures = KnownPictures(
            regions=None,  # type: ignore[arg-type]
            places={},
            labels=LABELS,
            source=source,  # type: ignore[arg-type]
            names=names,
        )
        found = pictures.tags(tmp_path / "images" / "0.png", detected)
        assert tuple(found) == ids(" ".join(expected)), source
