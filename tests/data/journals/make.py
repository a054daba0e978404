#!/usr/bin/env python3
"""Makes `half` and `done` of a version of the run directory that is not released yet: make.py CERTSWEEP VERSION_DIRECTORY

The plan, its list and the provider document are those that are kept already. Works in /srv/kept, which is removed again.
"""
import json, pathlib, shutil, sqlite3, subprocess, sys, time

binary, kept = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
place = pathlib.Path("/srv/kept")
run, inputs = place / "run", kept / "half/run/inputs"
plan, rows = (inputs / "0-plan.yaml").read_text(), (inputs / "1-list.csv").read_text()
if place.exists():
    shutil.rmtree(place)
place.mkdir(parents=True)
(place / "plan.yaml").write_text(plan)
(place / "list.csv").write_text(rows)
shutil.copytree(kept / "providers", place / "providers")


def certsweep(*args):
    return subprocess.run([binary, *args], cwd=place, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})


def status():
    said = certsweep("status", "run", "--json")
    return json.loads(said.stdout) if said.returncode == 0 else None


def keep(name):
    """Copies the run, its write-ahead log folded into the database, with what is said of it."""
    said, report = status(), certsweep("report", "run").stdout
    with sqlite3.connect(run / "run.sqlite") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    shutil.rmtree(kept / name, ignore_errors=True)
    for file in ["run.sqlite", "marks", *(str(path.relative_to(run)) for path in (run / "inputs").iterdir())]:
        to = kept / name / "run" / file
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(run / file, to)
        to.chmod(0o644)
    for estimate in ["rate_per_second", "estimated_seconds_left"]:
        said.pop(estimate)
    (kept / name / "status.json").write_text(json.dumps(said, indent=2) + "\n")
    # As bytes: the report's lines end as RFC 4180 has it.
    (kept / name / "report.csv").write_bytes(subprocess.run([binary, "report", "run"], cwd=place, capture_output=True).stdout)


faults = "--fault latency=300ms --fault lost-answer=1/3 --fault 5xx=1/4 --seed 5".split()
child = subprocess.Popen([binary, "run", "plan.yaml", "--simulate", "--provider-dir", "providers", "--run-dir", "run", *faults], cwd=place)
while not (run / "live.json").exists() or not status()["outcomes"]["succeeded"]:
    time.sleep(0.02)
for command in [["pause", "run"], ["set-rate", "run", "in-house=10/1s"], ["unpause", "run"]]:
    done = certsweep(*command)
    assert done.returncode == 0, done
while True:
    now = status()
    if now["in_flight"] == 3 and now["outcomes"]["succeeded"] >= 3:
        break
    assert child.poll() is None, "it ended too soon: again"
child.kill()
child.wait()
keep("half")
done = certsweep("resume", "run", "--yes", "--provider-dir", "providers")
assert done.returncode == 0, done
keep("done")
shutil.rmtree(place)
