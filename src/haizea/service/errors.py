"""What can go wrong with a request, by whose fault it is.

::

    ServiceError
    ├── Invalid          the request's: something in it is wrong
    ├── NotFound         the request's: there is no such thing, or not for this user
    ├── Unauthenticated  the request's: nobody is named, or not believed
    ├── Forbidden        the request's: this user may not do that
    ├── Conflict         the request's: it does not go with what is there
    │   └── Outdated     what it is about has changed since it was seen
    ├── QuotaExceeded    the request's: the user's share is used up
    ├── TooMany          the request's: more than a client may send; slow down
    └── Unavailable      the operator's or the platform's: not now; try again later
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class ServiceError(Exception):
    """A request was not carried out, and nothing was changed.

    ``code`` is for machines, ``detail`` a sentence for people, ``remedy`` says what to do. ``field`` names the part of
    the request that is wrong, where one is.
    """

    status: ClassVar[int] = 500
    code = "error"
    title: ClassVar[str] = "The request was not carried out"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        remedy: str = "",
        field: str = "",
        facts: Mapping[str, Any] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.remedy = remedy
        self.field = field
        self.facts = dict(facts or {})
        self.retry_after_s = retry_after_s


class Invalid(ServiceError):
    """Something in the request is wrong."""

    status = 422
    code = "invalid"
    title = "The request is not valid"


class NotFound(ServiceError):
    """There is no such thing, or not for this user."""

    status = 404
    code = "not-found"
    title = "There is no such thing"


class Unauthenticated(ServiceError):
    """Nobody is named, or not believed."""

    status = 401
    code = "unauthenticated"
    title = "Say who you are"


class Forbidden(ServiceError):
    """This user may not do that."""

    status = 403
    code = "forbidden"
    title = "Not allowed"


class Conflict(ServiceError):
    """It does not go with what is there."""

    status = 409
    code = "conflict"
    title = "In conflict with the present state"


class Outdated(Conflict):
    """What a request is about has changed since whoever sent it saw it."""

    code = "version"


class QuotaExceeded(ServiceError):
    """The user's share is used up."""

    status = 403
    code = "quota-exceeded"
    title = "Over quota"


class TooMany(ServiceError):
    """More than a client may send."""

    status = 429
    code = "too-many-requests"
    title = "Too many requests"


class Unavailable(ServiceError):
    """Not now: the store cannot be written, this daemon is a standby, or it is stopping."""

    status = 503
    code = "unavailable"
    title = "Not available at the moment"
