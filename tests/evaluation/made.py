"""Data of every kind about four pictures, named so that the tiny model knows the classes."""

from pathlib import Path

from minivlm.weights.labels import random_labels
from tests.datasets.made import pictures, write, write_lines
from tests.tiny import CONFIG

PICTURES = ("a.png", "b.png", "c.png", "d.png")
TAGS = random_labels(CONFIG).tags
ANSWERS = random_labels(CONFIG).answers


def data_folder(folder: Path) -> Path:
    """Write the data, with something broken in each kind."""
    pictures(folder / "images", *PICTURES, "dev-1-0-img0.png", "dev-1-0-img1.png")
    write(
        folder / "boxes.json",
        {
            "images": [
                {"id": place, "file_name": name, "width": 80, "height": 60} for place, name in enumerate(PICTURES)
            ],
            "categories": [{"id": 1, "name": TAGS[0].upper()}, {"id": 2, "name": "unheard-of"}],
            "annotations": [
                {"id": 1, "image_id": 0, "category_id": 1, "bbox": [5, 5, 40, 40], "attributes": ["red"]},
                {"id": 2, "image_id": 0, "category_id": 2, "bbox": [5, 5, 70, 50]},
                {"id": 3, "image_id": 1, "category_id": 1, "bbox": [0, 0, 80, 60]},
                {"id": 4, "image_id": 2, "category_id": 1, "bbox": [0, 0, 0, 60]},
            ],
        },
    )
    captions = [
        {"image": name, "caption": [f"a {TAGS[place]} on the table", "two of them"]}
        for place, name in enumerate(PICTURES)
    ]
    write(folder / "captions.json", [*captions, {"image": "a.png", "caption": "..."}])
    asked = [
        {"question_id": place, "image": PICTURES[place % 4], "question": f"what is on the {TAGS[place]}?"}
        for place in range(6)
    ]
    given = [
        {"question_id": place, "answers": [{"answer": answer} for answer in ANSWERS[:10]], "answer_type": "other"}
        for place in range(5)
    ]
    write(folder / "questions.json", {"questions": asked})
    write(folder / "annotations.json", {"annotations": given})
    lines = [
        {"identifier": "dev-1-0-0", "sentence": "both show a table", "label": "True"},
        {"identifier": "own-1", "sentence": "one is red", "label": "False", "left": "a.png", "right": "b.png"},
        {"identifier": "own-2", "sentence": "one is red", "label": "no", "left": "a.png", "right": "b.png"},
    ]
    write_lines(folder / "nlvr2.jsonl", lines)
    return folder
