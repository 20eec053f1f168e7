"""From a photo and a sidecar to an artifact's inputs, and from its outputs to words: NumPy and Pillow, nothing else.

The sidecar's "feeding" says how; docs/artifacts.md explains it. A runtime comes in as a function that runs a method:
inputs by name in, outputs by name out.
"""

import argparse
import json
import unicodedata
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

Arrays = dict[str, np.ndarray]
Run = Callable[[str, Arrays], Arrays]
Open = Callable[[Path, dict[str, Any]], Run]
"""Opens an artifact; its sidecar tells the methods with the order, names and types of their inputs and outputs."""

SHOWN = 5
JOINED = ((" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"))
JOINED += ((" 's", "'s"), (" 've", "'ve"), (" 're", "'re"))


def main(open_artifact: Open, description: str) -> None:
    """Run an example's command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("photo", type=Path)
    parser.add_argument("question", nargs="?")
    arguments = parser.parse_args()
    tell(open_artifact, arguments.artifact, arguments.photo, arguments.question)


def tell(open_artifact: Open, artifact: Path, photo: Path, question: str | None) -> None:
    """Print a photo's regions and, of a whole model, a caption and an answer."""
    sidecar = json.loads(artifact.with_suffix(".json").read_text(encoding="utf-8"))
    feeding, words = sidecar["feeding"], artifact.with_name(f"{artifact.stem}-words")
    run = typed(open_artifact(artifact, sidecar), sidecar)
    whole = feeding["caption"] is not None
    image, extent, size = fit(photo, feeding["photo"])
    found = run("regions" if whole else "forward", {"image": image, "extent": extent})
    used = found["scores"] > feeding["regions"]["unused_score"]
    names = lines(words / feeding["regions"]["tag_names"]) if whole else None
    told = phrases(found, feeding["regions"], words) if whole else found["tags"]
    boxes = in_photo(found["boxes"], extent, size)
    for phrase, score, box in list(zip(told[used], found["scores"][used], boxes[used], strict=True))[:SHOWN]:
        print(f"{phrase}\t{score:.4f}\t" + "\t".join(f"{side:.2f}" for side in box))
    if names is None:
        return
    tokens = Tokens(words / feeding["tokens"]["file"], feeding["tokens"])
    tags = tokens.encode(" ".join(dict.fromkeys(names[tag] for tag in found["tags"][used])))
    vectors = np.concatenate([found[name] for name in feeding["regions"]["vector"]], axis=1)
    print("caption:", tokens.decode(caption(run, feeding["caption"], tokens, tags, vectors, used)))
    layout = next((text for text in feeding["texts"] if text["method"] == "vqa"), None)
    if question and layout is not None:
        logits = run("vqa", text_inputs(layout, tokens, tokens.encode(question), tags, vectors, used))["logits"][0]
        best = int(logits.argmax())
        print(f"answer: {lines(words / layout['labels'])[best]} ({1 / (1 + np.exp(-float(logits[best]))):.4f})")


def phrases(found: Arrays, reading: dict[str, Any], words: Path) -> np.ndarray:
    """Return what each row shows in words, the attribute before the tag; see "regions" in the sidecar."""
    tags = np.array(lines(words / reading["tag_names"]), dtype=object)[found["tags"]]
    named = reading.get("attribute_names")
    if named is None:
        return tags
    attributes = np.array(["", *(f"{name} " for name in lines(words / named))], dtype=object)  # 0 is no attribute
    return attributes[found["attributes"]] + tags


def typed(run: Run, sidecar: dict[str, Any]) -> Run:
    """Return what runs a method with its inputs in the types that the artifact declares."""
    methods = {method["name"]: method["inputs"] for method in sidecar["methods"]}

    def run_typed(method: str, given: Arrays) -> Arrays:
        return run(method, {spec["name"]: given[spec["name"]].astype(spec["dtype"]) for spec in methods[method]})

    return run_typed


