"""Models' names as Ollama reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hosts.names import canonical, did_you_mean, is_cloud, model_key, same_model


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("llama3.1", "llama3.1:latest"),
        ("llama3.1:latest", "llama3.1:latest"),
        (" LLAMA3.1:8B ", "llama3.1:8b"),
        ("library/llama3.1:8b", "llama3.1:8b"),
        ("registry.ollama.ai/library/llama3.1:8b", "llama3.1:8b"),
        ("llama3.1-8b", "llama3.1-8b:latest"),
        ("someone/model", "someone/model:latest"),
        ("hf.co/Someone/Model-GGUF:Q4_K_M", "hf.co/someone/model-gguf:q4_k_m"),
        ("localhost:5000/space/model:tag", "localhost:5000/space/model:tag"),
        ("https://registry.ollama.ai/library/x", "x:latest"),
    ],
)
def test_a_name_has_one_short_form(name: str, short: str) -> None:
    assert canonical(name) == short
    assert canonical(short) == short


NOBODYS = ["", " ", ":", ":b", "a b", "-a", "ä", "/", "a\nb"]
OTHER_SERVERS = ["a:b:c", "a/b/c/d", "a:b/c:", "x" * 81, "/models/tiny.gguf", "accounts/me/models/x", "gpt@2026"]


@pytest.mark.parametrize("name", [*NOBODYS, *OTHER_SERVERS])
def test_a_name_that_ollama_would_not_take_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a model's name"):
        canonical(name)


@pytest.mark.parametrize("name", NOBODYS)
def test_what_no_server_can_mean_is_no_model(name: str) -> None:
    assert model_key(name) == ""
    assert not same_model(name, name)


@pytest.mark.parametrize("name", OTHER_SERVERS)
def test_names_of_other_servers_are_compared_as_they_are(name: str) -> None:
    assert same_model(name, name.upper())
    assert not same_model(name, f"{name}x")


@given(st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,10}(:[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,10})?", fullmatch=True))
def test_case_and_defaults_make_no_difference(name: str) -> None:
    assert same_model(name, name.upper())
    assert same_model(name, f"registry.ollama.ai/library/{name}")
    assert canonical(canonical(name)) == canonical(name)


@pytest.mark.parametrize("name", ["gpt-oss:120b-cloud", "x:cloud", "X:CLOUD ", "qwen3-coder-cloud", "a:b:cloud"])
def test_a_name_that_leads_to_the_cloud_is_known(name: str) -> None:
    assert is_cloud(name)


@pytest.mark.parametrize("name", ["cloud:7b", "cloudy", "x:cloud-7b"])
def test_other_names_with_cloud_in_them_are_not_it(name: str) -> None:
    assert not is_cloud(name)


INSTALLED = ("llama3.1:8b", "mistral:7b", "qwen3:8b", "phi4:latest", "hf.co/Some/Model-GGUF:Q4_K_M")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("llama3.1-8b", "llama3.1:8b"),
        ("llama3.1", "llama3.1:8b"),
        ("Llama3.1:70b", "llama3.1:8b"),
        ("llama31:8b", "llama3.1:8b"),
        ("mistrall:7b", "mistral:7b"),
        ("phi-4", "phi4:latest"),
        ("qwen3_8b", "qwen3:8b"),
        ("hf.co/some/model-gguf:Q4_K_S", "hf.co/Some/Model-GGUF:Q4_K_M"),
        ("gemma2:9b", None),
        ("", None),
    ],
)
def test_a_wrong_name_gets_the_nearest_installed_one(name: str, meant: str | None) -> None:
    assert did_you_mean(name, INSTALLED) == meant
