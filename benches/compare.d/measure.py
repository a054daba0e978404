# Runs one program and says what it took, and keeps the server that programs speak to. It knows no peer and no goal.
import contextlib
import json
import os
import signal
import statistics
import subprocess
import threading
import time
import urllib.request
from dataclasses import dataclass


class OursFailed(Exception):
    """certsweep itself did not do what it should: the comparison fails."""


class PeerFailed(Exception):
    """A peer did not do what it should: its rows are missing."""


@dataclass
class Took:
    """What a process and those that it waited for took."""

    wall: float
    cpu: float
    peak_mb: float
    code: int
    out: str
    began: float


@dataclass
class Did:
    """Requests that the server counted, and what sending them took."""

    requests: int
    took: Took
    seen: dict

    @property
    def rate(self):
        return self.requests / self.took.wall

    @property
    def cpu_us(self):
        return self.took.cpu * 1e6 / self.requests

    @property
    def served_rate(self):
        """Requests a second between the first request's coming and the last answer, as the server saw them."""
        return self.requests * 1e9 / (self.seen["last"] - self.seen["first"])


def run(command, timeout, stop=None, log=None, **options):
    """Runs a command to its end, to its timeout, or until `stop(process)` has something to say, and kills the whole group then."""
    # Standard output is read here; what a program says on standard error is kept for the case that it fails.
    errors = open(log, "w+b") if log else None
    began = time.time()
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors or subprocess.STDOUT,
        start_new_session=True,
        **options,
    )

    def kill():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(timeout, kill)
    timer.start()
    watch = threading.Thread(target=lambda: stop and stop(process) and kill(), daemon=True)
    watch.start()
    try:
        out = process.stdout.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        kill()
        raise
    wall = time.time() - began
    timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    watch.join()
    if errors:
        errors.close()
    if process.returncode == -signal.SIGKILL and wall >= timeout:
        out += f"\nkilled after {timeout} s"
    cpu = usage.ru_utime + usage.ru_stime
    return Took(wall, cpu, usage.ru_maxrss * 1024 / 1e6, process.returncode, out, began)


class Server:
    """The bench's server, on a port of its own; it ends with this process."""

    def __init__(self, bare, delay_ms=0):
        command = [bare, "--serve", "0", "--delay", str(delay_ms)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)

    def ask(self, path="/count"):
        # No proxy has any business on loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def count(self, act):
        """What `act()` took, and what the server saw of it."""
        self.ask("/reset")
        took = act()
        seen = self.ask()
        return Did(seen["requests"], took, seen)


def median(numbers):
    return statistics.median(numbers)


def say(text):
    print(text, flush=True)
