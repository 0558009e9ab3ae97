"""Reading the plain command lines of ``haizea simulate`` without click.

What is not plain (help, a mistake, an abbreviation of two options in one word) is left to click, which says
what is wrong. What is read here means the same there; a test holds the two together.
"""

from collections.abc import Sequence

from haizea.cli.flags import BY_NAME, FLAGS, Flag, number

Values = dict[str, str | int | bool | tuple[str, ...]]


def parse(arguments: Sequence[str]) -> Values | None:
    """Return the values of the options by name, and ``workloads``; None where click should look at it."""
    values: Values = {}
    workloads: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if not argument.startswith("-") or argument == "-":
            workloads.append(argument)
            continue
        name, equals, text = argument.partition("=")
        flag = BY_NAME.get(name)
        if flag is None or (equals and not name.startswith("--")) or (equals and not flag.value):
            return None
        if flag.value and not equals:
            text = next(rest, "-")
            if text.startswith("-"):
                return None
        if not _take(flag, text, values):
            return None
    values["workloads"] = tuple(workloads)
    return {**defaults(), **values}


def _take(flag: Flag, text: str, values: Values) -> bool:
    if not flag.value:
        values[flag.name] = True
    elif flag.many:
        earlier = values.get(flag.name, ())
        values[flag.name] = (*(earlier if isinstance(earlier, tuple) else ()), text)
    elif flag.number:
        amount = number(text)
        if amount is None:
            return False
        values[flag.name] = amount
    elif flag.choices and text not in flag.choices:
        return False
    else:
        values[flag.name] = text
    return True


def defaults() -> Values:
    """Return the values of the options that have one when they are not given."""
    values: Values = {flag.name: flag.choices[0] for flag in FLAGS if flag.choices}
    values.update({flag.name: False for flag in FLAGS if not flag.value})
    values.update({flag.name: () for flag in FLAGS if flag.many})
    return values
