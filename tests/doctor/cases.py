"""Every trouble that the doctor knows, planted for real: over sockets, in a Redis, in a database.

What can't be planted on one machine without a second network (no route, an old Redis) is in ``test_findings.py``.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import Any

from app.doctor.probing.lag import Lag
from app.draw.store import DrawStore
from app.scheduling.report import HostEvent
from app.settings.settings import Ignored
from tests.doctor.deployment import HEALTHY, TRIO, Deployment
from tests.doctor.servers import free_port, full_backlog, http, ollama, server_tls, serving, website

FIRST, SECOND, THIRD = TRIO


@dataclass(frozen=True)
class Case:
    """A trouble and what must be said of it; ``also`` are the codes that come with it, nothing else may."""

    plant: Callable[[Deployment], Awaitable[None]]
    code: str
    severity: str
    words: tuple[str, ...]
    also: tuple[str, ...] = ()


CASES: list[Case] = []


def case(code: str, severity: str, *words: str, also: tuple[str, ...] = ()) -> Callable[..., Any]:
    """Add a case; ``words`` must be in its cause, remedy or command."""

    def add(plant: Callable[[Deployment], Awaitable[None]]) -> Callable[[Deployment], Awaitable[None]]:
        CASES.append(Case(plant, code, severity, words, also))
        return plant

    return add


# Settings


@case("setting_ignored", "warning", "ARENA_MODLES", "did you mean ARENA_MODELS?")
async def a_name_is_misspelled(deployment: Deployment) -> None:
    why = Ignored("ARENA_MODLES", "there is no such setting", "did you mean ARENA_MODELS?", mistake=True)
    deployment.settings |= {"[ignored]": (why,)}
    await deployment.start()


@case("setting_ignored", "note", "channel_binding")
async def the_database_has_a_word_that_means_nothing_here(deployment: Deployment) -> None:
    deployment.settings |= {"database_url": "postgresql://db/arena?channel_binding=prefer"}
    await deployment.start()


@case("no_settings", "note", "no .env", "cp .env.example .env")
async def the_folder_is_not_the_arenas(deployment: Deployment) -> None:
    deployment.settings |= {"[given]": frozenset()}
    await deployment.start()


@case("machine_too_busy", "warning", "too busy to tell", "gpu")
async def the_machine_had_no_time_to_hear_a_server_that_is_silent(deployment: Deployment) -> None:
    port = await deployment.serve(serving(None))
    deployment.host["url"] = f"http://127.0.0.1:{port}"
    seconds = count(step=0.1)  # at each look another tenth of a second has passed, in which nothing was done here
    deployment.lag = Lag(clock=lambda: next(seconds), cpu=float, load=float)
    await deployment.start()
    deployment.reports = False


@case("forwarded_for_ignored", "warning", "10.0.0.7", "one voter", "FORWARDED_ALLOW_IPS=10.1.0.0/16,10.0.0.7")
async def the_balancer_is_not_believed(deployment: Deployment) -> None:
    await deployment.start()
    signs = {"10.0.0.7": "ignored", "10.1.0.7": "ignored"}  # the second is in the settings by now
    await deployment.redis.hset("arena:voters:addresses", mapping=signs)
    await deployment.redis.expire("arena:voters:addresses", 60)
    deployment.settings |= {"forwarded_allow_ips": "10.1.0.0/16"}


@case("voters_look_alike", "warning", "10.0.0.7", "X-Forwarded-For")
async def everybody_votes_from_one_address(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.redis.hset("arena:voters:addresses", mapping={"10.0.0.7": "alone"})
    await deployment.redis.expire("arena:voters:addresses", 60)


# Addresses


@case("host_refuses", "error", "refuses the connection", "ollama serve")
async def nobody_listens(deployment: Deployment) -> None:
    deployment.health = "down"
    deployment.host["url"] = f"http://127.0.0.1:{free_port()}"
    await deployment.start()


@case("host_refuses", "warning", "refuses the connection")
async def one_of_two_hosts_is_dead(deployment: Deployment) -> None:
    deployment.more_hosts = [{"name": "dead", "url": f"http://127.0.0.1:{free_port()}"}]
    await deployment.start()
    await deployment.report(host="dead", health="down", why="unavailable")


@case("host_times_out", "error", "does not accept the connection", "nc -vz")
async def connections_are_not_taken(deployment: Deployment) -> None:
    deployment.health = "down"
    deployment.host["url"] = f"http://127.0.0.1:{deployment.stack.enter_context(full_backlog())}"
    await deployment.start()


@case("host_silent", "error", "sends no response", "systemctl restart ollama")
async def a_server_that_hangs(deployment: Deployment) -> None:
    deployment.health = "down"
    await deployment.start()
    assert deployment.sim is not None
    deployment.sim.faults.set({"half_open": True})


@case("host_silent", "error", "sends no response")
async def a_server_that_resets_connections(deployment: Deployment) -> None:
    deployment.health = "down"
    await deployment.start()
    assert deployment.sim is not None
    deployment.sim.faults.set({"tcp_reset": "request"})


@case("host_slow", "warning", "/api/ps", "systemctl restart ollama")
async def a_server_whose_list_is_late(deployment: Deployment) -> None:
    await deployment.start()
    assert deployment.sim is not None
    deployment.sim.faults.set({"ps_lag_s": 500.0})


@case("host_not_ollama", "error", "nginx", "11434")
async def another_server_answers(deployment: Deployment) -> None:
    deployment.health = "down"
    deployment.host["url"] = f"http://127.0.0.1:{await deployment.serve(serving(website))}"
    await deployment.start()


@case("host_not_ollama", "error", "not HTTP", "SSH-2.0")
async def something_else_than_http_answers(deployment: Deployment) -> None:
    deployment.health = "down"
    deployment.host["url"] = (
        f"http://127.0.0.1:{await deployment.serve(serving(lambda _: b'SSH-2.0-OpenSSH_9.2' + bytes(40)))}"
    )
    await deployment.start()


@case("host_not_ollama", "error", "redirected to https://elsewhere")
async def a_redirect(deployment: Deployment) -> None:
    deployment.health = "down"

    def moved(path: str) -> bytes:
        return http(b"", "301 Moved Permanently", Location="https://elsewhere" + path)

    deployment.host["url"] = f"http://127.0.0.1:{await deployment.serve(serving(moved))}"
    await deployment.start()


@case("host_dns_fails", "error", "can't be resolved", "getent hosts nowhere.invalid")
async def a_name_that_is_none(deployment: Deployment) -> None:
    deployment.health = "down"
    deployment.host["url"] = "http://nowhere.invalid:11434"
    await deployment.start()


@case("host_wrong_scheme", "error", "configured with https://", "speaks http://", "curl")
async def https_asked_where_http_answers(deployment: Deployment) -> None:
    deployment.health = "down"
    await deployment.start()
    deployment.host["url"] = deployment.host["url"].replace("http://", "https://")


@case("host_wrong_scheme", "error", "configured with http://", "use https://")
async def http_asked_where_https_answers(deployment: Deployment) -> None:
    deployment.health = "down"
    port = await deployment.serve(serving(ollama(models=TRIO), server_tls()))
    deployment.host["url"] = f"http://127.0.0.1:{port}"
    await deployment.start()


@case("host_tls_untrusted", "error", "certificate", "openssl s_client")
async def a_certificate_that_nobody_trusts(deployment: Deployment) -> None:
    deployment.health = "down"
    port = await deployment.serve(serving(ollama(models=TRIO), server_tls()))
    deployment.host["url"] = f"https://localhost:{port}"
    await deployment.start()


@case("host_forbids", "error", "403", "OLLAMA_HOST=0.0.0.0")
async def a_host_name_that_ollama_refuses(deployment: Deployment) -> None:
    deployment.health = "down"
    await deployment.start()
    assert deployment.sim is not None
    deployment.sim.faults.set({"host_check": True})


@case("host_wants_login", "error", "user name and a password", "http://user:password@host:port")
async def a_proxy_that_wants_a_login(deployment: Deployment) -> None:
    deployment.health = "down"
    port = await deployment.serve(serving(lambda _: http(b"who are you?", "401 Unauthorized")))
    deployment.host["url"] = f"http://127.0.0.1:{port}"
    await deployment.start()


@case("host_seen_down", "warning", "answers from this machine", "firewall")
async def only_the_driver_does_not_reach_it(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.report(health="down", why="unavailable")


@case("answers_fail", "error", "its last 7 answers failed", "no connection within 2 s", "/api/chat", TRIO[0])
async def every_answer_fails_while_probes_are_green(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.report(health="down", why="unavailable", failed_answers=7, failure="no connection within 2 s")


@case("answers_fail", "warning", "its last 5 answers failed", "cut long ones off")
async def every_answer_of_one_of_two_hosts_fails(deployment: Deployment) -> None:
    await deployment.start()
    other = await deployment.simulated(HEALTHY)
    deployment.more_hosts = [{"name": "second", "url": other.url}]
    await deployment.report(host="second", health="trying", failed_answers=5)


@case("host_refuses", "warning", "refuses", "its driver reports that it is up")
async def only_the_driver_reaches_it(deployment: Deployment) -> None:
    deployment.host["url"] = f"http://127.0.0.1:{free_port()}"
    await deployment.start()


@case("host_driven_elsewhere", "warning", "http://10.9.9.9:11434", "restart the arena")
async def the_address_was_changed_and_the_arena_not_restarted(deployment: Deployment) -> None:
    """What happened at the other address (a restart, foreign models) is no finding about this one."""
    await deployment.start()
    await deployment.report(
        ("unloaded_by_others", FIRST), ("host_down", ""), health="up", address="http://10.9.9.9:11434"
    )


@case("host_asleep", "note", "scales to zero", "arena doctor --wake")
async def a_host_that_is_not_to_be_woken(deployment: Deployment) -> None:
    deployment.host |= {"scale_to_zero": True, "models": [*TRIO]}
    deployment.loaded = ()
    await deployment.start()
    assert deployment.sim is not None
    deployment.sim.faults.set({"connection_refused": True})


@case("host_refuses", "error", "refuses the connection")
async def a_host_that_does_not_wake(deployment: Deployment) -> None:
    deployment.health, deployment.wake = "down", timedelta(seconds=1)
    deployment.host |= {"scale_to_zero": True, "models": [*TRIO], "url": f"http://127.0.0.1:{free_port()}"}
    await deployment.start()


@case("same_server_twice", "warning", "two drivers", "arena.toml")
async def one_server_under_two_names(deployment: Deployment) -> None:
    await deployment.start()
    deployment.more_hosts = [{"name": "again", "url": deployment.host["url"].replace("127.0.0.1", "localhost")}]
    await deployment.report(host="again")


@case("version_too_old", "warning", "0.24.0", "install.sh")
async def an_old_ollama(deployment: Deployment) -> None:
    deployment.simulator = replace(deployment.simulator, version="0.24.0")
    await deployment.start()


# Models


@case("host_odd_rows", "warning", "/api/tags", "/api/ps", "row 1: name is missing", "can't be used", "curl")
async def rows_that_are_not_ollamas(deployment: Deployment) -> None:
    await deployment.start()
    assert deployment.sim is not None
    deployment.sim.faults.set({"odd_rows": True})


@case("model_missing", "warning", "llama3.1:8b?", "ollama list", also=("fewer_than_num_models",))
async def a_name_with_a_slip(deployment: Deployment) -> None:
    deployment.loaded = TRIO[1:]
    deployment.settings["arena_models"] = ("llama3.1-8b", SECOND, THIRD)
    deployment.simulator = replace(deployment.simulator, models=TRIO)
    await deployment.start()


@case("model_missing", "warning", "no host has phi4:14b", "ollama pull phi4:14b")
async def a_model_that_was_never_pulled(deployment: Deployment) -> None:
    deployment.settings["arena_models"] = (*TRIO, "phi4:14b")
    deployment.loaded = TRIO
    await deployment.start()


@case("model_missing_on_host", "warning", "does not have it", "ollama pull gemma2:9b")
async def a_model_that_another_host_has(deployment: Deployment) -> None:
    other = await deployment.simulated(replace(deployment.simulator, models=(*TRIO, "gemma2:9b")))
    deployment.host["models"] = [*TRIO, "gemma2:9b"]
    deployment.more_hosts = [{"name": "gpu2", "url": other.url, "memory_gb": 24}]
    deployment.settings["arena_models"] = (*TRIO, "gemma2:9b")
    deployment.loaded = TRIO
    await deployment.start()
    await deployment.report(host="gpu2")


@case("model_cloud", "warning", "cloud", "ARENA_MODELS")
async def a_model_of_the_cloud(deployment: Deployment) -> None:
    deployment.settings["arena_models"] = (*TRIO, "gpt-oss:120b-cloud")
    deployment.loaded = TRIO
    await deployment.start()


@case("too_few_models", "error", "needs two models", "ollama pull", also=("model_missing",))
async def one_model_only(deployment: Deployment) -> None:
    deployment.settings["arena_models"] = (FIRST, "phi4:14b")
    deployment.loaded = (FIRST,)
    await deployment.start()


@case("too_few_models", "error", "ARENA_MODELS is empty", "ollama pull")
async def no_models_named_and_one_installed(deployment: Deployment) -> None:
    deployment.simulator = replace(deployment.simulator, models=(FIRST,))
    deployment.settings["arena_models"], deployment.loaded = (), (FIRST,)
    await deployment.start()


@case("fewer_than_num_models", "warning", "should have 4 models", "ARENA_NUM_MODELS=3")
async def more_models_asked_for_than_there_are(deployment: Deployment) -> None:
    deployment.settings["arena_num_models"] = 4
    await deployment.start()


@case("models_share_weights", "warning", "same weights", "llama3.1:8b", "mine:latest")
async def two_names_for_the_same_weights(deployment: Deployment) -> None:
    deployment.simulator = replace(deployment.simulator, models=(*TRIO, f"mine={FIRST}"))
    deployment.settings["arena_models"], deployment.loaded = (FIRST, SECOND, "mine"), (FIRST, SECOND)
    await deployment.start()


@case("model_differs", "warning", "not the same file on every host", "on gpu2", "ollama pull qwen3:8b")
async def one_name_for_two_files(deployment: Deployment) -> None:
    port = await deployment.serve(serving(ollama(models=(THIRD,))))
    deployment.more_hosts = [{"name": "gpu2", "url": f"http://127.0.0.1:{port}"}]
    await deployment.start()
    await deployment.report(host="gpu2")


@case("model_table_unused", "warning", "have no effect", "did you mean llama3.1:8b?", "grep -n lama3.1:8b arena.toml")
async def a_slip_in_a_table_of_models(deployment: Deployment) -> None:
    await deployment.start()
    deployment.settings["[[models]]"] = ({"name": "lama3.1:8b", "num_ctx": 8192},)


@case("num_ctx_over_training", "warning", "was trained for 8192", "ARENA_NUM_CTX=8192")
async def more_context_than_a_model_was_trained_for(deployment: Deployment) -> None:
    deployment.simulator = replace(deployment.simulator, models=(*TRIO[:2], "gemma2:9b"))
    deployment.settings["arena_models"] = (*TRIO[:2], "gemma2:9b")
    deployment.settings["arena_num_ctx"], deployment.loaded = 12288, ()
    deployment.host = {"name": "gpu"}
    await deployment.start()


@case("num_predict_over_num_ctx", "warning", "2048", "ARENA_NUM_PREDICT=1024")
async def answers_longer_than_the_context(deployment: Deployment) -> None:
    deployment.settings["arena_num_ctx"], deployment.settings["arena_num_predict"] = 2048, 2048
    await deployment.start()


@case("model_cannot_think", "note", "think = true", "ollama show llama3.1:8b")
async def a_model_that_cannot_think_is_configured_to(deployment: Deployment) -> None:
    deployment.settings["arena_think"] = True
    await deployment.start()


@case("max_message_over_num_ctx", "note", "prompt_too_long", "ARENA_MAX_MESSAGE=8192")
async def messages_longer_than_the_context(deployment: Deployment) -> None:
    deployment.settings["arena_num_ctx"], deployment.settings["arena_max_message"] = 2048, 32_000
    await deployment.start()


# Memory


@case("model_on_cpu", "warning", "on the CPU", "nvidia-smi")
async def the_card_was_not_found(deployment: Deployment) -> None:
    deployment.simulator = replace(deployment.simulator, faults=(("cpu_fallback", True),))
    await deployment.start()


@case("model_on_cpu", "warning", "on the CPU", "ollama stop")
async def one_model_slipped_to_the_cpu(deployment: Deployment) -> None:
    deployment.loaded = TRIO[:2]
    await deployment.start()
    assert deployment.sim is not None
    deployment.sim.faults.set({"cpu_fallback": True})
    await deployment.load(THIRD)


@case(
    "model_partly_offloaded",
    "warning",
    "runs on the CPU",
    "alone it needs",
    also=("model_too_large", "set_does_not_fit"),
)
async def a_model_that_is_too_large(deployment: Deployment) -> None:
    deployment.simulator = replace(deployment.simulator, models=("big=30", SECOND, THIRD))
    deployment.settings["arena_models"], deployment.loaded = ("big", SECOND, THIRD), ("big",)
    await deployment.start()


@case("model_too_large", "warning", "alone, big:latest", "24.0 GiB", also=("set_does_not_fit",))
async def a_model_that_would_be_too_large(deployment: Deployment) -> None:
    deployment.simulator = replace(deployment.simulator, models=("big=30", SECOND, THIRD))
    deployment.settings["arena_models"], deployment.loaded = ("big", SECOND, THIRD), ()
    await deployment.start()


@case("set_does_not_fit", "warning", "80 %", "drop", "num_ctx to 12288", "ARENA_NUM_CTX=12288")
async def a_set_that_does_not_fit_at_this_context(deployment: Deployment) -> None:
    trio = ("llama3.2:3b", "llama3.1:8b", "qwen2.5:14b")
    deployment.simulator = replace(deployment.simulator, models=trio)
    deployment.settings |= {"arena_models": trio, "arena_num_ctx": 32768}
    deployment.host["memory_gb"], deployment.loaded = 23.5, ()
    await deployment.start()


@case("set_does_not_fit", "warning", "drop three:latest", "ARENA_MODELS=one:latest,two:latest")
async def a_set_that_fits_at_no_context(deployment: Deployment) -> None:
    deployment.simulator = replace(deployment.simulator, models=("one=9", "two=9.5", "three=8"))
    deployment.settings["arena_models"], deployment.loaded = ("one", "two", "three"), ()
    await deployment.start()


@case("pins_do_not_fit", "warning", "the pinned models", "pin = true", also=("set_does_not_fit",))
async def pinned_models_that_do_not_fit_together(deployment: Deployment) -> None:
    deployment.simulator = replace(deployment.simulator, models=("one=12", "two=11", THIRD))
    deployment.settings["arena_models"], deployment.loaded = ("one", "two", THIRD), ()
    deployment.settings["[[models]]"] = ({"name": "one", "pin": True}, {"name": "two", "pin": True})
    await deployment.start()


@case("max_loaded_too_small", "warning", "OLLAMA_MAX_LOADED_MODELS", "a load evicted llama3.1:8b")
async def a_load_pushed_out_another(deployment: Deployment) -> None:
    deployment.simulator, deployment.loaded = replace(deployment.simulator, max_loaded=2), TRIO[1:]
    await deployment.start()
    await deployment.report(("pushed_out", FIRST), max_models=2)


@case("max_loaded_too_small", "warning", "battles use 4 models", "OLLAMA_MAX_LOADED_MODELS=4")
async def more_models_than_ollama_keeps(deployment: Deployment) -> None:
    deployment.simulator = replace(deployment.simulator, models=(*TRIO, "llama3.2:3b"), card="a100-80")
    deployment.settings["arena_models"], deployment.loaded = (*TRIO, "llama3.2:3b"), TRIO
    deployment.host["memory_gb"] = 80
    await deployment.start()


@case("num_parallel_too_large", "note", "takes", "OLLAMA_NUM_PARALLEL=4")
async def fewer_slots_than_told_by_size(deployment: Deployment) -> None:
    deployment.host["num_parallel"], deployment.loaded = 4, (FIRST,)
    await deployment.start()


@case("one_slot_family", "warning", "qwen3next", "one answer at a time")
async def a_family_with_one_slot(deployment: Deployment) -> None:
    deployment.simulator = replace(deployment.simulator, models=(FIRST, SECOND, "next=5/qwen3next"), num_parallel=4)
    deployment.settings["arena_models"], deployment.loaded = (FIRST, SECOND, "next"), ()
    deployment.host["num_parallel"] = 4
    await deployment.start()


@case("context_shrunk", "warning", "context of 2048 instead of 4096", "ran out of memory")
async def a_context_that_shrank(deployment: Deployment) -> None:
    deployment.loaded = TRIO[:2]
    await deployment.start()
    await deployment.load(THIRD, num_ctx=2048)


@case("default_context_too_large", "warning", "32768", "OLLAMA_CONTEXT_LENGTH=4096")
async def another_client_takes_the_default_context(deployment: Deployment) -> None:
    deployment.loaded = ()
    await deployment.start()
    await deployment.load(THIRD, num_ctx=32768)


@case("keep_alive_too_short", "warning", "5 minutes", "ARENA_KEEP_ALIVE=72h")
async def a_short_keep_alive_in_the_settings(deployment: Deployment) -> None:
    deployment.settings["arena_keep_alive"] = "5m"
    await deployment.start()


@case("keep_alive_too_short", "warning", "minutes are left", "OLLAMA_KEEP_ALIVE=-1")
async def another_client_shortened_the_keep_alive(deployment: Deployment) -> None:
    deployment.loaded = TRIO[:2]
    await deployment.start()
    await deployment.load(THIRD, keep=timedelta(minutes=8))


@case("keep_alive_too_short", "warning", "they expired", "OLLAMA_KEEP_ALIVE=-1")
async def a_model_expired(deployment: Deployment) -> None:
    deployment.loaded = TRIO[1:]
    await deployment.start()
    await deployment.report(("expired", FIRST))


@case("model_stuck", "warning", "expired", "ollama stop")
async def a_model_that_is_always_stopping(deployment: Deployment) -> None:
    deployment.loaded = (FIRST,)
    await deployment.start()
    assert deployment.sim is not None
    deployment.sim.faults.set({"ps_stale_expires": True})


# Work


@case("host_shared", "warning", "gemma2:9b", "none of the arena's models", "ss -tnp")
async def another_client_loads_its_own_model(deployment: Deployment) -> None:
    deployment.simulator, deployment.loaded = replace(deployment.simulator, models=(*TRIO, "gemma2:9b")), ()
    await deployment.start()
    await deployment.load("gemma2:9b")


@case("host_shared", "warning", "num_ctx 8192 instead of 4096")
async def another_client_asks_for_another_context(deployment: Deployment) -> None:
    deployment.loaded = ()
    await deployment.start()
    await deployment.load(FIRST, num_ctx=8192)


@case("host_shared", "warning", "it loaded phi4:14b lately", "it has unloaded llama3.1:8b")
async def another_client_came_and_went(deployment: Deployment) -> None:
    deployment.loaded = TRIO[1:]
    await deployment.start()
    await deployment.report(("unloaded_by_others", FIRST), ("foreign_model", "phi4:14b"))


@case("two_arenas", "warning", "second arena", "a client unloads them", "REDIS_URL")
async def models_of_ours_go_in_turns(deployment: Deployment) -> None:
    deployment.loaded = (THIRD,)
    await deployment.start()
    await deployment.report(*(("unloaded_by_others", model) for model in (FIRST, SECOND, FIRST)))


@case("server_restarted", "note", "at the same moment", "restarted", "journalctl -u ollama")
async def all_models_left_at_once(deployment: Deployment) -> None:
    deployment.loaded = ()
    await deployment.start()
    await deployment.report(*(("unloaded_by_others", model) for model in TRIO), apart_s=0.0)


@case("host_shared", "note", "none of the arena's models")
async def a_fallback_is_used_by_others(deployment: Deployment) -> None:
    other = await deployment.simulated(replace(deployment.simulator, models=(*TRIO, "gemma2:9b")))
    deployment.more_hosts = [{"name": "spare", "url": other.url, "fallback": True}]
    await deployment.start()
    await deployment.load("gemma2:9b", url=other.url)
    await deployment.report(host="spare")


@case("redis_shared", "warning", "other-gpu", "arena.toml", "arena:host:*:lease")
async def another_arena_in_the_same_redis(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.report(host="other-gpu")


@case("loads_hang", "warning", "answers its probes", "17408", "systemctl restart ollama")
async def a_load_that_never_ends(deployment: Deployment) -> None:
    deployment.simulator, deployment.loaded = replace(deployment.simulator, faults=(("load_hang", True),)), ()
    await deployment.start()
    await deployment.report(loading=FIRST, loading_since=deployment.wall() - 240, load_s={FIRST: 8.0})


@case("loads_hang", "warning", "never ended", "17408")
async def loads_hung_lately(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.report(("load_hung", FIRST))


@case("loads_fail", "warning", "failed 2 times", "told so", "ollama pull llama3.1:8b")
async def loads_fail(deployment: Deployment) -> None:
    deployment.loaded = TRIO[1:]
    await deployment.start()
    await deployment.report(("load_failed", FIRST), ("load_failed", FIRST))


@case("requests_refused", "warning", "refuses the requests for llama3.1:8b", "told so", "ARENA_THINK")
async def answers_are_refused_as_they_are_asked(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.report(("answer_refused", FIRST))


@case("requests_refused", "warning", "refuses the requests for llama3.1:8b", "does not support thinking", "curl")
async def loads_are_refused_as_they_are_asked(deployment: Deployment) -> None:
    deployment.loaded = TRIO[1:]
    await deployment.start()
    why = f'bad_request: "{FIRST}" does not support thinking'
    await deployment.report(events=(HostEvent(time.time() - 60, "load_failed", FIRST, why),))


@case("model_slow", "warning", "slower than usual", "nvidia-smi")
async def a_model_is_slow(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.report(("slow", FIRST))


@case("queue_full", "error", "8 answers wait", "503", "ARENA_QUEUE=16")
async def the_only_queue_is_full(deployment: Deployment) -> None:
    deployment.settings["arena_queue"] = 8
    await deployment.start()
    await deployment.redis.hset("arena:host:{gpu}:jobs", mapping={str(number): "{}" for number in range(8)})


@case("queue_nearly_full", "warning", "7 answers wait", "OLLAMA_NUM_PARALLEL")
async def the_queue_is_nearly_full(deployment: Deployment) -> None:
    deployment.settings["arena_queue"] = 8
    await deployment.start()
    await deployment.redis.hset("arena:host:{gpu}:jobs", mapping={str(number): "{}" for number in range(7)})


@case("model_crashed", "warning", FIRST, "ended 2 times under an answer", "takes 6 s", "journalctl -u ollama")
async def a_models_process_is_killed_under_answers(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.report(
        ("crashed", FIRST), ("unloaded_by_others", FIRST), ("crashed", FIRST), apart_s=10.0, load_s={FIRST: 6.0}
    )  # nobody unloaded it


@case("model_hangs", "warning", FIRST, "process hangs", "ollama stop llama3.1:8b")
async def a_models_process_is_stopped(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.report(("hung", FIRST))


@case("model_replaced", "note", FIRST, "between two probes", "keep other clients away")
async def a_client_evicts_a_model_and_an_answer_brings_it_back(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.report(("replaced", FIRST))


@case("memory_misread", "note", "told so", "measures its card only while no model is loaded", "restart Ollama")
async def the_server_does_not_see_what_is_free(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.report(("memory_misread", ""))


@case("model_hardly_drawn", "note", THIRD, "drawn 2 times", f"{FIRST}, {SECOND} for 10 minutes (31 battles)")
async def the_rotation_leaves_a_model_out(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.rotates((FIRST, SECOND), battles=31)
    for contestants in [(FIRST, SECOND)] * 120 + [(FIRST, THIRD)] * 2:
        await DrawStore(deployment.redis).count(None, contestants)


@case("model_hardly_drawn", "warning", THIRD, "was drawn never", "no such model", "/api/tags")
async def a_host_lists_a_model_and_refuses_it(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.rotates((FIRST, SECOND), battles=120)
    await DrawStore(deployment.redis).refused({("gpu", THIRD)})


@case("nobody_drives", "error", "ARENA_SCHEDULER is false", "arena scheduler")
async def nobody_may_drive(deployment: Deployment) -> None:
    deployment.reports, deployment.settings["arena_scheduler"] = False, False
    await deployment.start()


@case("nobody_drives", "warning", "while other hosts are driven", "arena serve")
async def one_host_has_no_driver(deployment: Deployment) -> None:
    other = await deployment.simulated(deployment.simulator)
    deployment.more_hosts = [{"name": "gpu2", "url": other.url, "memory_gb": 24}]
    await deployment.start()


@case("only_fallback_hosts", "warning", "every host is a fallback", "fallback = false")
async def every_host_is_a_fallback(deployment: Deployment) -> None:
    deployment.host["fallback"] = True
    await deployment.start()


# Redis


@case("redis_missing", "error", "does not answer", "REDIS_URL", "redis-cli")
async def redis_is_dead(deployment: Deployment) -> None:
    deployment.settings["redis_url"] = f"redis://:secret@127.0.0.1:{free_port()}/0"
    await deployment.start()
    deployment.redis = deployment.redis.from_url(deployment.settings["redis_url"])


@case("redis_refuses", "error", "refuses access", "REDIS_PASSWORD")
async def redis_wants_a_password(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.redis.config_set("requirepass", "secret")
    deployment.stack.push_async_callback(deployment.redis.config_set, "requirepass", "")
    deployment.redis = deployment.redis.from_url(deployment.redis_server.url)


@case("redis_refuses", "error", "PUBLISH", "&arena:*", "ACL WHOAMI")
async def redis_lets_us_publish_nothing(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.as_redis_user("+@all", "~arena:*")


@case("redis_refuses", "error", "SET", "~arena:*", also=("nobody_drives",))
async def redis_lets_us_have_other_keys_only(deployment: Deployment) -> None:
    deployment.reports = False
    await deployment.start()
    await deployment.as_redis_user("+@all", "~other:*", "&arena:*")


@case("redis_refuses", "error", "XADD", "all commands")
async def redis_forbids_a_command(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.as_redis_user("+@all", "-xadd", "~arena:*", "&arena:*")


@case("redis_refuses", "error", "subscribe", "all commands")
async def redis_lets_us_hear_nothing(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.as_redis_user("+@all", "-subscribe", "~arena:*", "&arena:*")


@case("redis_evicts", "warning", "allkeys-lru", "drops running battles", "CONFIG SET maxmemory-policy noeviction")
async def redis_drops_what_it_likes(deployment: Deployment) -> None:
    await deployment.start()
    await _set(deployment, "maxmemory-policy", "allkeys-lru", "noeviction")


@case("redis_nearly_full", "error", "takes no writes", "CONFIG SET maxmemory")
async def redis_is_full(deployment: Deployment) -> None:
    await deployment.start()
    await _set(deployment, "maxmemory", "100kb", "0")


@case("redis_read_only", "error", "replica", "INFO replication")
async def redis_is_a_replica(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.redis.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
    deployment.stack.push_async_callback(deployment.redis.execute_command, "REPLICAOF", "NO", "ONE")


@case("redis_not_writing", "error", "MISCONF", "BGSAVE", "INFO persistence")
async def redis_can_not_save(deployment: Deployment) -> None:
    await deployment.start()
    target = deployment.redis_server.folder / "dump.rdb"
    target.mkdir()
    deployment.stack.callback(target.rmdir)
    await _set(deployment, "save", "3600 1", "")
    await deployment.redis.bgsave()
    await _saved(deployment, "err")


@case("redis_not_writing", "error", "NOREPLICAS", "replicas")
async def redis_misses_its_replicas(deployment: Deployment) -> None:
    await deployment.start()
    await _set(deployment, "min-replicas-to-write", "1", "0")


@case("redis_syncs_always", "warning", "waits for the disk", "appendfsync everysec")
async def redis_syncs_every_write(deployment: Deployment) -> None:
    await deployment.start()
    await _set(deployment, "appendfsync", "always", "everysec")


@case("redis_keeps_nothing", "note", "rebuilt from the database", "appendonly yes")
async def redis_keeps_nothing(deployment: Deployment) -> None:
    await deployment.start()
    await _set(deployment, "appendonly", "no", "yes")


async def _set(deployment: Deployment, name: str, value: str, back: str) -> None:
    await deployment.redis.config_set(name, value)
    deployment.stack.push_async_callback(deployment.redis.config_set, name, back)


async def _saved(deployment: Deployment, status: str) -> None:
    from tests.helpers import wait_until

    async def has_status() -> bool:
        return bool((await deployment.redis.info("persistence"))["rdb_last_bgsave_status"] == status)

    await wait_until(has_status)


# Database


@case("database_unreachable", "error", "does not answer", "DATABASE_URL", "pg_isready")
async def postgres_is_away(deployment: Deployment) -> None:
    deployment.database = f"postgresql://arena:secret@127.0.0.1:{free_port()}/arena"
    await deployment.start()


@case("database_not_migrated", "error", "needs", "arena migrate")
async def the_schema_is_old(deployment: Deployment) -> None:
    with sqlite3.connect(deployment.database.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0002'")
    await deployment.start()


@case("database_not_migrated", "error", "has no schema", "arena migrate")
async def a_database_of_somebody_else(deployment: Deployment) -> None:
    deployment.database += ".other"
    with sqlite3.connect(deployment.database.removeprefix("sqlite:///")) as connection:
        connection.execute("CREATE TABLE things (id INTEGER)")
    await deployment.start()


@case("database_newer", "error", "newer version", "9999")
async def the_schema_is_of_a_newer_version(deployment: Deployment) -> None:
    with sqlite3.connect(deployment.database.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    await deployment.start()


@case("database_unusable", "error", "not a database", "DATABASE_URL")
async def the_file_is_no_database(deployment: Deployment) -> None:
    deployment.database += ".txt"
    with open(deployment.database.removeprefix("sqlite:///"), "w") as file:  # noqa: ASYNC230 - a few bytes
        file.write("dear diary " * 200)
    await deployment.start()


@case("database_unusable", "error", "URL of a database")
async def the_address_of_the_database_is_none(deployment: Deployment) -> None:
    deployment.database = "mysql:/what"
    await deployment.start()


@case("database_read_only", "error", "read-only transaction", "standby", "default_transaction_read_only")
async def postgres_is_read_only(deployment: Deployment) -> None:
    await deployment.on_postgres("ALTER DATABASE {name} SET default_transaction_read_only = on")
    await deployment.start()


@case("database_forbids", "error", "lacks INSERT on votes", "SELECT, INSERT and UPDATE")
async def a_user_of_postgres_may_not_vote(deployment: Deployment) -> None:
    await deployment.on_postgres(*_ROLE, "REVOKE INSERT ON votes FROM arena_{name}", *_AS_ROLE)
    await deployment.start()


@case("database_forbids", "error", "lacks USAGE on public.votes_id_seq", "sequences")
async def a_user_of_postgres_may_not_number_votes(deployment: Deployment) -> None:
    await deployment.on_postgres(*_ROLE, "REVOKE ALL ON votes_id_seq FROM arena_{name}", *_AS_ROLE)
    await deployment.start()


_ROLE = (
    "CREATE ROLE arena_{name}",
    "GRANT ALL ON ALL TABLES IN SCHEMA public TO arena_{name}",
    "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO arena_{name}",
)
_AS_ROLE = ("ALTER DATABASE {name} SET role = arena_{name}",)


@case("database_readable", "warning", "every user of this machine", "chmod go-rwx")
async def everybody_can_read_the_database(deployment: Deployment) -> None:
    file = deployment.database.removeprefix("sqlite:///")
    os.chmod(os.path.dirname(file), 0o755)
    os.chmod(file, 0o644)
    await deployment.start()


@case("database_locked", "warning", "locked", "fuser -v")
async def another_process_holds_the_lock(deployment: Deployment) -> None:
    await deployment.start()
    writer = sqlite3.connect(deployment.database.removeprefix("sqlite:///"), isolation_level=None)
    deployment.stack.callback(writer.close)
    writer.execute("BEGIN IMMEDIATE")


@case("data_folder_unwritable", "error", "can't write", "chown")
async def the_folder_of_the_database_can_not_be(deployment: Deployment) -> None:
    deployment.database += "/below/a/file.db"
    await deployment.start()


# Clocks


@case("clock_skew", "warning", "s behind", "clock of this machine is", "timedatectl")
async def the_clock_of_a_host_is_behind(deployment: Deployment) -> None:
    port = await deployment.serve(serving(ollama(timedelta(seconds=-90), models=TRIO)))
    deployment.host["url"] = f"http://127.0.0.1:{port}"
    await deployment.start()


@case("clock_skew", "warning", "clock of this machine is", "s ahead")
async def our_own_clock_is_ahead(deployment: Deployment) -> None:
    await deployment.start()
    true = deployment.wall
    deployment.wall = lambda: true() + 600
