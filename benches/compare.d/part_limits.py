# How much of a declared limit is used, as the server sees it, and what keeping it costs.
import ours
from measure import OursFailed, Server, median, run
from table import least, plain

SECONDS = 10


def limits(bench):
    rows = []
    with Server(bench.tools.paths["bare"]) as server:
        used = {limit: least(f"Q1 share of the declared limit used at {limit:,}/s", 0.995) for limit in (50, 1_000, 20_000)}
        alone = plain(f"CPU of the limiter at 1,000/s with {ours.MOST:,} queued, by itself under a virtual clock, of a core", unit=" %")
        waiting, bares, wholes = [], [], []
        for _ in bench.rounds("limits", at_most=3):
            for limit, row in used.items():
                # So many windows' worth of requests, and the one after them, which may come when they are over and not before.
                seconds = 3 if bench.quick else SECONDS
                did = bench.ours.run(server, limit * seconds + 1, 64, 300, rate=f"{limit}/1s")
                lasted = (did.seen["last"] - did.seen["first"]) / 1e9
                row.ratios.append(seconds / lasted)
            number = 1_000 * (3 if bench.quick else SECONDS) + 1
            many = bench.ours.run(server, number, ours.MOST, 120, rate="1000/1s")
            few = bench.ours.run(server, number, 64, 120, rate="1000/1s")
            bare = server.count(lambda: bench.bare(server, number, 64))
            alone.ratios.append(limiter(bench) * 100)
            # What more waiting costs a whole run, since HTTP and the journal cost the same in both.
            waiting.append((many.took.cpu - few.took.cpu) / few.took.wall * 100)
            wholes.append(many.took.cpu / many.took.wall * 100)
            bares.append(bare.took.cpu / many.took.wall * 100)
            bench.told({f"{limit}/s": f"{row.ratios[-1]:.4f}" for limit, row in used.items()} | {"CPU": f"{alone.ratios[-1]:.3f} %"})
        alone.note = (
            f"a whole run {median(wholes):.1f} %, which is {median(waiting):.1f} % more than with 64 places; "
            f"bare reqwest's requests {median(bares):.1f} %"
        )
        rows = [*used.values(), alone]
    return rows


def limiter(bench):
    """The share of a core that queue and pace take by themselves."""
    took = run([bench.tools.paths["limiter"], "--rounds", 1], 60)
    if took.code or not took.out.startswith("share "):
        raise OursFailed(f"the limiter's bench ended with {took.code}: {took.out.strip()[-200:]}")
    return float(took.out.split()[1])
