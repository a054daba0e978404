# What runs certsweep: its settings, its lists, its run directories, and whether all ended as they should. It compares nothing.
import shutil
import subprocess

from measure import OursFailed, run

# The most requests in flight that a plan may ask for.
MOST = 1024
CREDENTIALS = {"DIGICERT_API_KEY": "bench", "NCP_ACCESS_KEY": "bench", "NCP_SECRET_KEY": "bench"}


class Ours:
    def __init__(self, tools, scratch, environment):
        self.tools, self.scratch, self.environment = tools, scratch, environment
        self.program = tools.paths["certsweep"]
        self.log = scratch / "certsweep.log"

    def plan(self, mix, actions):
        """A plan of so many actions, written once; benches/check.rs knows the mixes."""
        path = self.scratch / f"{mix}-{actions}.{'yaml' if mix == 'yaml' else 'csv'}"
        if not path.exists():
            command = [self.tools.paths["check"], "--write", mix, str(actions), path]
            subprocess.run(command, check=True, timeout=300, stdout=subprocess.DEVNULL)
        return path

    def settings(self, server, concurrency, rate="1000000/1s"):
        path = self.scratch / "settings.yaml"
        path.write_text(
            "providers:\n" + "".join(
                f"  {provider}: {{base_url: {server.url}, rate: [{rate}], concurrency: {concurrency}}}\n"
                for provider in ("digicert", "naver")
            )
        )
        return path

    def command(self, server, actions, concurrency, rate="1000000/1s", mix="digicert"):
        settings = self.settings(server, concurrency, rate)
        place = self.scratch / "run"
        shutil.rmtree(place, ignore_errors=True)
        return [self.program, "run", self.plan(mix, actions), "--yes", "--settings", settings, "--run-dir", place], place

    def run(self, server, actions, concurrency, timeout, rate="1000000/1s", mix="digicert", keep=False, **variables):
        """A whole run: the list checked, sent, journalled, reported; then held against what the server counted."""
        command, place = self.command(server, actions, concurrency, rate, mix)
        did = server.count(lambda: self.process(command, timeout, **variables))
        took, seen = did.took, did.seen
        reported = count(place / "report.csv", b",succeeded,") if (place / "report.csv").exists() else 0
        if took.code or seen["requests"] != actions or reported != actions:
            raise OursFailed(
                f"a run of {actions} ended with {took.code}, {seen['requests']} requests, "
                f"{reported} succeeded in its report: {self.last_words()}"
            )
        if not keep:
            shutil.rmtree(place)
        return did

    def process(self, command, timeout, stop=None, **variables):
        settled = {**self.environment, **CREDENTIALS}
        return run(command, timeout, stop=stop, log=self.log, variables=variables, cwd=self.scratch, env=settled)

    def check(self, plan, actions, timeout=300):
        took = self.process([self.program, "check", plan], timeout)
        if took.code:
            raise OursFailed(f"checking {actions} actions ended with {took.code}: {self.last_words()}")
        return took

    def last_words(self):
        return " / ".join(self.log.read_text(errors="replace").strip().splitlines()[-3:])


def count(path, words):
    found = 0
    with open(path, "rb") as file:
        for line in file:
            found += words in line
    return found


def until(server, asks, pause=0.02):
    """A `stop` for a process: true once the server's count is as asked; false where the process ends before."""

    def stop(ended):
        while not ended.wait(pause):
            if asks(server.ask()):
                return True
        return False

    return stop

