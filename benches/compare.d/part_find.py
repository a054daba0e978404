# Finding certificates by their key, and making keys with requests: beside loops of openssl, and beside Python's cryptography.
import os
import subprocess

from measure import OursFailed, run, say
from table import absolutes, least, most
from part_check import keep

# Different certificates among the files; the rest are copies, which cost a reader the same.
KINDS = 100


def find(bench):
    """`find --key` over a tree of PEM files."""
    number = 10_000 if bench.quick else 100_000
    tools = bench.tools
    rows = {
        "openssl": least(f"Q13 find --key over {number:,} PEM files: a loop of openssl x509 -pubkey / ours", 50),
        "cryptography": least(f"Q13 the same: Python cryptography {tools.versions.get('cryptography', '')} / ours", 5),
    }
    peak = most("Q13 the same: peak memory", 64, unit=" MB")
    if not tools.have("openssl"):
        for row in (*rows.values(), peak):
            row.missing = tools.why_missing("openssl")
        return [*rows.values(), peak]
    tree, key = write_tree(bench, number)
    # A loop starts a process for each file, so a part of the files tells the rest.
    some = number // 50
    loop = f"find {tree} -name '*.pem' | head -n {some} | while read -r file; do openssl x509 -in \"$file\" -noout -pubkey; done"
    done = {}
    for _ in bench.rounds("find", at_most=3):
        found = run([tools.paths["certsweep"], "find", "--key", key, "--in", tree], 600, env=bench.environment)
        if found.code or "found 1 certificate" not in found.out:
            raise OursFailed(f"find ended with {found.code}: {found.out.strip()[-300:]}")
        keep(done, f"certsweep find, {number:,} files", number, found)
        peak.ratios.append(found.peak_mb)
        looped = run(["sh", "-c", loop], 600, env=bench.environment)
        rows["openssl"].ratios.append(looped.wall * (number / some) / found.wall)
        keep(done, f"a loop of openssl x509, {some:,} files", some, looped)
        if tools.have("cryptography"):
            read = run([tools.paths["cryptography"], bench.helpers / "peer_find.py", key, tree], 900, env=bench.environment)
            if read.code:
                rows["cryptography"].missing = read.out.strip()[-200:]
                continue
            rows["cryptography"].ratios.append(read.wall / found.wall)
            keep(done, f"Python cryptography, {number:,} files", number, read)
        else:
            rows["cryptography"].missing = tools.why_missing("cryptography")
        bench.told({name: f"{row.ratios[-1]:.1f}" for name, row in rows.items() if row.ratios} | {"s": f"{found.wall:.2f}"})
    bench.table(absolutes((name, *numbers) for name, numbers in done.items()))
    return [*rows.values(), peak]


def rows(bench):
    """`find --serials` in an export: one row of a long list."""
    number = 100_000 if bench.quick else 1_000_000
    peak = most(f"Q13 find --serials in a list of {number:,} rows: peak memory", 64, unit=" MB")
    place, wanted = bench.scratch / "export.csv", bench.scratch / "serials.txt"
    with open(place, "w") as export:
        export.write("certificate_id,serial_number,common_name\n")
        export.writelines(f"{index},0x4A{index:030X},{index}.example.com\n" for index in range(1, number + 1))
    wanted.write_text(f"4A{number // 2:030X}\n")
    done = {}
    for _ in bench.rounds("list", at_most=3):
        found = run([bench.tools.paths["certsweep"], "find", "--serials", wanted, "--in", place, "--provider", "digicert"], 600, env=bench.environment)
        if found.code or "found 1 certificate" not in found.out:
            raise OursFailed(f"find ended with {found.code}: {found.out.strip()[-300:]}")
        peak.ratios.append(found.peak_mb)
        keep(done, f"certsweep find, a list of {number:,} rows", number, found)
        bench.told({"MB": f"{found.peak_mb:.0f}", "s": f"{found.wall:.2f}"})
    place.unlink()
    bench.table(absolutes((name, *numbers) for name, numbers in done.items()))
    return [peak]


def requests(bench):
    """`csr` for a list of names."""
    number = 200 if bench.quick else 1000
    row = least(f"Q14 csr for {number:,} rows, P-256: a loop of openssl req -newkey / ours", 20)
    if not bench.tools.have("openssl"):
        row.missing = bench.tools.why_missing("openssl")
        return [row]
    names = bench.scratch / "names.csv"
    names.write_text("common_name,dns_names\n" + "".join(f"{i}.example.com,{i}.example.com www.{i}.example.com\n" for i in range(number)))
    done = {}
    for round in bench.rounds("csr", at_most=3):
        keys, by_loop = bench.scratch / f"keys-{round}", bench.scratch / f"loop-{round}"
        by_loop.mkdir()
        made = run([bench.tools.paths["certsweep"], "csr", "--from", names, "--out", keys, "-o", bench.scratch / "new.csv"], 300, env=bench.environment)
        if made.code or len(os.listdir(keys)) != 2 * number:
            raise OursFailed(f"csr ended with {made.code}: {made.out.strip()[-300:]}")
        loop = (f"i=0; while [ $i -lt {number} ]; do openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$i.example.com "
                f"-addext subjectAltName=DNS:$i.example.com,DNS:www.$i.example.com -keyout {by_loop}/$i.key -out {by_loop}/$i.csr 2>/dev/null; i=$((i+1)); done")
        looped = run(["sh", "-c", loop], 300, env=bench.environment)
        row.ratios.append(looped.wall / made.wall)
        keep(done, f"certsweep csr, {number:,} rows", number, made)
        keep(done, f"a loop of openssl req, {number:,} rows", number, looped)
        bench.told({"ratio": f"{row.ratios[-1]:.1f}", "s": f"{made.wall:.2f}"})
    bench.table(absolutes((name, *numbers) for name, numbers in done.items()))
    return [row]


def write_tree(bench, number):
    """Files of certificates, one of which has the key."""
    place, tree = bench.scratch / "kinds", bench.scratch / "tree"
    place.mkdir()
    say(f"writing {number:,} PEM files ...")
    for kind in range(KINDS):
        make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650", "-subj", f"/CN={kind}.example.com",
                "-addext", f"subjectAltName=DNS:{kind}.example.com", "-keyout", str(place / f"{kind}.key"), "-out", str(place / f"{kind}.pem")]
        subprocess.run(make, check=True, capture_output=True, timeout=60)
    texts = [(place / f"{kind}.pem").read_text() for kind in range(KINDS)]
    for index in range(number):
        directory = tree / f"{index // 1000:03}"
        directory.mkdir(parents=True, exist_ok=True)
        # The first kind, whose key is looked for, once.
        (directory / f"{index}.pem").write_text(texts[0 if index == 0 else 1 + index % (KINDS - 1)])
    return tree, place / "0.key"
