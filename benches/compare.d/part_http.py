# Requests: how many a second, and at what cost, beside the bare client and what else people use; at a server with a delay; and how often the disk
# is asked to sync.
import json

import ours
from measure import OursFailed, PeerFailed, Server, median, run, say
from table import absolutes, least, most, plain

CONCURRENCY = 64
BODY = '{"comments":"INC-42 leaked key","revocation_reason":"key_compromise","skip_approval":true}'
HEADERS = ["Content-Type: application/json", "X-DC-DEVKEY: bench"]
FIRST_ID = 100_000_000


class Peers:
    """Each sends so many revocations to a server; each is held against the server's count."""

    def __init__(self, bench, server):
        self.bench, self.tools, self.server = bench, bench.tools, server
        self.place = bench.scratch

    def bare(self, number, concurrency=CONCURRENCY):
        command = [self.tools.paths["bare"], "--post", self.server.url, number, concurrency]
        return self.did(command, number, "the bare client")

    def oha(self, number):
        urls = self.place / f"urls-{number}-{self.server.url.rsplit(':', 1)[1]}"
        if not urls.exists():
            ids = range(FIRST_ID, FIRST_ID + number)
            urls.write_text("".join(f"{self.server.url}/certificate/{id}/revoke\n" for id in ids))
        command = [self.tools.paths["oha"], "--no-tui", "--output-format", "quiet", "-n", number, "-c", CONCURRENCY, "-m", "PUT"]
        command += ["-d", BODY, "-H", HEADERS[1], "-T", "application/json", "--urls-from-file", urls]
        return self.did(command, number, "oha")

    def wrk(self, seconds):
        command = [self.tools.paths["wrk"], "-t1", f"-c{CONCURRENCY}", f"-d{seconds}s"]
        command += ["-s", self.bench.helpers / "revoke.lua", self.server.url]
        return self.did(command, None, "wrk")

    def aiohttp(self, number):
        script = self.bench.helpers / "peer_aiohttp.py"
        plan = self.bench.ours.plan("digicert", max(number, 200_000))
        results = self.place / "aiohttp.csv"
        return self.did([self.tools.paths["aiohttp"], script, self.server.url, plan, results, number], number, "aiohttp")

    def xargs(self, number):
        ids = self.place / f"ids-{number}"
        ids.write_text("".join(f"{id}\n" for id in range(FIRST_ID, FIRST_ID + number)))
        # curl's own quoting of a file of options, since xargs has a quoting too.
        options = self.place / "curl.conf"
        quoted = [f"header = {json.dumps(header)}" for header in HEADERS] + [f"data = {json.dumps(BODY)}"]
        options.write_text("\n".join(['request = "PUT"', 'output = "/dev/null"', "silent", "fail", *quoted]) + "\n")
        command = ["xargs", "-a", ids, "-P", CONCURRENCY, "-I{}", "curl", "-q", "-K", options]
        return self.did([*command, f"{self.server.url}/certificate/{{}}/revoke"], number, "xargs curl")

    def did(self, command, number, name):
        environment = {**self.bench.environment, "no_proxy": "127.0.0.1"}
        did = self.server.count(lambda: run(command, 300, cwd=self.place, env=environment))
        if did.took.code or not did.requests or (number and did.requests != number):
            last = did.took.out.strip()[-200:]
            raise PeerFailed(f"{name} ended with {did.took.code} after {did.requests} of {number} requests: {last}")
        return did


def at_once(bench):
    """Rows of the server that answers at once."""
    quick, tools = bench.quick, bench.tools
    many, some, few = (50_000, 10_000, 400) if quick else (200_000, 50_000, 2_000)
    version = lambda name: tools.versions.get(name, "")
    rows = {
        "bare": least(f"Q9 actions/s, whole runner, {many:,} actions, 0 ms, c 64: ours / bare reqwest {version('reqwest')}", 0.45),
        "cpu": most("Q9 CPU per action: ours / bare reqwest", 2.5),
        "aiohttp": least(f"Q10 actions/s: ours / the aiohttp {version('aiohttp')} script", 4, note=f"of {some:,} actions"),
        "xargs": least(f"Q10 actions/s: ours / `xargs -P64 curl` {version('curl')}", 90, note=f"its rate is that of {few:,} actions"),
        "oha": plain(f"actions/s: ours / oha {version('oha')}"),
        "wrk": plain(f"actions/s: ours / wrk {version('wrk')} -t1"),
        "connections": most("connections at once, c 64", CONCURRENCY),
    }
    done = {}
    with Server(tools.paths["bare"]) as server:
        peers = Peers(bench, server)
        kinds = {
            "bare": lambda: peers.bare(many),
            "ours": lambda: bench.ours.run(server, many, CONCURRENCY, 300),
            "oha": lambda: peers.oha(many),
            "wrk": lambda: peers.wrk(1 if quick else 2),
            "aiohttp": lambda: peers.aiohttp(some),
            "xargs": lambda: peers.xargs(few),
        }
        for name, tool in [("oha", "oha"), ("wrk", "wrk"), ("aiohttp", "aiohttp"), ("xargs", "curl")]:
            if not tools.have(tool):
                kinds.pop(name)
                rows[name].missing = tools.why_missing(tool)
        for _ in bench.rounds("requests"):
            for name, act in list(kinds.items()):
                try:
                    done.setdefault(name, []).append(act())
                except PeerFailed as error:
                    say(f"  {error}")
                    kinds.pop(name), done.pop(name, None)
                    rows[name].missing = str(error)
            bench.told({name: f"{did[-1].rate:,.0f}/s" for name, did in done.items()})
    for name, others in done.items():
        if name in rows:
            rows[name].ratios = [mine.rate / other.rate for mine, other in zip(done["ours"], others)]
    rows["cpu"].ratios = [mine.cpu_us / bare.cpu_us for mine, bare in zip(done["ours"], done["bare"])]
    rows["connections"].ratios = [mine.connections for mine in done["ours"]]
    bench.table(absolutes(
        (titles(tools)[name], [did.rate for did in dids], [did.cpu_us for did in dids], [did.took.peak_mb for did in dids])
        for name, dids in done.items()
    ))
    return list(rows.values())


