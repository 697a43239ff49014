"""The conventions, one package per family of requirements (`contracts/requirements.yaml`); what several of them need
stands beside them. Importing the package registers every check."""

from contracts.conventions import auth, code, event, life, media, order, page, role, search, shape, struct

__all__ = ["auth", "code", "event", "life", "media", "order", "page", "role", "search", "shape", "struct"]
