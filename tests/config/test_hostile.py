"""Files made to do harm: one clear message, in bounded memory and time."""

from pathlib import Path
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.config import ConfigError, load
from haizea.config.document import SIZE_MAX

BOMB = (
    "[general]\na: "
    + "x" * 1000
    + "\n"
    + "".join(f"{b}: {f'%({a})s' * 50}\n" for a, b in zip("abcdefg", "bcdefgh", strict=True))
)
SECONDS_MAX = 5.0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("large.toml", b"#" * (SIZE_MAX + 1)),
        ("large.conf", b"[general]\n" + b"x" * SIZE_MAX),
        ("bomb.conf", BOMB.encode()),
        ("nested.toml", b"[policy.a]\nx = " + b"[" * 100_000),
        ("tables.toml", b"[policy.a]\nx = " + b"{a = " * 40_000),
        ("dotted.toml", b"[policy.a]\n" + b"a." * 20_000 + b"a = 1\n"),
        ("digits.toml", b"[simulation]\nseed = " + b"9" * 200_000),
        ("digits.conf", b"[simulation]\nseed: " + b"9" * 200_000),
        ("long.conf", b"[simulation]\nresources: " + b"1 " * 100_000),
        ("colons.conf", b"[scheduling]\nshutdown-time: " + b"1:" * 100_000),
        ("options.conf", b"[general]\n" + b"".join(b"o%d: 1\n" % i for i in range(20_000))),
        ("sections.conf", b"".join(b"[s%d]\n" % i for i in range(20_000))),
        ("null.conf", b"[general]\nlogfile: a\0b\n"),
        ("escape.toml", b'[general]\nlogfile = "a\\u0007b"\n'),
        ("profiles.conf", b"".join(b"[p%d:general]\n" % i for i in range(10_000))),
    ],
)
def test_a_hostile_file_is_refused_at_once(tmp_path: Path, name: str, content: bytes) -> None:
    """Large, deep, exponential: all are refused with a short message."""
    path = tmp_path / name
    path.write_bytes(content)
    begun = process_time()
    with pytest.raises(ConfigError) as caught:
        load(str(path), environ={})
    assert process_time() - begun < SECONDS_MAX
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 20_000


@given(content=st.binary(max_size=200), name=st.sampled_from(["x.toml", "x.conf", "x"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str) -> None:
    """Nothing but a ConfigError comes of a file, whatever is in it."""
    path = tmp_path_factory.mktemp("bytes") / name
    path.write_bytes(content)
    try:
        settings = load(str(path), environ={})
    except ConfigError as error:
        assert error.problems  # noqa: PT017 (either outcome is right)
    else:
        assert settings.source == str(path)


LINES = st.sampled_from(
    ["[general]", "[scheduling]", "[simulation]", "[policy.x]", "[multi]", "[a:b]", "mode", "seed", ": ", " = ", "1",
     '"x"', "none", "%(mode)s", "\n", "\n", " ", "[", "]", "{", "}", "'", "2006-11-25", ";", "#", "\\", "true",
     "1e999", "nan"]
)  # fmt: skip


@given(parts=st.lists(LINES, max_size=40), name=st.sampled_from(["x.toml", "x.conf", "x"]))
def test_any_mixture_of_syntax_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], name: str
) -> None:
    """Pieces of both dialects in any order end in settings or in a ConfigError."""
    path = tmp_path_factory.mktemp("mixture") / name
    path.write_text("".join(parts))
    try:
        settings = load(str(path), environ={})
    except ConfigError as error:
        assert error.problems  # noqa: PT017 (either outcome is right)
    else:
        assert settings.source == str(path)
