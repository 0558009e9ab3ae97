"""Reading the store on behalf of a request: in pages, and with errors that say whose fault they are."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from haizea.runtime.rows import LeaseFilter, LeaseRow
from haizea.runtime.store import Store, StoreError
from haizea.service.errors import Unavailable

PAGE: Final = 500


@contextmanager
def reading() -> Iterator[None]:
    """Turn what goes wrong in the store into :class:`Unavailable`: it is not the request's fault."""
    try:
        yield
    except StoreError as error:
        raise Unavailable(
            f"the store cannot be used: {error}", code="store-unavailable", remedy="Try again in a moment."
        ) from error


def leases(store: Store, wanted: LeaseFilter) -> Iterator[LeaseRow]:
    """Yield leases in order of id, never more than a page of them in memory.

    A lease that ends meanwhile shifts those behind it, so that one may be missed at the border of two pages. In the
    loop's thread, where quotas are checked, nothing changes meanwhile.
    """
    offset = 0
    while True:
        with reading():
            page = store.leases(wanted, limit=PAGE, offset=offset)
        yield from page
        if len(page) < PAGE:
            return
        offset += PAGE
