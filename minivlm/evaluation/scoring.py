"""From records to numbers: a task's metrics over all examples, and one score for each example."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minivlm.errors import UserError, closest
from minivlm.evaluation import answers, attributes, captions, retrieval, verdicts
from minivlm.evaluation.bootstrap import share_interval
from minivlm.evaluation.caption_words import caption_words
from minivlm.evaluation.coco import coco_metrics
from minivlm.evaluation.detection import (
    Found,
    Truth,
    average_precisions,
    mean_average_precision,
    recall,
    weighted_average_precision,
)
from minivlm.evaluation.java_metrics import java_metrics

Records = Sequence[Mapping[str, Any]]
"""Of examples that were answered."""

ATTRIBUTES = "attributes@.5"
ALL_NAMES = "VG mAP@.5, all names"


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """What a task's examples amount to.

    Attributes:
        values: Name -> number, all better when higher; 0 to 1, but CIDEr-D to 10.
        notes: What is missing or should be known, a line each.
        intervals: Name -> lower and upper end of what holds 95 % of resamples of the examples; of some values.
    """

    values: Mapping[str, float]
    notes: Sequence[str] = field(default_factory=tuple)
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One score for each example, by which two models are compared.

    Attributes:
        scores: Records -> score by example; an example may be a part of a record.
        meaning: What that score is.
    """

    scores: Callable[[Records], dict[str, float]]
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """How a task is scored.

    Attributes:
        metrics: Over records.
        measures: By name, the usual one first.
    """

    metrics: Callable[[Records], Metrics]
    measures: Mapping[str, Measure]

    def measure(self, name: str | None = None) -> Measure:
        """Return a measure; without a name the usual one.

        Raises:
            UserError: There is none of that name.
        """
        if name is None:
            return next(iter(self.measures.values()))
        if name not in self.measures:
            raise UserError(f"this task has no measure {name!r:.40}: {closest(name, list(self.measures))}")
        return self.measures[name]


def scoring_of(task: str) -> Scoring:
    """Return how a task is scored.

    Raises:
        UserError: No such task.
    """
    if task not in SCORINGS:
        raise UserError(f"there is no task {task!r:.40}: {closest(task, list(SCORINGS))}")
    return SCORINGS[task]


def _detection_metrics(records: Records) -> Metrics:
    labels = _labels(records)
    every = [_truth(record, labels, known_only=False) for record in records]
    truths, found = detections(records)
    scores = average_precisions(truths, found)
    recalls = [share for one, said in zip(every, found, strict=True) if (share := recall(one, said)) is not None]
    values = {
        "VG mAP@.5": mean_average_precision(scores),
        "VG mAP@.5 weighted": weighted_average_precision(scores),
        "region recall@.5": _mean(recalls),
    }
    if all("named" in record for record in records):
        values[ALL_NAMES] = mean_average_precision(average_precisions(*detections(records, said="named")))
    proposed = [record["proposal_recall"] for record in records if record.get("proposal_recall") is not None]
    if proposed:
        values["proposal recall@.5"] = _mean(proposed)
    unknown = sum(not one["known"] for record in records for one in record["truth"])
    notes = [f"{unknown} boxes are of classes that the model has no tag for: no mAP counts them"] if unknown else []
    try:
        values |= {f"COCO {name}": value for name, value in coco_metrics(truths, found).items()}
    except UserError as error:
        notes.append(str(error))
    said = _attribute_metrics(records)
    return Metrics(values={**values, **said.values}, notes=[*notes, *said.notes], intervals=said.intervals)


