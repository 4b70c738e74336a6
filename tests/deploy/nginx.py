"""A real nginx with the template of docker/, or with settings that are known to be wrong."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.whole.harness import wait_for

TEMPLATE = Path(__file__).parents[2] / "docker/nginx.conf.template"

MAIN = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log notice;
events {{ worker_connections 512; }}
http {{
    include /etc/nginx/mime.types;
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {more}
    include {folder}/site.conf;
}}
"""

#: What breaks streams: events are collected until there are enough to compress.
COLLECTING = "gzip on; gzip_types text/event-stream; gzip_proxied any; proxy_ignore_headers X-Accel-Buffering;"


@contextmanager
def running_nginx(
    folder: Path, upstreams: tuple[str, str], more: str = "", change: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Serve ``upstreams`` (host:port each) by TLS with the template, some texts replaced; yields the URL."""
    folder.mkdir(parents=True)
    certificate(folder)
    https = free_port()
    site = filled(upstreams, https, folder)
    for text, other in (change or {}).items():
        assert text in site, text
        site = site.replace(text, other)
    (folder / "site.conf").write_text(site)
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, more=more))
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    process = subprocess.Popen([program, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")])
    try:
        wait_for(lambda: (folder / "nginx.pid").exists() or process.poll() is not None)
        assert process.poll() is None, (folder / "error.log").read_text()
        yield f"https://127.0.0.1:{https}"
    finally:
        process.terminate()
        process.wait(20)


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def filled(upstreams: tuple[str, str], https: int, folder: Path) -> str:
    """The template with its variables, as nginx's own image fills it in."""
    values = {
        "ARENA_UPSTREAM_1": upstreams[0],
        "ARENA_UPSTREAM_2": upstreams[1],
        "ARENA_HTTP_PORT": f"127.0.0.1:{free_port()}",
        "ARENA_HTTPS_PORT": f"127.0.0.1:{https}",
        "ARENA_TLS": str(folder),
    }
    site = TEMPLATE.read_text()
    for name, value in values.items():
        site = site.replace(f"${{{name}}}", value)
    assert "${ARENA" not in site
    return site


def certificate(folder: Path) -> None:
    """A certificate that nobody trusts, as docker/secrets.sh makes one."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    files = ["-keyout", str(folder / "tls_key"), "-out", str(folder / "tls_certificate")]
    subprocess.run([*command, *files], check=True, capture_output=True)
