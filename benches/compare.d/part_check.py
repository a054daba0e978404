# Reading and checking plans: beside the csv crate merely reading the list, beside validators of JSON Schema, beside a YAML reader.
import csv
import json

from measure import OursFailed, PeerFailed, run, say
from table import absolutes, least, most, plain


# Mixes of rows, as benches/check.rs writes them.
MIXES = {
    "digicert": "DigiCert rows",
    "naver": "NAVER rows, whose targets have two parameters",
    "alternating": "rows of three providers in turn",
}


def lists(bench):
    """Rows of lists in CSV."""
    ours, tools = bench.ours, bench.tools
    many, some = (200_000, 20_000) if bench.quick else (1_000_000, 100_000)
    version = lambda name: tools.versions.get(name, "")
    times = {mix: most(f"Q4 check of {many:,} {words}", 2 * many / 1_000_000, unit=" s") for mix, words in MIXES.items()}
    peaks = {mix: most("Q4 the same: peak memory", 64, unit=" MB") for mix in MIXES}
    rows = {
        "jsonschema": least(f"Q4 check of {some:,} rows: Python jsonschema {version('jsonschema')} / ours", 15),
        "ajv-cli": least(f"Q4 check of {some:,} rows: ajv-cli {version('ajv-cli')} / ours", 2),
        "check-jsonschema": plain(f"check of {some:,} rows: check-jsonschema {version('check-jsonschema')} / ours"),
    }
    schema = bench.helpers / "row.schema.json"
    line_by_line, whole, whole_schema = write_json(bench, ours.plan("digicert", some), schema)
    commands = {
        "jsonschema": lambda path: [path, bench.helpers / "peer_jsonschema.py", schema, line_by_line],
        "check-jsonschema": lambda path: [path, "-m", "check_jsonschema", "--schemafile", whole_schema, whole],
        "ajv-cli": lambda path: [path, "validate", "--spec=draft2020", "-s", whole_schema, "-d", whole],
    }
    for name in list(commands):
        if not tools.have(name):
            rows[name].missing = tools.why_missing(name)
            del commands[name]
    done = {}
    for _ in bench.rounds("check"):
        read = run([tools.paths["bare"], "--read", ours.plan("digicert", many)], 120)
        if read.code or int(read.out) != many:
            raise OursFailed(f"the bench's reader read {read.out!r} of {many} rows")
        keep(done, "the csv crate, merely reading", many, read)
        for mix, words in MIXES.items():
            checked = ours.check(ours.plan(mix, many), many)
            times[mix].ratios.append(checked.wall)
            peaks[mix].ratios.append(checked.peak_mb)
            keep(done, f"certsweep check, {many:,} {words}", many, checked)
        short = ours.check(ours.plan("digicert", some), some)
        keep(done, f"certsweep check, {some:,} rows", some, short)
        for name, command in list(commands.items()):
            took = run(command(tools.paths[name]), 300, env=bench.environment)
            if took.code:
                rows[name].missing = f"{name} ended with {took.code}: {took.out.strip()[-200:]}"
                say(f"  {rows[name].missing}")
                del commands[name]
                continue
            rows[name].ratios.append(took.wall / short.wall)
            keep(done, f"{name} {tools.versions[name]}", some, took)
        seconds = {mix: f"{row.ratios[-1]:.2f} s" for mix, row in times.items()}
        bench.told({name: f"{row.ratios[-1]:.1f}" for name, row in rows.items() if row.ratios} | seconds)
    bench.table(absolutes((name, *numbers) for name, numbers in done.items()))
    return [*(row for mix in MIXES for row in (times[mix], peaks[mix])), *rows.values()]


def yaml(bench):
    """The row of plans in YAML."""
    number = 10_000 if bench.quick else 100_000
    row = plain(f"YAML plan of {number:,} actions: PyYAML {bench.tools.versions.get('PyYAML', '')} CSafeLoader's bare load / our read and check")
    plan, done = bench.ours.plan("yaml", number), {}
    for _ in bench.rounds("yaml", at_most=3):
        checked = bench.ours.check(plan, number)
        keep(done, f"certsweep check, YAML plan of {number:,}", number, checked)
        if not bench.tools.have("PyYAML"):
            row.missing = bench.tools.why_missing("PyYAML")
            continue
        loaded = run([bench.tools.paths["PyYAML"], bench.helpers / "peer_yaml.py", plan], 300, env=bench.environment)
        if loaded.code or loaded.out.strip() != str(number):
            raise PeerFailed(f"PyYAML read {loaded.out.strip()[-200:]!r} of {number} actions")
        row.ratios.append(loaded.wall / checked.wall)
        keep(done, f"PyYAML {bench.tools.versions['PyYAML']} CSafeLoader, load", number, loaded)
        bench.told({"ratio": f"{row.ratios[-1]:.1f}"})
    bench.table(absolutes((name, *numbers) for name, numbers in done.items()))
    return [row]


def keep(done, name, number, took):
    rates, cpus, peaks = done.setdefault(name, ([], [], []))
    rates.append(number / took.wall)
    cpus.append(took.cpu * 1e6 / number)
    peaks.append(took.peak_mb)


def write_json(bench, plan, schema):
    """The list as its peers want it: JSON Lines, one JSON array, and the schema of that array."""
    with open(plan, newline="") as file:
        rows = [{**row, "skip_approval": row["skip_approval"] == "true"} for row in csv.DictReader(file)]
    line_by_line, whole = bench.scratch / "rows.jsonl", bench.scratch / "rows.json"
    line_by_line.write_text("".join(json.dumps(row) + "\n" for row in rows))
    whole.write_text(json.dumps(rows))
    of_all = json.loads(schema.read_text())
    draft = of_all.pop("$schema")
    whole_schema = bench.scratch / "rows.schema.json"
    whole_schema.write_text(json.dumps({"$schema": draft, "type": "array", "items": of_all}))
    return line_by_line, whole, whole_schema