def _attribute_metrics(records: Records) -> Metrics:
    """Score what is said of found objects; nothing where nobody annotated any of them, or the model says nothing."""
    if not any("attributes" in one for record in records for one in record["truth"]):
        return Metrics(values={})
    if not any("attribute" in one for record in records for one in record["found"]):
        return Metrics(values={}, notes=["the model names no attributes of what it finds: none are scored"])
    judged = [one for one in _judged_attributes(records).values() if one]
    if not judged:
        return Metrics(values={}, notes=["no object with attributes was found: none are scored"])
    right, counted = [sum(one.values()) for one in judged], [len(one) for one in judged]
    return Metrics(
        values={ATTRIBUTES: sum(right) / sum(counted)},
        notes=[f"{ATTRIBUTES}: of {sum(counted):,} objects that were found and have attributes"],
        intervals={ATTRIBUTES: share_interval(right, counted)},
    )


def _attribute_scores(records: Records) -> dict[str, float]:
    return {
        f"{key}, box {row}": float(right)
        for key, judged in _judged_attributes(records).items()
        for row, right in judged.items()
    }


def _judged_attributes(records: Records) -> dict[str, dict[int, bool]]:
    """Return, by picture, row of each box that counts -> whether what is said of it is right."""
    labels = _labels(records)
    return {
        record["id"]: attributes.judge(
            _truth(record, labels, known_only=False),
            _found(record, labels),
            [one.get("attributes", ()) for one in record["truth"]],
            [one.get("attribute") for one in record["found"]],
        )
        for record in records
    }


def _detection_scores(records: Records) -> dict[str, float]:
    labels = _labels(records)
    shares = {
        record["id"]: recall(_truth(record, labels, known_only=False), _found(record, labels), named=True)
        for record in records
    }
    return {key: share for key, share in shares.items() if share is not None}


def detections(records: Records, *, said: str = "found") -> tuple[list[Truth], list[Found]]:
    """Return the boxes of each picture of detection's records, of classes that the model knows, and what it found.

    Args:
        records: Of detection.
        said: "found", the regions; or "named", boxes under every name that they may have.
    """
    labels = _labels(records)
    truths = [_truth(record, labels, known_only=True) for record in records]
    return truths, [_found(record, labels, said) for record in records]


def _labels(records: Records) -> dict[str, int]:
    """Number the classes that records name."""
    kinds = ("truth", "found", "named")
    names = {one["name"] for record in records for kind in kinds for one in record.get(kind, ())}
    return {name: label for label, name in enumerate(sorted(names))}


def _truth(record: Mapping[str, Any], labels: Mapping[str, int], *, known_only: bool) -> Truth:
    rows = [one for one in record["truth"] if one["known"] or not known_only]
    return Truth(
        corners=_corners(rows),
        labels=np.array([labels[one["name"]] for one in rows], dtype=np.int64),
        crowd=np.array([one["crowd"] for one in rows], dtype=np.bool_),
    )


def _found(record: Mapping[str, Any], labels: Mapping[str, int], said: str = "found") -> Found:
    rows = record[said]
    return Found(
        corners=_corners(rows),
        labels=np.array([labels[one["name"]] for one in rows], dtype=np.int64),
        scores=np.array([one["score"] for one in rows], dtype=np.float64),
    )


