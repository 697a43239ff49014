"""The customers of the instance: search, events, attribute values, counts, segment membership, Audience API.

Importing this package registers its handlers and the hook that makes its tables when a store is opened.
"""

from instance.customers import audience, counts, events, reading, schema, search, uploads

__all__ = ["audience", "counts", "events", "reading", "schema", "search", "uploads"]
