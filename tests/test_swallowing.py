"""No code of ours swallows the cancellation of its own task."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from tests.swallowing import swallowed

ROOT = Path(__file__).parents[1]
FOLDERS = ("app", "tests", "benchmarks", "alembic")

THE_HELPER = ROOT / "app" / "tasks.py"
"""``cancel_and_wait`` raises the cancellation later; what it does is shown in ``test_tasks``."""

BAD = {
    "suppressed": """
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    """,
    "suppressed among others": """
        with contextlib.suppress(KeyError, CancelledError, Exception):
            while True:
                async for line in lines:
                    print(line)
    """,
    "everything suppressed": """
        with suppress(BaseException):
            async with lock:
                pass
    """,
    "suppressed beside another block": """
        with lock, suppress(asyncio.CancelledError):
            await task
    """,
    "suppressed by a stack": """
        stack.enter_context(suppress(asyncio.CancelledError))
        await task
    """,
    "under another name": """
        from asyncio import CancelledError as Cancelled
        GONE = (ConnectionError, Cancelled)
        try:
            await task
        except Cancelled:
            pass
    """,
    "in a tuple with a name": """
        GONE = (ConnectionError, asyncio.CancelledError)
        try:
            await task
        except GONE:
            pass
    """,
    "passed over": """
        try:
            await task
        except asyncio.CancelledError:
            pass
    """,
    "logged": """
        try:
            return [item async for item in items]
        except (ValueError, asyncio.CancelledError) as error:
            log.info(error)
    """,
    "turned into an answer": """
        try:
            await task
        except asyncio.CancelledError:
            return None
    """,
    "turned into another error": """
        try:
            await task
        except asyncio.CancelledError:
            raise TimeoutError from None
    """,
    "raised again only sometimes": """
        while True:
            try:
                await task
            except asyncio.CancelledError:
                if not ending:
                    continue
                raise
    """,
    "anyio's": """
        try:
            await task
        except anyio.get_cancelled_exc_class():
            pass
    """,
    "every exception": """
        try:
            await task
        except BaseException as error:
            failed = error
    """,
    "every exception without a name": """
        try:
            await task
        except:
            pass
    """,
    "out of a finally": """
        while True:
            try:
                await task
            finally:
                if done:
                    break
    """,
}

GOOD = {
    "an error, which a cancellation is not": """
        with suppress(Exception):
            await task
        try:
            await task
        except Exception:
            pass
    """,
    "nothing is awaited": """
        with suppress(asyncio.CancelledError):
            task.result()
        try:
            task.result()
        except asyncio.CancelledError:
            pass
    """,
    "it is awaited elsewhere": """
        with suppress(asyncio.CancelledError):
            async def later():
                await task
        with suppress(BaseException):
            end = lambda: [await_ for await_ in tasks]
    """,
    "raised again": """
        try:
            await task
        except asyncio.CancelledError:
            task.cancel()
            raise
        except BaseException:
            pass
    """,
    "raised again by its name": """
        try:
            await task
        except BaseException as error:
            for one in others:
                if one:
                    continue
            if isinstance(error, TimeoutError):
                raise Unavailable from None
            raise error
    """,
    "a loop within a finally": """
        try:
            await task
        finally:
            for one in others:
                if one.done():
                    break
    """,
}


@pytest.fixture(autouse=True)
def _nothing_else_is_parsed_meanwhile() -> Iterator[None]:
    """A task that is collected may log a traceback, which Python 3.11 can't parse in the middle of another parse."""
    gc.disable()
    yield
    gc.enable()


def within(snippet: str) -> str:
    """``snippet`` as the body of a coroutine function."""
    return "async def body():\n" + "\n".join(f"    {line}" for line in dedent(snippet).splitlines())


@pytest.mark.parametrize("snippet", BAD.values(), ids=BAD)
def test_each_shape_that_swallows_a_cancellation_is_found(snippet: str) -> None:
    assert len(swallowed(within(snippet))) == 1


@pytest.mark.parametrize("snippet", GOOD.values(), ids=GOOD)
def test_what_swallows_none_is_let_pass(snippet: str) -> None:
    assert swallowed(within(snippet)) == []


def test_the_line_is_named() -> None:
    assert swallowed("async def f():\n    try:\n        await g()\n    except BaseException:\n        pass\n") == [4]


def test_our_code_swallows_no_cancellation() -> None:
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 400
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in files
        if path != THE_HELPER
        for line in swallowed(path.read_text())
    }
    assert found == set(), "use app.tasks.cancel_and_wait"


def test_the_helper_is_the_one_exception() -> None:
    assert len(swallowed(THE_HELPER.read_text())) == 1