def titles(tools):
    version = tools.versions.get
    return {
        "bare": f"bare reqwest {version('reqwest')}",
        "ours": "certsweep",
        "oha": f"oha {version('oha')}",
        "wrk": f"wrk {version('wrk')}, one thread",
        "aiohttp": f"aiohttp {version('aiohttp')} script, list in and out",
        "xargs": f"`xargs -P64 curl` {version('curl')}",
    }


def delayed(bench):
    """Rows of the server that answers after 20 ms."""
    rows = []
    with Server(bench.tools.paths["bare"], 20) as server:
        peers = Peers(bench, server)
        latencies, rates, bares = [], {CONCURRENCY: [], ours.MOST: []}, {CONCURRENCY: [], ours.MOST: []}
        for _ in bench.rounds("20 ms"):
            # One connection, undisturbed: the latency as the server's best client sees it.
            latencies.append(1 / peers.bare(100, 1).served_rate)
            for concurrency in rates:
                number = concurrency * (100 if bench.quick else 300)
                bares[concurrency].append(peers.bare(number, concurrency).served_rate)
                rates[concurrency].append(bench.ours.run(server, number, concurrency, 120).served_rate)
            # A client's best rate tells a shorter latency too.
            latencies[-1] = min([latencies[-1]] + [c / bares[c][-1] for c in bares] + [c / rates[c][-1] for c in rates])
            bench.told({f"c {c}": f"{rates[c][-1]:,.0f}/s, bare {bares[c][-1]:,.0f}/s" for c in rates})
        for concurrency in rates:
            row = plain(f"server at 20 ms, c {concurrency}: ours / (c ÷ latency)")
            row.ratios = [rate * latency / concurrency for rate, latency in zip(rates[concurrency], latencies)]
            of_bare = median(bare * latency / concurrency for bare, latency in zip(bares[concurrency], latencies))
            row.note = f"latency {median(latencies) * 1e3:.1f} ms; bare {of_bare:.3f}"
            rows.append(row)
    return rows


def commits(bench):
    """Rows of the journal: syncs per action, and what a slow disk costs."""
    per_action = plain("commits (syncs of the disk) per action, c 64")
    limited = least("Q11 a disk of 5 ms per sync, 400 requests/s allowed: a run's pace / that of its twin without a journal", 0.99)
    slow = plain("a disk of 5 ms per sync, no limit: actions/s of a run / of its twin without a journal, c 64")
    if not bench.tools.have("syncs"):
        per_action.missing = limited.missing = slow.missing = bench.tools.why_missing("syncs")
        return [per_action, limited, slow]
    library, counted = bench.tools.paths["syncs"], bench.scratch / "syncs"
    number = 20_000
    with Server(bench.tools.paths["bare"]) as server:
        for _ in bench.rounds("syncs"):
            bench.ours.run(server, number, CONCURRENCY, 120, LD_PRELOAD=library, SYNCS_FILE=counted)
            per_action.ratios.append(int(counted.read_text()) / number)
    variables = {"LD_PRELOAD": library, "SYNC_DELAY_US": 5000, "TMPDIR": bench.scratch}
    for row, limit in [(limited, ["--limit", "400/1s"]), (slow, [])]:
        command = [bench.tools.paths["run"], "--slots", CONCURRENCY, "--rounds", bench.number_of_rounds, *limit]
        took = run(command, 900, variables=variables, cwd=bench.scratch, env=bench.environment)
        if took.code:
            raise OursFailed(f"benches/run failed: {took.out[-300:]}")
        row.ratios = [float(line.split()[-1]) for line in took.out.splitlines() if line.startswith("share ")]
        row.note = "`benches/run`, against the simulator"
    return [per_action, limited, slow]
