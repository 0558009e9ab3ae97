"""The reference of all options as Markdown: ``python -m haizea.config.reference``."""

import sys

from haizea.config.settings import SECTIONS
from haizea.config.table import BY_SECTION, KINDS, OPTIONS, POLICIES, POLICY_ALIASES, PROBES, Option
from haizea.config.write import format_value

_INTRODUCTION = """\
# Configuration

A configuration is one TOML file; INI files of Haizea 1.x are accepted wherever a TOML file is. A later source wins:

1. the defaults below,
2. the file,
3. environment variables, `HAIZEA_SECTION__KEY` (`HAIZEA_SCHEDULING__SUSPEND_RATE=50`),
4. `--set section.key=value`,
5. options of a command that stand for one setting (`--site`, `--starttime`).

Every option that is unknown or has a wrong value is an error. `haizea config check FILE` tells all of them,
`haizea config show` prints what is in effect and where each value comes from, and `haizea config convert`
turns a file of Haizea 1.x into TOML.

A *span* is a number of seconds, or text: `90s`, `5m`, `1h30m`, `MM:SS`, `01:30:00`, `1:12:00:00` (days first).
An *instant* is ISO 8601, in UTC where no zone is given. A *site* is `in-tracefile` (the workload describes it) or one
line such as `4 CPU:100 Memory:1024`. A *policy* is the name of a built-in one or of an entry point, or
`module:Class`; it may read free tables of its own, `[policy.NAME]`.
"""

_MULTI = """\
## Many runs in one file

A multi-configuration file has a section `[multi]` and, for each profile, sections of its own; one run results for
each profile, workload, annotation file (or none) and injection file (or none).

| section | in a 1.x file | what it holds |
|---|---|---|
| `[multi]` | `[multi]` | `tracedir`, `tracefiles`, `annotationdir`, `annotationfiles`, `injectiondir`, \
`injectionfiles`, `datadir`; `skip-no-annotation` and `skip-no-injection` leave out the runs without |
| `[common.SECTION]` | `[common:SECTION]` | what all profiles share |
| `[profile.NAME.SECTION]` | `[NAME:SECTION]` | what one profile has of its own |
"""


def reference() -> str:
    """Return the reference."""
    parts = [_INTRODUCTION]
    for section, options in BY_SECTION.items():
        title = (SECTIONS[section].__doc__ or "").strip()
        rows = ["| option | type | default | meaning |", "|---|---|---|---|", *map(_row, options.values())]
        parts.append("\n".join([f"## [{section}]", "", title, "", *rows, ""]))
    parts += [_probes(), _idle(), _policies()]
    parts.append(_MULTI)
    return "\n".join(parts)


def _row(option: Option) -> str:
    values = ", ".join(f"`{c}`" for c in option.choices) if option.kind == "choice" else KINDS[option.kind]
    if option.kind in ("integer", "number") and option.low is not None and option.high is not None:
        values += f", {int(option.low)} to {int(option.high)}"
    if option.optional:
        values += ", or `none`"
    default = format_value(option, option.default)
    return f"| `{option.key}` | {values} | `{default}` | {option.meaning} |"


def _probes() -> str:
    lines = ["## Probes", "", "| probe | what it records |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {meaning} |" for name, meaning in PROBES.items()), ""])


def _idle() -> str:
    lines = [
        "## Without effect in a simulation",
        "",
        "These are read and checked, so that a configuration serves simulations and live operation alike. "
        "`haizea config check`\ntells which of them a file gives.",
        "",
        "| option | why |",
        "|---|---|",
    ]
    return "\n".join([*lines, *(f"| `{option.name}` | {option.idle} |" for option in OPTIONS if option.idle), ""])


def _policies() -> str:
    lines = ["## Built-in policies", "", "| kind | name | what it does |", "|---|---|---|"]
    for kind, policies in POLICIES.items():
        for name, meaning in policies.items():
            also = [alias for alias, target in POLICY_ALIASES[kind].items() if target == name]
            names = ", ".join(f"`{n}`" for n in [name, *also])
            lines.append(f"| {kind} | {names} | {meaning} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.stdout.write(reference())
