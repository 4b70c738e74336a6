"""Templates in their child process: what they may read, and what they may not take."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.batch.rendering.renderer import JudgeItem, Renderer, RenderItem, RenderReply
from app.batch.run_file import read_run
from app.batch.submission import RunProblems, check, with_needs
from app.errors import InvalidInput

RUN = """
[[stages]]
name = "draft"
model = "a"
prompt = "On {{ topic }}{% if note is defined %} ({{ note }}){% endif %}"
json = { type = "object", required = ["score"] }
[[stages]]
name = "reply"
model = "b"
when = "draft.json.score > 3"
system = "You are {{ job.tone }}."
prompt = "{{ draft }}|{{ draft.all | length }}|{{ custom_id }}"
[[stages]]
name = "bomb"
model = "b"
prompt = "{{ 'a' * 900000000 }}"
[[stages]]
name = "slow"
model = "b"
prompt = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
[[stages]]
name = "escape"
model = "b"
prompt = "{{ ''.__class__.__mro__ }}"
"""
FIELDS = {"topic": "rivers", "tone": "kind"}


@pytest.fixture
async def renderer() -> AsyncIterator[Renderer]:
    renderer = Renderer(read_run(RUN), limit_s=1.0)
    await renderer.open()
    yield renderer
    await renderer.aclose()


def answer(text: str) -> dict[str, list[dict[str, str]]]:
    return {"draft": [{"text": text, "model": "a"}]}


async def test_templates_read_fields_and_answers_and_nothing_else(renderer: Renderer) -> None:
    first, second, skipped, misses, missing, escape, bomb, slow, after, good, odd, worse = await renderer.replies(
        [
            RenderItem(0, "1", FIELDS, {}),
            RenderItem(1, "1", FIELDS, answer('{"score": 4}')),
            RenderItem(1, "1", FIELDS, answer('{"score": 3}')),
            RenderItem(0, "1", {}, None),
            RenderItem(1, "1", {"topic": "x"}, answer('{"score": 4}')),
            RenderItem(4, "1", FIELDS, {}),
            RenderItem(2, "1", FIELDS, {}),
            RenderItem(3, "1", FIELDS, {}),
            RenderItem(0, "1", FIELDS, {}),
            JudgeItem(0, '{"score": 1}'),
            JudgeItem(0, '{"other": 1}'),
            JudgeItem(0, "score"),
        ]
    )
    assert first.prompt == "On rivers"
    assert (second.system, second.prompt) == ("You are kind.", '{"score": 4}|1|1')
    assert skipped.skip
    assert (misses.error, misses.why) == ("missing", "topic")
    assert (missing.error, missing.why) == ("missing", "tone")
    assert escape.error in ("missing", "template")
    assert bomb.error == "memory"
    assert slow.error == "time"
    assert after.prompt == "On rivers"
    assert good.value == {"score": 1}
    assert (odd.error, worse.error) == ("invalid", "invalid")
    assert "'score' is a required property" in odd.why


async def test_a_missing_field_is_found_before_there_are_answers(renderer: Renderer) -> None:
    replies = await renderer.replies(
        [RenderItem(stage, "1", fields, None) for stage in (0, 1) for fields in (FIELDS, {"topic": "x"})]
    )
    assert replies == [RenderReply(), RenderReply(), RenderReply(), RenderReply(error="missing", why="tone")]


async def test_the_error_names_job_stage_and_field() -> None:
    spec = read_run(RUN.split('name = "bomb"')[0].rpartition("[[")[0])
    lines = [b'{"custom_id": "one", "topic": "x", "tone": "y"}', b'{"custom_id": "two", "topic": "x"}']
    with pytest.raises(RunProblems) as error:
        await check(spec, lines, lambda _: pytest.fail("no chat"))
    (problem,) = error.value.problems
    assert problem.startswith("line 2, job 'two', stage reply: the field 'tone' is missing")


async def test_a_template_that_can_not_be_read_is_named() -> None:
    with pytest.raises(InvalidInput, match="stage draft, line 1"):
        await Renderer(read_run('[[stages]]\nname = "draft"\nmodel = "a"\nprompt = "{{ topic"')).open()


def test_a_stage_reads_earlier_stages_only() -> None:
    spec = read_run(
        '[[stages]]\nname = "a"\nmodel = "m"\nprompt = "{{ b }}"\n[[stages]]\nname = "b"\nmodel = "m"\nprompt = "x"'
    )
    with pytest.raises(InvalidInput, match="put b before it"):
        with_needs(spec, [frozenset({"b"}), frozenset()])
    needs = with_needs(spec, [frozenset({"t"}), frozenset({"a", "t"})])
    assert [stage.needs for stage in needs.stages] == [(), (0,)]