def _corners(rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    return np.array([one["box"] for one in rows], dtype=np.float64).reshape(-1, 4)


def _caption_metrics(records: Records) -> Metrics:
    said, wanted = _caption_words(records)
    values = {"BLEU-4": captions.bleu4(said, wanted), "CIDEr": _mean(captions.cider_d(said, wanted))}
    more, notes = java_metrics(said, wanted)
    return Metrics(values=values | more, notes=notes)


def _caption_scores(records: Records) -> dict[str, float]:
    said, wanted = _caption_words(records)
    return dict(zip((record["id"] for record in records), captions.cider_d(said, wanted), strict=True))


def _caption_words(records: Records) -> tuple[list[tuple[str, ...]], list[list[tuple[str, ...]]]]:
    said = [caption_words(record["caption"]) for record in records]
    return said, [[caption_words(one) for one in record["references"]] for record in records]


def _vqa_metrics(records: Records) -> Metrics:
    scores = _vqa_scores(records)
    values = {"accuracy": _mean(list(scores.values()))}
    for kind in sorted({record["answer_type"] for record in records if record.get("answer_type")}):
        of_kind = [scores[record["id"]] for record in records if record["answer_type"] == kind and record["people"]]
        values[f"accuracy, {kind}"] = _mean(of_kind)
    unanswered = len(records) - len(scores)
    notes = [f"{unanswered} questions have no answers to compare with: they count in no number"] if unanswered else []
    return Metrics(values=values, notes=notes)


def _vqa_scores(records: Records) -> dict[str, float]:
    return {
        record["id"]: answers.accuracy(record["answer"], record["people"]) for record in records if record["people"]
    }


def _nlvr2_metrics(records: Records) -> Metrics:
    labelled = [record for record in records if record["label"] is not None]
    right = [record["true"] == record["label"] for record in labelled]
    values = {
        "accuracy": verdicts.accuracy(right),
        "consistency": verdicts.consistency(right, [record["group"] for record in labelled]),
    }
    unlabelled = len(records) - len(labelled)
    notes = [f"{unlabelled} statements have no label to compare with: they count in no number"] if unlabelled else []
    return Metrics(values=values, notes=notes)


def _nlvr2_scores(records: Records) -> dict[str, float]:
    return {record["id"]: float(record["true"] == record["label"]) for record in records if record["label"] is not None}


def _retrieval_metrics(records: Records) -> Metrics:
    texts, pictures = _retrieval_ranks(records)
    values = {f"text R@{cut}": share for cut, share in retrieval.recall_at(texts).items()}
    values |= {f"image R@{cut}": share for cut, share in retrieval.recall_at(pictures).items()}
    return Metrics(values=values, notes=[f"{len(texts)} pictures and {len(pictures)} texts are searched"])


def _retrieval_scores(records: Records) -> dict[str, float]:
    texts, pictures = _retrieval_ranks(records)
    own = [f"text {column}" for record in records for column in range(*record["own"])]
    scores = {f"picture {record['id']}": float(rank == 1) for record, rank in zip(records, texts, strict=True)}
    return scores | {name: float(rank == 1) for name, rank in zip(own, pictures, strict=True)}


def _retrieval_ranks(records: Records) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ranks of texts for pictures, and of pictures for texts; texts of pictures without a record are no part."""
    columns = [column for record in records for column in range(*record["own"])]
    owner = np.array([row for row, record in enumerate(records) for _ in range(*record["own"])], dtype=np.int64)
    scores = np.array([record["scores"] for record in records], dtype=np.float64).reshape(len(records), -1)[:, columns]
    right = np.arange(len(records))[:, None] == owner[None, :]
    return retrieval.ranks(scores, right), retrieval.ranks(scores.T, right.T)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else 0.0


def _one(
    name: str, metrics: Callable[[Records], Metrics], scores: Callable[[Records], dict[str, float]], meaning: str
) -> Scoring:
    return Scoring(metrics=metrics, measures={name: Measure(scores=scores, meaning=meaning)})


SCORINGS: Mapping[str, Scoring] = MappingProxyType(
    {
        "detection": Scoring(
            metrics=_detection_metrics,
            measures={
                "names": Measure(scores=_detection_scores, meaning="share of a picture's boxes found and named"),
                "attributes": Measure(scores=_attribute_scores, meaning="right attribute of a found object"),
            },
        ),
        "caption": _one("CIDEr", _caption_metrics, _caption_scores, "CIDEr-D of a picture"),
        "vqa": _one("accuracy", _vqa_metrics, _vqa_scores, "accuracy of a question"),
        "nlvr2": _one("accuracy", _nlvr2_metrics, _nlvr2_scores, "accuracy of a statement"),
        "retrieval": _one("hits", _retrieval_metrics, _retrieval_scores, "hit at rank 1 of a query"),
    }
)
