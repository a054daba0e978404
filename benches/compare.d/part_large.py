# A million actions: memory, the time to the first request, to go on after a kill, and to report.
import shutil

from measure import OursFailed, Server
from ours import until
from table import least, most

CONCURRENCY = 64


def large(bench):
    ours = bench.ours
    number = 100_000 if bench.quick else 1_000_000
    memory = most(f"Q8 peak memory, run of {number:,} actions from CSV, DigiCert", 64, unit=" MB")
    memory_naver = most("Q8 the same, NAVER, whose targets have two parameters", 64, unit=" MB")
    start = most(f"Q5 from start to first request, {number:,} CSV rows", 4, unit=" s")
    again = most(f"Q6 resume of a half-done run of {number:,}: to its first request", 0.7, unit=" s")
    memory_again = most("Q6 the same: peak memory", 64, unit=" MB")
    report = most(f"Q7 report of a run of {number:,}, CSV", 2, unit=" s")
    whole = least(f"Q9 actions/s, whole runner, {number:,} actions: ours / bare reqwest", 0.45)
    for mix in ("digicert", "naver"):
        ours.plan(mix, number)
    with Server(bench.tools.paths["bare"]) as server:
        for _ in bench.rounds("large", at_most=3):
            bare = server.count(lambda: bench.bare(server, number, CONCURRENCY))
            did = ours.run(server, number, CONCURRENCY, 600, keep=True)
            whole.ratios.append(did.rate / bare.rate)
            memory.ratios.append(did.took.peak_mb)
            start.ratios.append(did.seen["first"] / 1e9 - did.took.began)
            report.ratios.append(written(bench, number).wall)
            again_did = half_done(bench, server, number)
            again.ratios.append(again_did.seen["first"] / 1e9 - again_did.took.began)
            memory_again.ratios.append(again_did.took.peak_mb)
            shutil.rmtree(bench.scratch / "run")
            memory_naver.ratios.append(ours.run(server, number, CONCURRENCY, 600, mix="naver").took.peak_mb)
            bench.told({row.what.split(",")[0]: f"{row.ratios[-1]:.2f}" for row in (memory, memory_naver, start, again, report, whole)})
    return [memory, memory_naver, start, again, memory_again, report, whole]


def written(bench, number):
    out = bench.scratch / "report.csv"
    took = bench.ours.process([bench.ours.program, "report", bench.scratch / "run", "-o", out], 120)
    with open(out, "rb") as file:
        lines = sum(1 for _ in file)
    if took.code or lines != number + 1:
        raise OursFailed(f"the report of {number} actions ended with {took.code}, {lines} lines: {bench.ours.last_words()}")
    out.unlink()
    return took


def half_done(bench, server, number):
    """Kills a run in the middle, and goes on with it to its end; what going on took."""
    ours = bench.ours
    command, place = ours.command(server, number, CONCURRENCY)
    killed = server.count(lambda: ours.process(command, 600, stop=until(server, lambda seen: seen["requests"] * 2 >= number)))
    if killed.requests >= number:
        raise OursFailed("the run could not be stopped in its middle")
    resume = [ours.program, "resume", place, "--yes"]
    did = server.count(lambda: ours.process(resume, 600))
    # What was in flight at the kill is asked again, and no more.
    sent = killed.requests + did.requests
    if did.took.code or not number <= sent <= number + CONCURRENCY:
        raise OursFailed(f"resume ended with {did.took.code}; {sent} requests for {number} actions: {ours.last_words()}")
    return did
