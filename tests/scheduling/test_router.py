import pytest

from app.errors import QueueFull, Unavailable
from app.scheduling.dispatch.router import Router
from app.scheduling.job import Priority
from app.scheduling.testing.in_memory import MemoryQueue, MemoryReports
from tests.scheduling.conftest import a_host, job


@pytest.fixture
def queues() -> dict[str, MemoryQueue]:
    return {"small": MemoryQueue(), "big": MemoryQueue()}


@pytest.fixture
def router(queues: dict[str, MemoryQueue]) -> Router:
    models = {"small": ["mistral:latest"], "big": ["llama3.1:8b", "qwen3:8b"]}
    return Router([a_host("small"), a_host("big")], queues, models, 3, MemoryReports())


def test_a_host_has_a_model_under_every_form_of_its_name(router: Router) -> None:
    assert router.hosts_of("mistral") == ["small"]
    assert router.hosts_of("LLama3.1:8b") == ["big"]


async def test_a_model_that_no_host_has_is_refused(router: Router) -> None:
    with pytest.raises(Unavailable, match="No model host"):
        await router.room(["llama3.1-8b"])


async def test_jobs_go_to_the_queues_of_their_hosts(router: Router, queues: dict[str, MemoryQueue]) -> None:
    left, right = job(1, "mistral"), job(2, "llama3.1:8b")
    await router.enqueue([left, right])
    assert await queues["small"].read() == (left,)
    assert await queues["big"].read() == (right,)


async def test_a_battle_is_refused_when_a_host_has_no_room_for_it(router: Router) -> None:
    await router.room(["mistral", "mistral", "mistral", "llama3.1:8b"])
    with pytest.raises(QueueFull):
        await router.room(["mistral"] * 4)
    await router.enqueue([job(1, "mistral"), job(2, "mistral")])
    await router.room(["mistral"])
    with pytest.raises(QueueFull):
        await router.room(["mistral", "mistral"])


async def test_a_full_host_does_not_keep_jobs_from_another(router: Router, queues: dict[str, MemoryQueue]) -> None:
    await router.enqueue([job(n, "mistral") for n in range(3)])
    with pytest.raises(QueueFull):
        await router.enqueue([job(8, "mistral"), job(9, "llama3.1:8b")])
    assert await queues["big"].length() == 1


async def test_a_model_that_was_deleted_meanwhile_is_sent_where_that_is_found_out(
    router: Router, queues: dict[str, MemoryQueue]
) -> None:
    gone, there = job(1, "deleted:7b"), job(2, "llama3.1:8b")
    await router.enqueue([gone, there])
    assert await queues["small"].read() == (gone,)
    assert await queues["big"].read() == (there,)


async def test_a_model_whose_host_has_not_answered_yet_waits_and_keeps_no_other(queues: dict[str, MemoryQueue]) -> None:
    hosts = [a_host("small"), a_host("big")]
    router = Router(hosts, queues, {"big": ["llama3.1:8b"]}, 3, MemoryReports())
    there = job(2, "llama3.1:8b")
    with pytest.raises(Unavailable, match="No model host"):
        await router.enqueue([job(1, "mistral"), there])
    assert await queues["big"].read() == (there,)
    assert await queues["small"].length() == 0


async def test_a_cancelled_job_is_taken_from_whichever_queue_has_it(
    router: Router, queues: dict[str, MemoryQueue]
) -> None:
    one, two = job(1, "mistral"), job(2, "llama3.1:8b")
    await router.enqueue([one, two])
    await router.cancel([one, two.id])
    assert await queues["small"].length() == await queues["big"].length() == 0


async def test_a_repeated_enqueue_keeps_the_time_and_takes_the_more_urgent_priority(
    router: Router, queues: dict[str, MemoryQueue]
) -> None:
    await router.enqueue([job(1, "mistral", Priority.PREFETCH, at=5.0)])
    await router.enqueue([job(1, "mistral", Priority.INTERACTIVE, at=9.0)])
    await router.enqueue([job(1, "mistral", Priority.BATCH, at=1.0)])
    assert await queues["small"].read() == (job(1, "mistral", Priority.INTERACTIVE, at=5.0),)
