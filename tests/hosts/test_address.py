"""OLLAMA_HOST and OLLAMA_PORT in every form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.backends.target import Target
from app.errors import ConfigurationError
from app.hosts.address import base_url


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("   ", "http://127.0.0.1:11434"),
        ("example.com", "http://example.com:11434"),
        ("Example.COM", "http://example.com:11434"),
        ("example.com:56789", "http://example.com:56789"),
        ("7", "http://7:11434"),
        ("gpu_box-1", "http://gpu_box-1:11434"),
        ("1.2.3.4", "http://1.2.3.4:11434"),
        ("1.2.3.4:56789", "http://1.2.3.4:56789"),
        (":56789", "http://127.0.0.1:56789"),
        (":", "http://127.0.0.1:11434"),
        ("http://1.2.3.4", "http://1.2.3.4:80"),
        ("https://1.2.3.4", "https://1.2.3.4:443"),
        ("HTTP://example.com", "http://example.com:80"),
        ("https://example.com:56789/", "https://example.com:56789"),
        ("example.com/path", "http://example.com:11434/path"),
        ("example.com:56789/a/b/", "http://example.com:56789/a/b"),
        ("http://example.com/a?b=c#d", "http://example.com:80/a"),
        ("::1", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:56789", "http://[::1]:56789"),
        ("http://[::1]", "http://[::1]:80"),
        ("[0001:002:003:0004::1]:56789/path", "http://[1:2:3:4::1]:56789/path"),
        ("[fe80::1%eth0]:5", "http://[fe80::1%eth0]:5"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:5", "http://127.0.0.1:5"),
        ("http://0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:11434"),
        ("[::]:5", "http://[::1]:5"),
        ("'1.2.3.4'", "http://1.2.3.4:11434"),
        ('" 1.2.3.4:5 "', "http://1.2.3.4:5"),
        ("ollama.com", "https://ollama.com:443"),
        ("http://me:pass@example.com", "http://me:pass@example.com:80"),
    ],
)
def test_an_address_is_read_as_ollama_reads_it(address: str, url: str) -> None:
    assert base_url(address) == url


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("", "http://127.0.0.1:8888"),
        ("example.com", "http://example.com:8888"),
        ("example.com:5", "http://example.com:5"),
        ("http://example.com", "http://example.com:8888"),
        ("https://example.com/x", "https://example.com:8888/x"),
        ("0.0.0.0", "http://127.0.0.1:8888"),
        ("[::]", "http://[::1]:8888"),
    ],
)
def test_a_port_in_the_host_wins_then_ollama_port_then_the_default(address: str, url: str) -> None:
    assert base_url(address, 8888) == url


@pytest.mark.parametrize(
    "address",
    [
        "tcp://1.2.3.4:5",
        "unix:///run/o.sock",
        "a b",
        "http://a\r\nX: y",
        "a:b:c",
        "http://é",
        "http://me:secret@",
        "http://me:secret@:11434",
    ],
)
def test_what_is_no_address_is_refused_with_the_settings_name(address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^\[\[hosts\]\] gpu1: url"):
        base_url(address, setting="[[hosts]] gpu1: url")


@pytest.mark.parametrize("address", ["gpu1:abc", "gpu1:99999", "gpu1:0", "gpu1:-1", "https://gpu1:abc", "[::1]:abc"])
def test_a_port_that_is_none_is_refused_instead_of_another_being_taken(address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^OLLAMA_HOST: the port is no number from 1 to 65535"):
        base_url(address, 8888)


@pytest.mark.parametrize(
    ("address", "ending"),
    [
        ("http://gpu:11434/api", "/api"),
        ("http://gpu:11434/v1/", "/v1"),
        ("gpu/ollama/api/chat", "/api/chat"),
        ("https://gpu/v1/chat/completions", "/v1/chat/completions"),
    ],
)
def test_an_address_of_the_api_is_refused_with_what_to_leave_out(address: str, ending: str) -> None:
    with pytest.raises(ConfigurationError, match=f"leave out {ending} at the end"):
        base_url(address)


def test_a_path_that_only_looks_like_the_api_is_kept() -> None:
    assert base_url("http://gateway/api/ollama") == "http://gateway:80/api/ollama"
    assert base_url("http://gateway/myapi") == "http://gateway:80/myapi"


hosts = st.one_of(
    st.from_regex(r"[a-z0-9_]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{2,5})?", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map("[{}]".format),
)


@given(
    st.sampled_from(["", "http://", "https://"]),
    hosts,
    st.one_of(st.none(), st.integers(1, 65535)),
    st.one_of(st.none(), st.integers(1, 65535)),
    st.sampled_from(["", "/", "/x", "/x/y/"]),
)
def test_every_form_gives_a_url_that_is_read_again_as_itself(
    scheme: str, host: str, port: int | None, ollama_port: int | None, path: str
) -> None:
    address = scheme + host + (f":{port}" if port else "") + path
    url = base_url(address, ollama_port)
    assert base_url(url, 1) == url
    target = Target.of(url)
    assert target.port == port or (port is None and target.port in (ollama_port, 80, 443, 11434))
    assert target.host not in ("", "0.0.0.0", "::")


@given(st.text(max_size=40))
def test_no_text_gives_anything_but_a_url_or_a_sentence(text: str) -> None:
    try:
        url = base_url(text)
    except ConfigurationError as error:
        assert "OLLAMA_HOST" in error.sentence
    else:
        assert url.isascii()
        assert not any(character.isspace() for character in url)
        assert base_url(url) == url
