"""What counts as a leak and what doesn't, and that the cuts of a stream change nothing."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.leaks.families import FAMILIES, families_of
from app.leaks.folding import Folder
from app.leaks.naming import names_of
from app.leaks.policy import is_leaked, mark_of
from app.leaks.scanner import AHEAD, MOST_WEIGHED, Leak, Scanner, prompt_words, scan
from benchmarks.leak_corpora import LABELLED

DATA = Path(__file__).parent.parent / "data" / "leaks"


class Row(NamedTuple):
    model: str
    answer: str
    prompt: str = ""


def corpus(name: str) -> list[Row]:
    lines = (DATA / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    return [Row(*(part.replace("\\n", "\n") for part in line.split("\t"))) for line in lines]


LEAKING, CLEAN = corpus("leaking"), corpus("clean")
ROWS = LEAKING + CLEAN
MODELS = sorted({row.model for row in ROWS})


def stream(row: Row, pieces: list[str], *, masking: bool) -> tuple[str, list[Leak]]:
    scanner = Scanner(row.model, [row.prompt], masking=masking)
    shown = "".join(scanner.feed(piece) for piece in pieces)
    return shown + scanner.finish(), scanner.leaks


def pieces_at(text: str, cuts: list[int]) -> list[str]:
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(places)]


def masked(text: str, leaks: list[Leak]) -> str:
    """Masking of the whole text, by the places of its leaks."""
    masks = {"name": "[model]", "maker": "[maker]", "token": "[token]"}
    for leak in reversed(leaks):
        text = text[: leak.at] + masks[leak.kind] + text[leak.at + len(leak.word) :]
    return text


def test_the_corpus_has_enough_of_both_kinds() -> None:
    assert len(LEAKING) >= 60
    assert len(CLEAN) >= 60


@pytest.mark.parametrize("row", LEAKING, ids=lambda row: f"{row.model} {row.answer[:40]}")
def test_an_answer_that_names_its_model_or_maker_leaks(row: Row) -> None:
    assert scan(row.model, row.answer, [row.prompt])


@pytest.mark.parametrize("row", CLEAN, ids=lambda row: f"{row.model} {row.answer[:40]}")
def test_an_answer_that_only_uses_such_a_word_does_not_leak(row: Row) -> None:
    assert scan(row.model, row.answer, [row.prompt]) == []


@given(st.lists(st.sampled_from(ROWS), min_size=1, max_size=12), st.lists(st.integers(0, 5000), max_size=60))
def test_any_split_gives_the_same_leaks_and_the_same_masked_text(rows: list[Row], cuts: list[int]) -> None:
    row = Row(rows[0].model, " ".join(row.answer for row in rows), rows[0].prompt)
    leaks = scan(row.model, row.answer, [row.prompt])
    pieces = pieces_at(row.answer, cuts)
    assert stream(row, pieces, masking=True) == (masked(row.answer, leaks), leaks)
    assert stream(row, pieces, masking=False) == (row.answer, leaks[:1])


_PARTS = [
    "I am ",
    "Gemma",
    "gem",
    "ma",
    "Goo",
    "gle",
    " by ",
    "trained",
    "<start_of",
    "_turn>",
    "[",
    "\n",
    ". ",
    "é",
    "我是",
    "İ",
    "\u017f",
    "K",
]


@given(st.lists(st.sampled_from(_PARTS), max_size=60), st.lists(st.integers(0, 500), max_size=30))
def test_any_split_of_odd_text_gives_the_same_masked_text(parts: list[str], cuts: list[int]) -> None:
    row = Row("gemma2:9b", "".join(parts))
    leaks = scan(row.model, row.answer)
    assert stream(row, pieces_at(row.answer, cuts), masking=True) == (masked(row.answer, leaks), leaks)


@pytest.mark.parametrize("model", MODELS)
def test_a_long_answer_cut_into_single_characters_is_masked_as_a_whole_one(model: str) -> None:
    random = Random(model)
    text = " ".join(random.choice(ROWS).answer for _ in range(120))
    row = Row(model, text)
    leaks = scan(model, text)
    assert stream(row, list(text), masking=True) == (masked(text, leaks), leaks)


@given(st.lists(st.sampled_from(ROWS), min_size=1, max_size=8), st.lists(st.integers(0, 5000), max_size=60))
def test_what_is_held_back_is_bounded_and_without_masking_it_is_nothing(rows: list[Row], cuts: list[int]) -> None:
    text = " ".join(row.answer for row in rows)
    masking, flagging = Scanner(rows[0].model, masking=True), Scanner(rows[0].model)
    fed, shown = 0, 0
    for piece in pieces_at(text, cuts):
        fed += len(piece)
        shown += len(masking.feed(piece))
        grown = sum(max(len("[maker]") - len(leak.word), 0) for leak in masking.leaks)
        shrunk = sum(max(len(leak.word) - len("[model]"), 0) for leak in masking.leaks)
        assert fed - shown <= AHEAD + shrunk
        assert shown <= fed + grown
        assert flagging.feed(piece) == piece


def test_masking_shows_neutral_words() -> None:
    row = Row("qwen3:8b", "I am Qwen, made by Alibaba. Qwen can count.<|im_end|>")
    shown, _ = stream(row, list(row.answer), masking=True)
    assert shown == "I am [model], made by [maker]. [model] can count.[token]"


def test_a_name_that_was_told_is_a_leak_from_then_on() -> None:
    text = "A llama is an animal. I am Llama. Llama was trained for long."
    assert [leak.at for leak in scan("llama3.1:8b", text)] == [27, 34]


def test_plain_text_is_shown_at_once_even_when_masking() -> None:
    scanner = Scanner("llama3.1:8b", masking=True)
    assert scanner.feed("Rivers bend because ") == "Rivers bend because "
    assert scanner.feed("the l") == "the "
    assert scanner.feed("and is soft") == "land is soft"


def test_an_end_shows_what_was_held_back() -> None:
    scanner = Scanner("llama3.1:8b", masking=True)
    assert scanner.feed("I saw a lla") == "I saw a "
    assert scanner.finish() == "lla"
    assert scanner.finish() == ""


def test_a_name_in_the_prompt_or_the_system_prompt_is_no_leak() -> None:
    answer = "I am Qwen, as you said."
    assert scan("qwen3:8b", answer)
    assert not scan("qwen3:8b", answer, ["You are Qwen.", "Who are you?"])
    assert not scan("qwen3:8b", answer, ["", "Are you qwen?"])


def test_a_prompt_that_names_the_model_does_not_excuse_naming_the_maker_as_ones_own() -> None:
    assert [leak.word for leak in scan("qwen3:8b", "I am Qwen, made by Alibaba.", ["Are you Qwen?"])] == ["Alibaba"]


def test_a_prompt_about_an_animal_does_not_excuse_a_versioned_name() -> None:
    assert scan("llama3.1:8b", "I'm Llama 3.1.", ["Draw me a llama."])
    assert not scan("llama3.1:8b", "Llama 3.1 came in 2024.", ["Which llama models are there?"])


@pytest.mark.parametrize(
    ("model", "families"),
    [
        ("llama3.1:8b-instruct-q4_K_M", ["llama"]),
        ("registry.ollama.ai/library/mistral:7b", ["mistral"]),
        ("deepseek-r1:8b", ["deepseek", "qwen", "llama"]),
        ("biomistral:latest", ["mistral", "biomistral"]),
        ("codellama:13b", ["llama", "codellama"]),
        ("dolphin-phi:2.7b", ["phi", "dolphin"]),
        ("hf.co/bartowski/gemma-2-9b-it-GGUF", ["gemma"]),
        ("gpt-oss:20b", ["gpt"]),
        ("chatmrpt:latest", []),
    ],
)
def test_a_models_name_tells_its_families(model: str, families: list[str]) -> None:
    assert [family.name for family in families_of(model)] == families


def test_every_family_is_known_by_its_own_name_and_can_be_compiled() -> None:
    for family in FAMILIES:
        assert family.name in [found.name for found in families_of(f"{family.name}:7b")]
        assert names_of(f"{family.name}:7b").longest > 1


def test_a_model_of_no_known_family_leaks_any_family_it_claims_and_its_own_name() -> None:
    assert scan("zircon:7b", "I am Zircon.")
    assert scan("zircon:7b", "I'm ChatGPT.")
    assert not scan("zircon:7b", "ChatGPT is a chat page; zircon is a mineral.")


def test_a_model_that_is_caught_in_a_loop_is_not_listened_to_for_ever() -> None:
    loop = "Google " * MOST_WEIGHED
    assert scan("gemma2:9b", loop[:-14] + ". I was made by Google.")
    assert not scan("gemma2:9b", loop + ". I was made by Google.")
    assert scan("gemma2:9b", loop + ". Gemma 2 wrote this."), "an unmistakable name needs no listening"


class Labelled(NamedTuple):
    label: str
    language: str
    row: Row


def labelled(name: str) -> list[Labelled]:
    lines = (DATA / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    parts = [[part.replace("\\n", "\n") for part in line.split("\t")] for line in lines]
    return [Labelled(label, language, Row(*rest)) for label, language, *rest in parts]


def share_that_leaks(rows: list[Labelled], label: str) -> float:
    """The share of the rows with this label in which the guard finds a leak."""
    asked = [one.row for one in rows if one.label == label]
    return sum(bool(scan(row.model, row.answer, [row.prompt])) for row in asked) / len(asked)


def test_of_the_labelled_answers_most_leaks_are_found_and_few_others_are_flagged() -> None:
    rows = labelled("labelled")
    assert len(rows) >= 400
    assert len({one.language for one in rows}) >= 13
    for half in (rows[0::2], rows[1::2]):
        assert share_that_leaks(half, "leak") >= 0.97
        assert share_that_leaks(half, "clean") <= 0.01


def test_of_answers_in_other_words_as_many_are_found() -> None:
    rows = labelled("paraphrases")
    assert share_that_leaks(rows, "leak") >= 0.97
    assert share_that_leaks(rows, "clean") <= 0.02


def test_of_answers_that_were_labelled_before_the_rules_were_widened_most_are_found() -> None:
    rows = labelled("second")
    assert len(rows) >= 600
    assert len({one.language for one in rows}) >= 20
    assert share_that_leaks(rows, "leak") >= 0.97
    assert share_that_leaks(rows, "clean") <= 0.01


def test_of_answers_that_the_rules_were_not_fitted_to_nine_of_ten_are_found() -> None:
    assert share_that_leaks(labelled("third"), "leak") >= 0.95
    assert share_that_leaks(labelled("third") + labelled("fourth"), "clean") <= 0.01


def test_of_answers_of_six_more_languages_and_other_subjects_nine_of_ten_are_found() -> None:
    rows = labelled("fifth") + labelled("sixth") + labelled("seventh")
    assert len({one.language for one in rows}) >= 30
    assert share_that_leaks(rows, "leak") >= 0.96
    assert share_that_leaks(rows, "clean") <= 0.01


def test_of_answers_of_all_shapes_nearly_all_leaks_are_found_and_no_other_answer() -> None:
    rows = labelled("eighth") + labelled("ninth") + labelled("tenth") + labelled("eleventh")
    assert share_that_leaks(rows, "leak") >= 0.97
    assert share_that_leaks(rows, "clean") <= 0.005


@pytest.mark.parametrize(
    "answer",
    [
        "For a laptop I would take Qwen2.5 7B in four bits.",
        'The paper "Qwen2.5 Technical Report" has the details.',
        "Fine-tuning Qwen with LoRA takes an hour.",
        "Do you mean Qwen or Gwen?",
        "I am not Qwen.",
    ],
)
def test_an_unmistakable_name_leaks_only_where_the_sentence_is_about_who_writes(answer: str) -> None:
    assert not scan("qwen3:8b", answer)
    assert scan("qwen3:8b", f"{answer} You are reading what Qwen says about me.")


@pytest.mark.parametrize(
    "answer",
    [
        "I am a software engineer who spent four years at Google, where I was trained in reliability.",
        "Ich wurde von Google als Trainer zertifiziert und gebe Kurse.",
        "J'ai été formé par Google et je donne des cours aux débutants.",
    ],
)
def test_who_learned_a_trade_at_a_company_is_a_person(answer: str) -> None:
    assert not scan("gemma2:9b", answer)


@pytest.mark.parametrize(
    "answer",
    [
        "I am G e m m a.",
        "I'm G.E.M.M.A., an assistant.",
        "I'm <b>Gemma</b>, an assistant.",
        "<name>Gemma</name>\n<developer>Google</developer>",
        "Q: What is your name?\nA: Gemma.",
        "Kind regards,\nGemma (an AI assistant)",
    ],
)
def test_a_name_that_is_spelt_tagged_signed_or_asked_for_leaks(answer: str) -> None:
    assert scan("gemma2:9b", answer)


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        ("gemma2:9b", "I was not made by OpenAI but by Google."),
        ("gemma2:9b", "I'm not only an assistant, I'm Gemma."),
        ("gemma2:9b", "I can't see pictures because I was trained by Google on text."),
        ("gemma2:9b", "If you want to know: I'm from Google."),
        ("gemma2:9b", "No soy ChatGPT, soy Gemma."),
        ("gemma2:9b", "Ich wurde nicht von Meta, sondern von Google entwickelt."),
    ],
)
def test_a_denial_of_something_else_hides_no_leak(model: str, answer: str) -> None:
    assert scan(model, answer)


def test_every_language_of_the_corpus_has_its_leaks_found() -> None:
    rows = labelled("labelled") + labelled("paraphrases")
    for language in {one.language for one in rows}:
        assert share_that_leaks([one for one in rows if one.language == language], "leak") >= 0.9, language


_ODD = [
    "\u200b",
    "\u00ad",
    "\u0435",
    "\u0430",
    "\uff27",
    "\uff45",
    "G",
    "mm",
    "\u0301",
    "\u0441\u043e\u0440",
    "\uff78\uff9e",
    "\U0001d410",
    " ",
]


@given(st.lists(st.sampled_from([*_PARTS, *_ODD]), max_size=60), st.lists(st.integers(0, 500), max_size=30))
def test_any_split_of_disguised_text_gives_the_same_masked_text(parts: list[str], cuts: list[int]) -> None:
    row = Row("gemma2:9b", "".join(parts))
    leaks = scan(row.model, row.answer)
    assert stream(row, pieces_at(row.answer, cuts), masking=True) == (masked(row.answer, leaks), leaks)


@given(
    st.sampled_from([one for one in labelled("labelled") if one.label == "leak"]),
    st.lists(st.integers(0, 500), max_size=20),
)
def test_any_split_of_any_language_gives_the_same_masked_text(one: Labelled, cuts: list[int]) -> None:
    leaks = scan(one.row.model, one.row.answer)
    assert stream(one.row, pieces_at(one.row.answer, cuts), masking=True) == (masked(one.row.answer, leaks), leaks)


@pytest.mark.parametrize(
    "answer",
    [
        "I am \uff27\uff45\uff4d\uff4d\uff41.",
        "I am G\u0435mm\u0430.",
        "I am Gem\u200bma.",
        "I am Gem\u00adma.",
        "I am \U0001d406emma.",
    ],
)
def test_a_disguised_name_is_found_where_it_was_written(answer: str) -> None:
    (leak,) = scan("gemma2:9b", answer)
    assert (leak.at, leak.word) == (5, answer[5:-1])


def test_an_ordinary_word_of_another_alphabet_is_no_disguise() -> None:
    assert not scan("gemma2:9b", "Обычный текст на русском языке: он не о моделях.")  # noqa: RUF001 - as it is
    assert not scan("phi3:mini", "Η γωνία φ και ο αριθμός π.")  # noqa: RUF001 - as it is


def test_once_an_answer_has_leaked_every_name_of_its_family_and_maker_is_masked() -> None:
    row = Row("gemma2:9b", "I am Gemma, a language model by Google. Gemma 2 is small, says Google DeepMind.")
    shown, _ = stream(row, list(row.answer), masking=True)
    assert shown == "I am [model], a language model by [maker]. [model] is small, says [maker]."


def names_left(row: Row, shown: str) -> list[str]:
    """The names of the model's family and maker that a text shows, but those that its prompt has used."""
    names = names_of(row.model)
    asked = prompt_words(names, [row.prompt]).words
    folded = Folder().fold(shown, 0, "", ended=True)
    found = [names.name.match(folded, start.start()) for start in names.trigger.finditer(folded)]
    left = [name[0] for name in found if name is not None]
    return [name for name in left if not (name.islower() and name.isascii()) and name.lower() not in asked]


