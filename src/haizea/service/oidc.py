"""The hook for identities that are managed elsewhere: OpenID Connect, Keystone, a campus directory.

Haizea is no OpenID Connect client. Who wants one brings a verifier: an object with one method that says whose a
bearer token is. It is named in the configuration as ``module:Class``, or by an entry point in the group
:data:`ENTRY_POINTS`, and is made once, with the settings that stand beside its name::

    class CampusTokens:
        def __init__(self, settings: Mapping[str, Any]) -> None:
            self._keys = fetch_keys(settings["issuer"])

        def verify(self, secret: str, /) -> Principal | None:
            claims = self._keys.decode(secret)  # None where the signature is not ours
            if claims is None:
                return None
            return Principal(claims["email"], Role.USER, groups=tuple(claims["groups"]), via="campus")

What it is asked, and what becomes of the answer:

* It is asked after the stored tokens, and never for a token of Haizea's own (``haizea_…``), which is nobody else's
  business.
* It is called from several threads at once, once for every request. Whether it remembers answers, and for how long,
  is its own affair; what it remembers is what revocation has to wait for.
* None means "not mine": the next verifier is asked, then the request is refused.
* A verifier that cannot tell now raises :class:`VerifierUnavailable`: the client is told to try again. Any other
  exception has the same effect and is logged with its traceback.
* If the store has a user of that name, the store's role and groups count, and a disabled user stays out. Otherwise the
  verifier's word does.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from haizea.service.principal import Principal

ENTRY_POINTS: Final = "haizea.token_verifiers"
"""The group of entry points in which installed packages offer verifiers."""


class VerifierError(ValueError):
    """A verifier cannot be loaded or set up; the message says which, and why. The operator's to mend."""


class VerifierUnavailable(Exception):
    """The verifier cannot tell at the moment."""


class TokenVerifier(Protocol):
    """Says whose a bearer token is."""

    def verify(self, secret: str, /) -> Principal | None:
        """Return whose token this is, None where it is not one of those this verifier knows.

        Raises:
            VerifierUnavailable: it cannot tell at the moment.
        """


def load(name: str, settings: Mapping[str, Any]) -> TokenVerifier:
    """Return the verifier with this name, ``module:Class`` or an entry point, made with its settings.

    Raises:
        VerifierError: there is none, it cannot be loaded or set up, or it has no method ``verify``.
    """
    factory = _loaded(name) if ":" in name else _entry_point(name)
    try:
        verifier = factory(settings)
    except Exception as error:
        raise VerifierError(f"token verifier {name!r} cannot be set up: {type(error).__name__}: {error}") from error
    if not callable(getattr(verifier, "verify", None)):
        raise VerifierError(f"token verifier {name!r} has no method verify(secret)")
    return verifier


def _loaded(name: str) -> Callable[[Mapping[str, Any]], TokenVerifier]:
    from importlib import import_module

    module, _, attribute = name.partition(":")
    try:
        found: Any = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:
        raise VerifierError(f"token verifier {name!r} cannot be loaded: {type(error).__name__}: {error}") from error
    return _callable(name, found)


def _entry_point(name: str) -> Callable[[Mapping[str, Any]], TokenVerifier]:
    from importlib import metadata

    points = {point.name: point for point in metadata.entry_points(group=ENTRY_POINTS)}
    if name not in points:
        known = ", ".join(sorted(points)) or "none is installed"
        raise VerifierError(f"there is no token verifier {name!r}; known are: {known}. Or write module:Class")
    try:
        found = points[name].load()
    except Exception as error:
        raise VerifierError(f"token verifier {name!r} cannot be loaded: {type(error).__name__}: {error}") from error
    return _callable(name, found)


def _callable(name: str, found: Any) -> Callable[[Mapping[str, Any]], TokenVerifier]:
    if not callable(found):
        raise VerifierError(f"token verifier {name!r} is not a class or function that takes its settings")
    factory: Callable[[Mapping[str, Any]], TokenVerifier] = found
    return factory
