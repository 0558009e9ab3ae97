"""Answers that are documents, and lists of them."""

from typing import Any

from haizea.client.calls import Calls
from haizea.client.errors import BadAnswer


class Documents:
    """Calls whose answers are objects or lists."""

    _calls: Calls

    def _document(self, method: str, path: str, query: Any = None, *, body: Any = None, key: str | None = None) -> Any:
        found = self._calls.json(method, path, query=query, body=body, key=key)
        if not isinstance(found, dict):
            raise BadAnswer(f"{method} {path} was answered with something other than an object")
        return found

    def _items(self, path: str, query: Any = None) -> Any:
        found = self._calls.json("GET", path, query=query)
        # Short lists come whole, as they are or in an object.
        items = found.get("items") if isinstance(found, dict) else found
        if not isinstance(items, list):
            raise BadAnswer(f"GET {path} was answered with something other than a list")
        return items
