"""The bundled contract, kept beside its files: reading seventy YAML files takes half a second, which every command
would wait for.

What is kept holds the digest of every file that it was made of, the code that made it included. It is used only where
all of them are as they were, and where it cannot be read or written nothing but time is lost.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson


def _place(root: Path) -> Path:
    return root.parent / f".{root.stem}.bundle.json"


def digest_of(path: Path) -> str:
    """What tells a file's content from any other. Raises OSError when it cannot be read."""
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def read_kept(root: Path) -> dict[str, Any] | None:
    """The document that was bundled from `root`; None where there is none, or a file has changed since."""
    try:
        kept = orjson.loads(_place(root).read_bytes())
        if all(digest_of(Path(path)) == digest for path, digest in kept["sources"].items()):
            document = kept["document"]
            return document if isinstance(document, dict) else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass
    return None


def keep(root: Path, sources: Mapping[Path, str], document: dict[str, Any]) -> None:
    """Keep the document for the next time; `sources`: all files that it depends on, with their digests from before
    they were read."""
    with suppress(OSError, TypeError, ValueError):
        text = orjson.dumps({"sources": {str(path): digest for path, digest in sources.items()}, "document": document})
        if orjson.loads(text)["document"] != document:
            return  # YAML knows more kinds of values than JSON
        place = _place(root)
        descriptor, name = tempfile.mkstemp(dir=place.parent, prefix=place.name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text)
            os.replace(name, place)  # whoever reads at the same moment gets the old one or the new one
        except OSError:
            os.unlink(name)
            raise
