"""What a folder's runs have sent to the service: uploads by hash, and jobs by what they measure."""

from pathlib import Path

from minivlm.errors import UserError
from minivlm.storage.files import exists, write_text
from minivlm.storage.json_files import read_object
from minivlm.storage.json_text import json_text

LEDGER = "hub.json"
FORMAT = 1
KINDS = ("models", "inputs", "jobs")


class Ledger:
    """Ids of the service by a key of ours, on disk before the next is added.

    Args:
        folder: Of the records.

    Raises:
        UserError: What is there is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LEDGER
        self._kept: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
        if exists(self._path):
            self._kept = self._read()

    def find(self, kind: str, key: str) -> str | None:
        """Return an id, None where there is none."""
        return self._kept[kind].get(key)

    def keep(self, kind: str, key: str, given: str) -> None:
        """Write an id down.

        Raises:
            UserError: The folder cannot be written.
        """
        self._kept[kind][key] = given
        self._write()

    def drop(self, kind: str, key: str) -> None:
        """Forget an id."""
        if self._kept[kind].pop(key, None) is not None:
            self._write()

    def _read(self) -> dict[str, dict[str, str]]:
        way_out = "remove it, and what it names is uploaded and measured again"
        stored = read_object(self._path, "a list of uploads and jobs", way_out)
        kept = {kind: stored.get(kind) for kind in KINDS}
        texts = all(
            isinstance(ids, dict) and all(isinstance(one, str) for one in ids.values()) for ids in kept.values()
        )
        if stored.get("format") != FORMAT or not texts:
            raise UserError(f"{self._path} is no list of uploads and jobs of this version: {way_out}")
        return {kind: dict(ids or {}) for kind, ids in kept.items()}

    def _write(self) -> None:
        write_text(self._path, json_text({"format": FORMAT, **self._kept}) + "\n")
