"""Which server is meant: addresses, the file of contexts, the environment, and what comes before what."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.client import BadAddress
from haizea.client.addresses import Address, parse_address, socket_path
from haizea.client.contexts import Context, Contexts, contexts_path, read_contexts, resolve, write_contexts


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:///run/h.sock", Address("unix", path="/run/h.sock")),
        ("unix:/run/h.sock", Address("unix", path="/run/h.sock")),
        ("/run/h.sock", Address("unix", path="/run/h.sock")),
        ("http://127.0.0.1:42480", Address("http", "127.0.0.1", 42480)),
        ("http://localhost", Address("http", "localhost", 42480)),
        ("https://haizea.example.org:443/", Address("https", "haizea.example.org", 443)),
        ("http://[::1]:8080", Address("http", "::1", 8080)),
    ],
)
def test_addresses_have_three_forms(text: str, address: Address) -> None:
    """A Unix socket, or a host and a port with and without TLS; written out, each is read as the same."""
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "", "haizea", "ftp://a", "http://", "http://a:0", "http://a:65536", "http://a:x", "http://a/path", "unix://x",
        "http://[::1", "http://a b", "http://user:hush@a", "http://a\nb", "\x1b[31m",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    """With one message, which can be printed."""
    with pytest.raises(BadAddress) as raised:
        parse_address(text)
    assert str(raised.value).isprintable()
    assert "hush" not in str(raised.value)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    """Whatever is written, nothing else happens."""
    for prefix in ("", "http://", "https://[", "unix://"):
        try:
            found = parse_address(prefix + text)
        except BadAddress:
            continue
        assert parse_address(str(found)) == found


def test_the_socket_is_in_the_runtime_directory(tmp_path: Path) -> None:
    """Where there is none, it is under the user's data."""
    assert socket_path({"XDG_RUNTIME_DIR": "/run/user/7", "HOME": "/home/a"}) == "/run/user/7/haizea/haizea.sock"
    assert socket_path({"HOME": "/home/a"}) == "/home/a/.local/share/haizea/haizea.sock"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a user with a folder of their own."""
    return {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": "/run/user/7"}


def test_without_anything_said_the_users_own_daemon_is_meant(environ: dict[str, str]) -> None:
    """No file, no variable: the socket."""
    found = resolve(environ)
    assert (found.context.server, found.context.token, found.origin) == (
        "unix:///run/user/7/haizea/haizea.sock",
        None,
        "default",
    )


def test_what_is_said_last_counts(environ: dict[str, str]) -> None:
    """An option comes before a variable, a variable before the current context."""
    path = contexts_path(environ)
    write_contexts(path, Contexts("a", {"a": Context("http://a:1"), "b": Context("https://b:2", "tb")}))
    assert resolve(environ).origin == "context a"
    assert resolve({**environ, "HAIZEA_CONTEXT": "b"}).context == Context("https://b:2", "tb")
    assert resolve({**environ, "HAIZEA_CONTEXT": "b", "HAIZEA_SERVER": "http://c:3"}).context.server == "http://c:3"
    assert resolve({**environ, "HAIZEA_SERVER": "http://c:3"}, context="b").context.server == "https://b:2"
    assert resolve({**environ, "HAIZEA_SERVER": "http://c:3"}, server="http://d:4").context.server == "http://d:4"


def test_a_contexts_token_goes_to_its_own_server(environ: dict[str, str]) -> None:
    """Another server that is named gets the token of the environment, or none."""
    write_contexts(contexts_path(environ), Contexts("a", {"a": Context("https://a:1", "secret")}))
    assert resolve(environ).context.token == "secret"
    assert resolve(environ, server="https://b:2").context.token is None
    assert resolve({**environ, "HAIZEA_TOKEN": "other"}).context.token == "other"


def test_contexts_are_kept_for_their_owner_alone(environ: dict[str, str]) -> None:
    """What is written is read back, and nobody else may read it."""
    path = Path(contexts_path(environ))
    contexts = Contexts("b", {"a": Context("unix:///s"), "b": Context("https://b:1", 'a"b\\', "/ca file.pem")})
    write_contexts(str(path), contexts)
    assert read_contexts(str(path)) == contexts
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["contexts.toml"]


def test_a_token_that_others_may_read_is_not_used(environ: dict[str, str]) -> None:
    """The message says how to mend it."""
    path = Path(contexts_path(environ))
    write_contexts(str(path), Contexts("a", {"a": Context("https://a:1", "secret")}))
    path.chmod(0o644)
    with pytest.raises(BadAddress, match="chmod 600"):
        resolve(environ)


@pytest.mark.parametrize(
    "text",
    [
        "x = ", "other = 1", "contexts = 1", "current = 1", "[contexts.a]", "[contexts.a]\nserver = 1",
        '[contexts.a]\nserver = "nothing"', '[contexts.a]\nserver = "/s"\nport = 1', '[contexts."a b"]\nserver = "/s"',
        "a = " + "[" * 5_000, "\udcff", "#" * (1 << 20) + "#",
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_its_name(environ: dict[str, str], text: str) -> None:
    """Whatever is in it, one message says that it is this file."""
    path = Path(contexts_path(environ))
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadAddress, match=r"contexts\.toml|is no name"):
        resolve(environ)


def test_a_context_that_is_not_there_is_told(environ: dict[str, str]) -> None:
    """With those that are."""
    write_contexts(contexts_path(environ), Contexts(None, {"a": Context("/s")}))
    with pytest.raises(BadAddress, match=r"no context 'b'.*a"):
        resolve(environ, context="b")


def test_a_server_and_a_context_are_one_too_many(environ: dict[str, str]) -> None:
    """Which of them is meant cannot be guessed."""
    with pytest.raises(BadAddress, match="not both"):
        resolve(environ, server="/s", context="a")
