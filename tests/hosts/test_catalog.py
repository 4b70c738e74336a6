"""Which models can be contestants, and what is said of the others."""

from __future__ import annotations

from app.backends.base import InstalledModel
from app.hosts.catalog import Catalog, Contender, Missing, can_chat, catalog
from app.hosts.host import Host
from app.hosts.probes import ProbeResult

ONE = Host("one", "http://one:11434")
TWO = Host("two", "http://two:11434")


def having(*names: str) -> ProbeResult:
    return ProbeResult(True, "0.33.3", tuple(InstalledModel(name, 5, capabilities=("completion",)) for name in names))


def test_configured_models_come_in_configured_order_under_the_servers_names() -> None:
    made = catalog(["Mistral:7B", "llama3.1:8b"], [ONE], {"one": having("llama3.1:8b", "mistral:7b", "qwen3:8b")})
    assert made.models == ("mistral:7b", "llama3.1:8b")
    assert made.warnings() == ()


def test_a_model_knows_all_hosts_that_have_it() -> None:
    made = catalog([], [ONE, TWO], {"one": having("a:1", "b:1"), "two": having("b:1")})
    assert made.contenders == (Contender("a:1", ("one",), 5), Contender("b:1", ("one", "two"), 5))
    assert made.find("library/B:1") == made.contenders[1]
    assert made.find("c") is None


def copies(*names: str, digest: str = "d1") -> ProbeResult:
    return ProbeResult(True, "0.33.3", tuple(InstalledModel(name, 5, digest) for name in names))


def test_of_two_names_for_one_file_the_first_in_the_operators_list_is_drawn() -> None:
    made = catalog(["z", "q:1", "a"], [ONE], {"one": copies("a:latest", "z:latest", "q:1")})
    assert made.models == ("z:latest",)
    assert made.duplicates == {"q:1": "z:latest", "a:latest": "z:latest"}
    assert (made.drawn_for("library/A"), made.drawn_for("z")) == ("z:latest", None)
    assert made.missing == ()
    assert made.warnings() == (), "nothing is in trouble"
    assert "a:latest is z:latest under another name" in made.notices()[1]
    assert "ARENA_MODELS" in made.notices()[1]


def test_without_a_list_the_first_by_the_alphabet_is_drawn_whichever_tag_is_newer() -> None:
    for listed in (("llama3.1:latest", "llama3.1:8b", "b:1"), ("llama3.1:8b", "b:1", "llama3.1:latest")):
        state = ProbeResult(True, "0.33.3", tuple(InstalledModel(n, 5, "b" if n == "b:1" else "l") for n in listed))
        made = catalog([], [ONE], {"one": state})
        assert sorted(made.models) == ["b:1", "llama3.1:8b"]
        assert made.duplicates == {"llama3.1:latest": "llama3.1:8b"}


def test_two_names_for_one_file_on_two_hosts_are_one_contestant_too() -> None:
    made = catalog(["a", "b"], [ONE, TWO], {"one": copies("a:latest"), "two": copies("b:latest")})
    assert (made.models, made.duplicates) == (("a:latest",), {"b:latest": "a:latest"})


def test_one_file_that_is_asked_differently_is_two_contestants() -> None:
    state = {"one": copies("a:1", "b:1", "c:1")}
    made = catalog(["a:1", "b:1", "c:1"], [ONE], state, asked=lambda name: name == "b:1")
    assert (made.models, made.duplicates) == (("a:1", "b:1"), {"c:1": "a:1"})


def test_models_whose_digest_is_unknown_are_told_apart_by_name() -> None:
    assert catalog([], [ONE], {"one": copies("a:1", "b:1", digest="")}).models == ("a:1", "b:1")


def test_a_missing_model_gets_one_line_with_the_likely_name() -> None:
    made = catalog(["llama3.1-8b", "mistral:7b"], [ONE], {"one": having("llama3.1:8b", "mistral:7b")})
    assert made.models == ("mistral:7b",)
    assert made.missing == (Missing("llama3.1-8b", "llama3.1:8b"),)
    (line,) = made.warnings()
    assert "llama3.1-8b" in line
    assert "did you mean llama3.1:8b?" in line
    assert "\n" not in line


def test_a_missing_model_without_a_likely_name_gets_the_command() -> None:
    (line,) = catalog(["gemma2:9b"], [ONE], {"one": having("llama3.1:8b")}).warnings()
    assert "ollama pull gemma2:9b" in line


def test_without_configured_models_everything_that_chats_here_enters() -> None:
    state = ProbeResult(
        True,
        "0.33.3",
        (
            InstalledModel("llama3.1:8b", 1, capabilities=("completion", "tools")),
            InstalledModel("nomic-embed-text:latest", 1, capabilities=("embedding",)),
            InstalledModel("gpt-oss:120b-cloud", 1, capabilities=("completion",)),
            InstalledModel("big:latest", 1, capabilities=("completion",), remote=True),
            InstalledModel("old:latest", 1),
        ),
    )
    assert catalog([], [ONE], {"one": state}).models == ("llama3.1:8b", "old:latest")
    assert [can_chat(model) for model in state.installed] == [True, False, False, False, True]


def test_a_configured_cloud_model_never_enters() -> None:
    made = catalog(["x:cloud"], [ONE], {"one": having("x:cloud")})
    assert made.models == ()
    assert "cloud" in made.warnings()[0]


def test_a_configured_name_that_is_none_is_missing() -> None:
    made = catalog(["not a name"], [ONE], {"one": having("a:1")})
    assert made.missing == (Missing("not a name"),)


def test_a_host_that_does_not_answer_gets_one_line() -> None:
    made = catalog(
        ["a:1"], [ONE, TWO], {"one": ProbeResult(False, error="ConnectionRefusedError"), "two": having("b:1")}
    )
    (host_line,) = made.warnings()
    assert "one at http://one:11434 does not answer (ConnectionRefusedError)" in host_line
    assert made.missing == (Missing("a:1", None),)


def test_a_slip_in_a_name_is_told_also_while_a_host_does_not_answer() -> None:
    made = catalog(["b-1"], [ONE, TWO], {"one": ProbeResult(False, error="refused"), "two": having("b:1")})
    assert "did you mean b:1" in made.warnings()[1]


def test_a_host_that_was_not_probed_yet_is_not_called_dead() -> None:
    assert catalog([], [ONE], {}) == Catalog()


def test_a_host_serves_only_what_its_row_names() -> None:
    narrow = Host("one", ONE.url, models=("A:1", "c:1"))
    states = {"one": having("a:1", "b:1"), "two": having("b:1")}
    assert catalog([], [narrow, TWO], states).contenders == (
        Contender("a:1", ("one",), 5),
        Contender("b:1", ("two",), 5),
    )
    alone = catalog([], [narrow], states)
    assert alone.models == ("a:1",)
    assert alone.missing == (Missing("c:1", None),)


def test_a_name_that_ollama_would_not_take_is_no_contestant_and_stops_nothing() -> None:
    odd = InstalledModel("no name at all/!", 1)
    found = catalog(
        (), [Host("gpu", "http://gpu:1")], {"gpu": ProbeResult(True, installed=(odd, InstalledModel("a:1", 1)))}
    )
    assert found.models == ("a:1",)


def test_what_is_configured_already_is_not_suggested_for_another() -> None:
    state = ProbeResult(True, installed=(InstalledModel("llama3.1:8b", 1),))
    found = catalog(("llama3.1:8b", "llama3.2:3b"), [Host("gpu", "http://gpu:1")], {"gpu": state})
    assert [(missing.name, missing.suggestion) for missing in found.missing] == [("llama3.2:3b", None)]
