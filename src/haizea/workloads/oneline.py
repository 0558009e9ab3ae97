"""Sites in one line: ``4 CPU:100 Memory:1024``."""

from typing import Final

from haizea.model.resources import AMOUNT_MAX, CPU, MEMORY, Capacity
from haizea.model.site import Host, Site

HOSTS_MAX: Final = 100_000
"""Most hosts of a site."""

TYPES_MAX: Final = 100
"""Most resource types of a site, and of what a VM asks for: every host's state has room for each of them."""

TYPE_NAME_MAX: Final = 64
"""Longest name of a resource type, in characters."""

TEXT_MAX: Final = 100_000
SITE_FORM: Final = "a number of hosts and amounts per host including CPU and Memory, such as '4 CPU:100 Memory:1024'"


def parse_site(text: str) -> Site:
    """Read a site in one line; the hosts are named ``host-1``, ``host-2``, ...

    Amounts are separated by blanks or commas. Hosts of several kinds are written as groups separated by ``;``:
    ``4 CPU:100 Memory:1024; 2 CPU:800 Memory:8192 GPU:1``.

    Raises:
        ValueError: the text is not of this form, or there are more than :data:`HOSTS_MAX` hosts.
    """
    if len(text) > TEXT_MAX:
        raise ValueError(f"a site of {len(text)} characters; expected {SITE_FORM}")
    groups = [_group(part) for part in text.split(";") if part.strip()]
    if not groups:
        raise ValueError(f"an empty site; expected {SITE_FORM}")
    return build_site([(count, capacity, {}) for count, capacity in groups], _types(groups))


def build_site(groups: list[tuple[int, Capacity, dict[str, str]]], resource_types: tuple[str, ...]) -> Site:
    """Make a site of groups of hosts, each a count, the capacity of each host, and their labels.

    Raises:
        ValueError: there are more than :data:`HOSTS_MAX` hosts.
    """
    total = sum(count for count, _, _ in groups)
    if total > HOSTS_MAX:
        raise ValueError(f"a site of {total} hosts; expected at most {HOSTS_MAX}")
    hosts: list[Host] = []
    for count, capacity, labels in groups:
        first = len(hosts) + 1
        hosts.extend(Host(f"host-{number}", capacity, labels) for number in range(first, first + count))
    return Site(tuple(hosts), resource_types)


def is_type_name(name: str) -> bool:
    """Whether a name may be that of a resource type: printable, without blanks or the separators of a site."""
    return 0 < len(name) <= TYPE_NAME_MAX and name.isprintable() and not any(c.isspace() or c in ",:;" for c in name)


def _types(groups: list[tuple[int, Capacity]]) -> tuple[str, ...]:
    named = dict.fromkeys([CPU, MEMORY])
    for _, capacity in groups:
        named.update(dict.fromkeys(capacity))
    if len(named) > TYPES_MAX:
        raise ValueError(f"{len(named)} resource types; expected at most {TYPES_MAX}")
    return tuple(named)


def _group(text: str) -> tuple[int, Capacity]:
    words = text.replace(",", " ").split()
    count = _whole(words[0] if words else "", "a number of hosts")
    if not 1 <= count <= HOSTS_MAX:
        raise ValueError(f"{count} hosts; expected 1 to {HOSTS_MAX}")
    amounts: dict[str, int] = {}
    for word in words[1:]:
        name, colon, amount = word.partition(":")
        if not colon or not is_type_name(name):
            raise ValueError(f"{word[:60]!r} in the site; expected {SITE_FORM}")
        if name in amounts:
            raise ValueError(f"{name} twice in one group of hosts; expected each resource type once")
        amounts[name] = _whole(amount, f"a whole amount of {name}")
        if amounts[name] > AMOUNT_MAX:
            raise ValueError(f"{amounts[name]} of {name}; expected at most {AMOUNT_MAX}")
    for name in (CPU, MEMORY):
        if not amounts.get(name):
            raise ValueError(f"hosts without {name}; expected {SITE_FORM}")
    return count, Capacity(amounts)


def _whole(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ValueError(f"{text[:60]!r} for {what}; expected {SITE_FORM}")
    return int(text)
