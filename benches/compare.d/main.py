# The comparison: its options, which parts it runs in which order, and the table at its end.
import argparse
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

import part_check
import part_find
import part_http
import part_large
import part_limits
import part_verify
import table
import tools as installing
from measure import OursFailed, PeerFailed, run, say
from ours import Ours

PARTS = ["http", "check", "yaml", "large", "limits", "find", "verify"]


class Bench:
    """What each part needs: programs, a place to write, how many rounds."""

    def __init__(self, options, tools, scratch):
        self.quick, self.tools, self.scratch = options.quick, tools, scratch
        self.number_of_rounds = options.rounds or (2 if options.quick else 5)
        self.helpers = installing.HELPERS
        # No proxy has any business on loopback, and no plan of the user's in a bench.
        self.environment = {key: value for key, value in os.environ.items()
                            if "proxy" not in key.lower() and not key.startswith("CERTSWEEP_")}
        self.ours = Ours(tools, scratch, self.environment)
        self.tables = []

    def rounds(self, name, at_most=None):
        number = min(self.number_of_rounds, at_most or self.number_of_rounds)
        for round in range(number):
            say(f"{name}: round {round + 1} of {number}")
            yield round

    def told(self, figures):
        say("  " + ", ".join(f"{name} {figure}" for name, figure in figures.items()))

    def table(self, text):
        self.tables.append(text)

    def bare(self, server, number, concurrency):
        took = run([self.tools.paths["bare"], "--post", server.url, number, concurrency], 300, env=self.environment)
        if took.code:
            raise OursFailed(f"the bare client ended with {took.code}: {took.out.strip()[-200:]}")
        return took


def main():
    # Told to end, it still ends what it started, and tidies up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # A thousand connections need more than the thousand files that many systems give a process at first.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    options = read_options()
    parts = options.only or PARTS
    tools = installing.Tools()
    installing.PLACE.mkdir(parents=True, exist_ok=True)
    rows, failures = [], []
    scratch = None
    try:
        installing.build(tools)
        install(tools, parts)
        scratch = installing.Path(tempfile.mkdtemp(prefix="scratch-", dir=installing.PLACE))
        bench = Bench(options, tools, scratch)
        for part in parts:
            for act in ACTS[part]:
                try:
                    rows += act(bench)
                except (OursFailed, PeerFailed) as error:
                    say(f"{part} failed: {error}")
                    failures.append(error)
        say("\n" + "\n\n".join([*bench.tables, table.goals(rows), machine(bench)]))
    except OursFailed as error:
        say(f"certsweep failed: {error}")
        failures.append(error)
    finally:
        if scratch:
            shutil.rmtree(scratch, ignore_errors=True)
    return 1 if any(isinstance(error, OursFailed) for error in failures) else 0


def install(tools, parts):
    if "http" in parts:
        installing.for_requests(tools)
        installing.for_syncs(tools)
    if "check" in parts:
        installing.for_check(tools)
    if "yaml" in parts:
        installing.for_yaml(tools)
    if "find" in parts:
        installing.for_find(tools)
    if "verify" in parts:
        installing.for_verify(tools)


def machine(bench):
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=installing.ROOT, capture_output=True, text=True).stdout.strip()
    rustc = subprocess.run(["rustc", "--version"], cwd=installing.ROOT, capture_output=True, text=True).stdout.split()[1]
    return (f"Medians of the ratios of {bench.number_of_rounds} interleaved rounds (the slowest parts: at most 3), least and most in brackets; "
            f"{os.cpu_count()} cores shared by server and client, {platform.system()} {platform.machine()}, rustc {rustc}, commit {commit or 'unknown'}.")


def read_options():
    parser = argparse.ArgumentParser(
        prog="benches/compare",
        description="Runs certsweep and its peers side by side on loopback, and prints ratios against their goals as Markdown. "
        "Builds certsweep, and installs what it needs into target/compare. Ends with 1 only where certsweep itself fails.",
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="interleaved rounds (5; 2 with --quick; the slowest parts at most 3)")
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part (repeatable)")
    parser.add_argument("--quick", action="store_true", help="fewer actions and rounds: whether all works, not how fast")
    return parser.parse_args()


ACTS = {
    "http": [part_http.at_once, part_http.delayed, part_http.commits],
    "check": [part_check.lists],
    "yaml": [part_check.yaml],
    "large": [part_large.large],
    "limits": [part_limits.limits],
    "find": [part_find.find, part_find.rows, part_find.requests],
    "verify": [part_verify.by_list, part_verify.by_state_calls],
}

if __name__ == "__main__":
    sys.exit(main())
