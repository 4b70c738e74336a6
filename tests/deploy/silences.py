"""``make silences``: ``arena doctor --url`` in full, 30 to 180 s of silence, through real nginx; takes four minutes.

Once with the template of docker/, which waits an hour, and once with the read timeout that nginx has by itself, 60 s.
Each has an arena of its own behind it, for an arena gives two slow answers at once.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from app.doctor.outside.judge import problems
from app.doctor.outside.observe import observe_deployment
from app.doctor.outside.seen import OutsideView
from tests.deploy.nginx import running_nginx
from tests.whole.client import ADMIN_KEY
from tests.whole.harness import running_deployment

HOUR = "proxy_read_timeout 3600s;"
USUAL = "proxy_read_timeout 60s;"


def reported(name: str, seen: OutsideView) -> list[str]:
    """Print what became of each silence, and return the codes of what is wrong."""
    for one in seen.silences:
        end = f"answered {one.status}" if one.status == 200 else f"cut ({one.status or 'closed'})"
        times = f"arrived {one.arrivals} time(s)"
        sys.stdout.write(f"{name}: {one.seconds} s of silence {end} after {one.after_s:.1f} s, {times}\n")
    found = problems(seen)
    for problem in found:
        sys.stdout.write(f"{name}: {problem.severity} {problem.code}: {problem.cause}\n")
    return [problem.code for problem in found]


async def both(good: str, usual: str) -> tuple[OutsideView, OutsideView]:
    """Ask both deployments at the same time."""
    first, second = await asyncio.gather(
        observe_deployment(good, ADMIN_KEY, verify=False), observe_deployment(usual, ADMIN_KEY, verify=False)
    )
    return first, second


def main() -> int:
    """Run it; 1 if it is not as docs/doctor.md says."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        deployment = stack.enter_context(running_deployment(folder / "arena"))
        one, two = (deployment.start() for _ in range(2))
        fronts = [
            stack.enter_context(running_nginx(folder / name, (place, place), change=change))
            for name, place, change in (
                ("template", f"127.0.0.1:{one.port}", {}),
                ("usual", f"127.0.0.1:{two.port}", {HOUR: USUAL}),
            )
        ]
        good, usual = asyncio.run(both(fronts[0], fronts[1]))
    codes = reported("docker/nginx.conf.template", good), reported("nginx's own 60 s", usual)
    statuses = [[one.status for one in seen.silences] for seen in (good, usual)]
    expected = statuses[0] == [200] * 4 and statuses[1][0] == 200 and all(status != 200 for status in statuses[1][2:])
    return int(not expected or codes[0] != [] or "silence_cut" not in codes[1])


if __name__ == "__main__":
    raise SystemExit(main())
