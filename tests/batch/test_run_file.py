"""The run file and the jobs: what is taken, and what is said of the rest."""

from __future__ import annotations

import orjson
import pytest

from app.batch.jobs_file import JobLines, begins_with_chat, too_many
from app.batch.run_file import read_run
from app.batch.spec import decode_spec, encode_spec, seed_of
from app.errors import InvalidInput

RUN = """
name = "debate"
seed = 3
[[stages]]
name = "draft"
models = ["a:1b", "b:1b"]
prompt = "For {{ topic }}"
samples = 2
[[stages]]
name = "reply"
model = "c:1b"
prompt = "Against {{ draft }}"
json = { type = "object", required = ["score"] }
options = { temperature = 0.1 }
"""


def test_a_run_file_is_read_and_kept_as_it_is() -> None:
    spec = read_run(RUN)
    assert [stage.name for stage in spec.stages] == ["draft", "reply"]
    assert [spec.stages[0].model_of(part) for part in range(4)] == ["a:1b", "a:1b", "b:1b", "b:1b"]
    assert spec.stages[1].json == {"type": "object", "required": ["score"]}
    assert spec.parts == 5
    assert decode_spec(encode_spec(spec)) == spec


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        (("model = ", "modle = "), "stages.1.modle", "there is no such field"),
        (('name = "reply"', 'name = "draft"'), "stages.1.name", "two stages"),
        (('name = "reply"', 'name = "Reply 1"'), "stages.1.name", "write a word"),
        (('models = ["a:1b", "b:1b"]', ""), "stages.0.model", "name one model"),
        (('"b:1b"]', '"A:1b"]'), "stages.0.models", "twice"),
        (("samples = 2", "samples = 0"), "stages.0.samples", "greater than"),
        (("temperature = 0.1", "num_ctx = 9"), "stages.1.options.num_ctx", "arena.toml"),
        (('type = "object"', 'type = "thing"'), "stages.1.json", "no JSON schema"),
        (('required = ["score"]', '"$ref" = "http://x/y"'), "stages.1.json", "nothing is fetched"),
        (("seed = 3", 'max_failures = "many"'), "max_failures", "20 or 5%"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(change: tuple[str, str], field: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as error:
        read_run(RUN.replace(*change))
    assert error.value.field == field


def test_seeds_belong_to_calls_and_not_to_their_order() -> None:
    spec = read_run(RUN)
    seeds = {seed_of(spec, job, stage, part) for job in ("x", "y") for stage in (0, 1) for part in (0, 1)}
    assert len(seeds) == 8
    assert seed_of(spec, "x", 0, 1) == seed_of(spec, "x", 0, 1)


def jobs(*lines: object, chat: bool = False) -> JobLines:
    reader = JobLines(chat=chat, reserved=["draft"])
    list(reader.read(orjson.dumps(line) if not isinstance(line, bytes) else line for line in lines))
    return reader


def test_jobs_are_numbered_and_blank_lines_are_no_jobs() -> None:
    reader = JobLines(chat=False)
    read = list(reader.read([b'{"custom_id": "a", "t": 1}\n', b"\n", b'{"custom_id": "b", "t": 2}']))
    assert [(job.n, job.line, job.custom_id, dict(job.fields)) for job in read] == [
        (0, 1, "a", {"t": 1}),
        (1, 3, "b", {"t": 2}),
    ]


def test_the_digest_is_of_what_jobs_say_and_not_of_how_they_are_written() -> None:
    one = jobs(b'{"custom_id": "a", "t": 1, "u": 2}')
    assert one.digest == jobs(b'{"u":2,"t":1,"custom_id":"a"}\n\n').digest
    assert one.digest != jobs(b'{"custom_id": "a", "t": 1, "u": 3}').digest


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([b"{oops"], "line 1: that is no JSON"),
        ([[1]], "line 1: write one object"),
        ([{"topic": "x"}], "line 1: custom_id must be a text"),
        ([{"custom_id": "a"}, {"custom_id": "a"}], "line 2: custom_id 'a' was on line 1 already"),
        ([{"custom_id": "a", "draft": 1}], "the name of a stage; rename"),
    ],
)
def test_a_line_that_is_no_job_is_named(lines: list[object], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        jobs(*lines)


def test_lines_of_openai_are_jobs_by_themselves() -> None:
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m"}}
    assert begins_with_chat(orjson.dumps(line))
    assert not begins_with_chat(b'{"custom_id": "a"}')
    assert jobs(line, chat=True).count == 1
    with pytest.raises(InvalidInput, match="url must be"):
        jobs({**line, "url": "/v1/embeddings"}, chat=True)


@pytest.mark.parametrize(
    ("limit", "failed", "stops"),
    [("", 1000, False), ("3", 3, False), ("3", 4, True), ("5%", 5, False), ("5%", 6, True)],
)
def test_a_run_stops_above_its_limit_of_failures(limit: str, failed: int, stops: bool) -> None:
    assert too_many(limit, failed, 100) is stops
