"""MEDIA: application/json both ways."""

from contracts.conventions.media import media_type, written_texts

__all__ = ["media_type", "written_texts"]
