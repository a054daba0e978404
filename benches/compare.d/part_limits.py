# How much of a declared limit is used, as the server sees it, and what keeping it costs.
import ours
from measure import Server, median
from table import least, most

SECONDS = 10


def limits(bench):
    rows = []
    with Server(bench.tools.paths["bare"]) as server:
        used = {limit: least(f"share of the declared limit used at {limit:,}/s", 0.995) for limit in (50, 1_000, 20_000)}
        queued = most(f"CPU of a run at 1,000/s with {ours.MOST:,} queued, less that with 64, of a core", 0.5, unit=" %")
        bares, wholes = [], []
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
            # What waiting costs, since HTTP and the journal cost the same in both; nothing tells the limiter's own share from outside.
            queued.ratios.append((many.took.cpu - few.took.cpu) / few.took.wall * 100)
            wholes.append(many.took.cpu / many.took.wall * 100)
            bares.append(bare.took.cpu / many.took.wall * 100)
            bench.told({f"{limit}/s": f"{row.ratios[-1]:.4f}" for limit, row in used.items()} | {"CPU": f"{wholes[-1]:.2f} %"})
        queued.note = f"the whole run {median(wholes):.1f} %, bare reqwest's requests {median(bares):.1f} %"
        rows = [*used.values(), queued]
    return rows
