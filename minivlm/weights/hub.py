"""Files of the Hugging Face hub, from its cache or the network; what cannot be had ends in one line."""

import re
from pathlib import Path
from typing import Any

from minivlm.errors import UserError

NAME = re.compile(r"\w[\w.-]*(/[\w.-]+)?")
"""A repository's name, with or without its owner."""


class Repository:
    """One state of a repository: all files come from the commit of the first.

    Args:
        name: Such as "microsoft/MiniLM-L12-H384-uncased".
        way_out: What to do where the hub cannot be reached, the end of every message.
    """

    def __init__(self, name: str, way_out: str) -> None:
        self.name = name
        self._way_out = way_out
        self._pinned: dict[str, Any] = {}

    def fetch(self, *files: str) -> Path:
        """Return the path of the first of the files that the repository has.

        Raises:
            UserError: It has none of them, or cannot be reached.
        """
        for file in files:
            path = self.fetch_if_there(file)
            if path is not None:
                return path
        raise UserError(f"cannot get {' or '.join(files)} of {self.name} from the Hugging Face hub: {self._way_out}")

    def fetch_if_there(self, file: str) -> Path | None:
        """Return the path of a file, or None where the repository has none of that name.

        With `HF_HUB_OFFLINE` set, what is not in the cache is not there.

        Raises:
            UserError: The hub cannot be reached, or refuses.
        """
        from huggingface_hub import hf_hub_download, is_offline_mode
        from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError

        try:
            path = Path(hf_hub_download(self.name, file, **self._pinned))
        except RemoteEntryNotFoundError:
            return None
        except Exception as error:  # the hub's errors and its HTTP client's have no base class in common
            if isinstance(error, LocalEntryNotFoundError) and is_offline_mode():
                return None
            raise UserError(
                f"cannot get {self.name} from the Hugging Face hub ({type(error).__name__}): {self._way_out}"
            ) from error
        self._pinned = self._pinned or {"revision": path.parent.name}  # the cache names folders by commit
        return path