@pytest.mark.parametrize("name", [*LABELLED, "leaking"])
def test_no_masked_answer_shows_a_name_unless_it_counts_as_leaked(name: str) -> None:
    rows = LEAKING if name == "leaking" else [one.row for one in labelled(name)]
    for row in rows:
        for size in (1, 7, len(row.answer)):
            scanner = Scanner(row.model, [row.prompt], masking=True)
            pieces = [row.answer[at : at + size] for at in range(0, len(row.answer), size)]
            shown = "".join(scanner.feed(piece) for piece in pieces) + scanner.finish()
            if scanner.leaks and not scanner.exposed:
                assert names_left(row, shown) == [], (row, shown)


def test_an_answer_that_showed_a_name_before_its_leak_is_exposed() -> None:
    scanner = Scanner("gemma2:9b", masking=True)
    scanner.feed("Google is a company. " + "It rains. " * 20 + "I am Gemma.")
    scanner.finish()
    assert scanner.exposed
    assert mark_of("mask", scanner.leaks[0], exposed=True) == "flag: name Gemma"
    assert is_leaked(mark_of("mask", scanner.leaks[0], exposed=True))
    assert not is_leaked(mark_of("mask", scanner.leaks[0]))


def test_a_list_of_models_an_import_and_a_command_are_no_leaks() -> None:
    assert not scan("llama3.1:8b", "You could run Llama 3, Mistral or Qwen on it.")
    assert not scan("llama3.1:8b", "from llama_cpp import Llama")
    assert not scan("llama3.1:8b", "Type ollama run llama3 and wait.")


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        ("gpt-oss:20b", "Some schools ban ChatGPT, others teach it."),
        ("deepseek-r1:8b", "After DeepSeek had shown a model that is cheap to train, chip makers lost value."),
        ("qwen3:8b", '```\ncurl localhost:11434/api/show -d \'{"model": "qwen3:8b"}\'\n```'),
        ("gpt-oss:20b", 'People call every chatbot "ChatGPT".'),
        ("phi3:mini", "엑셀은 마이크로소프트가 개발한 프로그램입니다. 저는 간단한 수식부터 추천합니다."),
        ("phi3:mini", "Excel е създаден от Microsoft. Аз бих започнал с прости формули."),  # noqa: RUF001 - as it is
        ("llama3.1:8b", "FROM llama3.1\nPARAMETER temperature 0.2"),
        ("gemma2:9b", "- Gemma 2 (Google)\n- Llama 3.2 (Meta)\n"),
        ("gemma2:9b", 'SYSTEM = "You are Gemma, a helpful assistant by Google."'),
        ("llama3.1:8b", "Title: PyTorch\nDeveloper: Meta\n"),
        ("phi3:mini", "What makes you think I'm from Microsoft?"),
    ],
)
def test_a_model_or_maker_as_the_subject_of_a_text_is_no_leak(model: str, answer: str) -> None:
    assert not scan(model, answer)


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        ("gpt-oss:20b", "I am ChatGPT."),
        ("deepseek-r1:8b", "DeepSeek created me in Hangzhou."),
        ("qwen3:8b", "I am qwen3:8b."),
        ("deepseek-r1:8b", "我是由深度求索（DeepSeek）公司开发的助手。"),  # noqa: RUF001 - as it is written
        ("gemma2:9b", "You are Gemma, an open model by Google."),
    ],
)
def test_such_a_name_is_a_leak_where_the_text_speaks_of_itself(model: str, answer: str) -> None:
    assert scan(model, answer)
