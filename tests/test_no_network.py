"""After the set-up no address but loopback is asked for: the guard that `make test` puts into every process does what it says."""

import os
import re
import socket
import subprocess
import sys
import threading
import time

import pytest

from helpers.runtime import REPOSITORY

GUARD = REPOSITORY / "tests" / "guard"
TRY = {
    "an address": "socket.create_connection(('192.0.2.1', 80))",
    "a name": "socket.create_connection(('example.org', 80))",
    "IPv6": "socket.socket(socket.AF_INET6).connect(('2001:db8::1', 80))",
    "without an exception": "sys.exit(socket.socket().connect_ex(('192.0.2.1', 80)) or 'reached')",
    "a library": "import urllib.request; urllib.request.urlopen('http://example.org')",
}


def guarded(code, attempts):
    """A Python process with the guard, which is told nothing but its environment."""
    environment = os.environ | {"PYTHONPATH": str(GUARD), "NETWORK_ATTEMPTS": str(attempts)}
    return subprocess.run([sys.executable, "-c", f"import socket, sys\n{code}"], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("how", TRY)
def test_an_attempt_fails_at_once_and_is_written_down(how, tmp_path):
    started = time.monotonic()
    run = guarded(TRY[how], tmp_path / "attempts")
    assert run.returncode == 1 and re.search("unreachable|not known", run.stderr) and time.monotonic() - started < 30
    assert re.search(r"^(192\.0\.2\.1|example\.org|2001:db8::1) asked for by -c", (tmp_path / "attempts").read_text())


def test_loopback_is_left_alone(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=server.accept, daemon=True).start()
        for host in ("127.0.0.1", "localhost"):
            run = guarded(f"socket.create_connection(({host!r}, {server.getsockname()[1]}))", tmp_path / "attempts")
            assert (run.returncode, run.stderr) == (0, "")
    assert not (tmp_path / "attempts").exists()


def test_make_test_guards_every_process_and_fails_for_an_attempt():
    recipe = (REPOSITORY / "Makefile").read_text(encoding="utf-8").partition("\ntest:")[2].partition("\n\n")[0]
    assert all("$(GUARDED)" in line for line in recipe.splitlines() if "-m pytest" in line) and recipe.count("-m pytest") == 2
    assert "$(NO_ATTEMPTS)" in recipe


def test_the_guard_stands_in_make_test():
    assert socket.socket.connect.__qualname__.startswith("guarded") == ("NETWORK_ATTEMPTS" in os.environ)
