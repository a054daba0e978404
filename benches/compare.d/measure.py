# Runs one program and says what it took, and keeps the server that programs speak to. It knows no peer and no goal.
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import urllib.request
from dataclasses import dataclass
from pathlib import Path

LAUNCHER = str(Path(__file__).resolve().parent / "launch.py")


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
    def connections(self):
        """The most at once."""
        return self.seen["connections"]

    @property
    def served_rate(self):
        """Requests a second between the first request's coming and the last answer, as the server saw them."""
        return self.requests * 1e9 / (self.seen["last"] - self.seen["first"])


def run(command, timeout, stop=None, log=None, variables=None, **options):
    """Runs a command to its end, to its timeout, or until `stop(ended)` has something to say, and kills its group then.

    What it says on standard error goes to a log, or among its output. `variables` are set for the command alone.
    """
    variables = [f"{name}={value}" for name, value in (variables or {}).items()]
    command = [*(["env", *variables] if variables else []), *map(str, command)]
    reading, writing = os.pipe()
    errors = open(log, "w") if log else subprocess.STDOUT
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", LAUNCHER, str(writing), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        pass_fds=[writing],
        **options,
    )
    os.close(writing)
    report = os.fdopen(reading)
    pid = report.readline()
    if not pid:
        raise PeerFailed(f"`{command[0]}` cannot be started: {process.stdout.read().decode(errors='replace')[-200:]}")

    def kill():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(int(pid), signal.SIGKILL)

    ended = threading.Event()
    timer = threading.Timer(timeout, kill)
    timer.start()
    watch = threading.Thread(target=lambda: stop and stop(ended) and kill(), daemon=True)
    watch.start()
    try:
        out = process.stdout.read().decode(errors="replace")
        began, finished, cpu, peak, code = map(float, report.readline().split())
    except BaseException:
        kill()
        raise
    finally:
        ended.set()
        timer.cancel()
        report.close()
        process.wait()
    watch.join()
    if code == -signal.SIGKILL and finished - began >= timeout:
        out += f"\nkilled after {timeout} s"
    return Took(finished - began, cpu, peak * 1024 / 1e6, int(code), out, began)


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