def lines(file: Path) -> list[str]:
    """Return what ids mean: the lines of a file."""
    return file.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def fit(path: Path, rule: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Return the image, its extent, and the photo's own height and width in pixels."""
    photo = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    scale = min(Fraction(rule["height"], photo.height), Fraction(rule["width"], photo.width))
    width, height = (max(1, int(side * scale + Fraction(1, 2))) for side in photo.size)
    across = photo.resize((width, photo.height), Image.Resampling.BILINEAR)
    levels = np.asarray(across.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32)
    levels = levels if rule["channels"] == "rgb" else levels[:, :, ::-1]
    image = np.full((1, 3, rule["height"], rule["width"]), rule["padding"], dtype=np.float32)
    normal = (levels - np.float32(rule["mean"])) / np.float32(rule["std"])
    image[0, :, :height, :width] = normal.transpose(2, 0, 1)
    return image, np.float32([height, width]), (photo.height, photo.width)


def in_photo(boxes: np.ndarray, extent: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return boxes in the photo's pixels, clipped to it."""
    (height, width), sides = extent, np.float32([size[1], size[0]] * 2)
    return np.clip(boxes * sides / np.float32([width, height] * 2), 0, sides)


def rows(vectors: np.ndarray, used: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first rows and which of them are in use, filled up with zeros to a fixed number."""
    filled, seen = np.zeros((1, count, vectors.shape[1]), np.float32), np.zeros(count, bool)
    filled[0, : len(vectors)], seen[: len(vectors)] = vectors[:count], used[:count]
    return filled, seen


def text_inputs(
    layout: dict[str, Any], tokens: "Tokens", text: list[int], tags: list[int], vectors: np.ndarray, used: np.ndarray
) -> Arrays:
    """Lay out a text, the tags and the regions for a method; see "texts" in the sidecar."""
    special, length = tokens.special, layout["tokens"]
    text, tags = list(text), list(tags)
    while len(text) + len(tags) > length - 2 - bool(tags):
        (text if len(text) > len(tags) else tags).pop()
    first = [special["cls"], *text, special["sep"]]
    second = [*tags, special["sep"]] if tags else []
    padding = length - len(first) - len(second)
    parts = (("text", len(first)), ("tags", len(second)), ("padding", padding))
    regions, seen = rows(vectors, used, layout["regions"])
    visible = np.concatenate([np.arange(length) < length - padding, seen])
    return {
        "token_ids": np.array([[*first, *second, *[special["pad"]] * padding]]),
        "token_types": np.array([[layout["types"][part] for part, count in parts for _ in range(count)]]),
        "positions": np.arange(length)[None],
        "regions": regions,
        "mask": np.where(visible, layout["visible"], layout["hidden"])[None, None],
    }


def caption(
    run: Run, loop: dict[str, Any], tokens: "Tokens", tags: list[int], vectors: np.ndarray, used: np.ndarray
) -> list[int]:
    """Write a caption with the best token every time; see "caption" in the sidecar."""
    cut = [*tags[: loop["tags"] - 1], tokens.special["sep"]] if tags else []
    regions, seen = rows(vectors, used, loop["regions"])
    visible = np.concatenate([np.arange(loop["tags"]) < len(cut), seen])
    mask = np.where(visible, loop["visible"], loop["hidden"])[None, None]
    ids = np.array([cut + [tokens.special["pad"]] * (loop["tags"] - len(cut))])
    context = run("prefill", {"tag_ids": ids, "regions": regions, "context_mask": mask})
    kept = {"context_mask": mask} | {given: context[name] for name, given in loop["kept"].items()}
    layers, batch, heads, _, width = next(iter(context.values())).shape
    empty = np.zeros((layers, batch, heads, loop["most_tokens"], width), np.float32)
    carried = dict.fromkeys(loop["carried"].values(), empty)
    written = [loop["first_token"]]
    while len(written) < loop["most_tokens"] and (len(written) == 1 or written[-1] != loop["end_token"]):
        place = {
            "last_token": np.array(written[-1:]),
            "position": np.array([loop["first_position"] + len(written) - 1]),
        }
        results = run("step", {**place, **kept, **carried})
        carried = {given: results[name] for name, given in loop["carried"].items()}
        written.append(int(results[loop["logits"]].argmax()))
    return [*written[:-1], loop["end_token"]]


class Tokens:
    """BERT's uncased WordPiece over a vocabulary."""

    def __init__(self, file: Path, rule: dict[str, Any]) -> None:
        self.special: dict[str, int] = rule["special"]
        self._longest = rule["longest_word"]
        self._tokens = lines(file)
        self._ids = {token: number for number, token in enumerate(self._tokens)}

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text."""
        return [number for word in split(text) for number in self._pieces(word)]

    def decode(self, ids: list[int]) -> str:
        """Return readable text."""
        kept = (self._tokens[number] for number in ids if number not in self.special.values())
        text = " ".join(kept).replace(" ##", "")
        for apart, joined in JOINED:
            text = text.replace(apart, joined)
        return text

    def _pieces(self, word: str) -> list[int]:
        pieces: list[int] = []
        start = 0
        while start < len(word) <= self._longest:
            ends = range(len(word), start, -1)
            within = "##" if start else ""
            end = next((end for end in ends if within + word[start:end] in self._ids), None)
            if end is None:
                break
            pieces.append(self._ids[within + word[start:end]])
            start = end
        return pieces if start == len(word) else [self.special["unk"]]


def split(text: str) -> list[str]:
    """Return the words of a text: lower case, no accents, punctuation and CJK characters by themselves."""
    spaced = "".join(f" {one} " if _is_cjk(one) else _clean(one) for one in text)
    plain = "".join(one for one in unicodedata.normalize("NFD", spaced) if unicodedata.category(one) != "Mn").lower()
    return "".join(f" {one} " if _is_punctuation(one) else one for one in plain).split()


def _clean(one: str) -> str:
    if one in "\t\n\r" or unicodedata.category(one) == "Zs":
        return " "
    return "" if one in "\0\ufffd" or unicodedata.category(one) in ("Cc", "Cf", "Co", "Cs") else one


def _is_punctuation(one: str) -> bool:
    symbol = one.isascii() and one.isprintable() and not one.isalnum() and one != " "
    return symbol or unicodedata.category(one).startswith("P")


def _is_cjk(one: str) -> bool:
    blocks = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2B81F))
    return any(first <= ord(one) <= last for first, last in (*blocks, (0x2B920, 0x2CEAF), (0x2F800, 0x2FA1F)))
