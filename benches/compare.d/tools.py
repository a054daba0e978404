# Builds certsweep and finds or installs its peers, all below target/compare. A peer that cannot be had is told of, and is no failure.
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from measure import OursFailed, PeerFailed, say

ROOT = Path(__file__).resolve().parents[2]
HELPERS = Path(__file__).resolve().parent
PLACE = ROOT / "target" / "compare"
PYTHON_PEERS = ["aiohttp", "jsonschema", "check-jsonschema", "PyYAML", "cryptography"]


class Tools:
    """Where each program is; `versions` is what each calls itself, `missing` why one is not there."""

    def __init__(self):
        self.paths, self.versions, self.missing = {}, {}, {}

    def have(self, name):
        return name in self.paths

    def why_missing(self, *names):
        return "; ".join(self.missing[name] for name in names if name in self.missing)

    def find(self, name, install, version):
        """Notes a peer, or why it cannot be had."""
        try:
            path = install()
            if not path:
                raise PeerFailed("there is none")
            self.paths[name] = path
            self.versions[name] = version(path)
        except (PeerFailed, OSError, subprocess.SubprocessError) as error:
            self.missing[name] = f"{name} cannot be had: {error}"
            self.paths.pop(name, None)
            say(f"{self.missing[name]}; its rows are missing")


def build(tools):
    """certsweep itself, and the benches that are programs of ours."""
    say("building (release) ...")
    command = ["cargo", "build", "--release", "--locked", "--message-format", "json-render-diagnostics", "--bin", "certsweep"]
    for bench in ("bare", "check", "limiter", "run"):
        command += ["--bench", bench]
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=3600)
    if built.returncode:
        raise OursFailed("it cannot be built")
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable"):
            tools.paths[message["target"]["name"]] = message["executable"]
    lock = (ROOT / "Cargo.lock").read_text()
    for name in ("reqwest", "csv"):
        tools.versions[name] = re.search(f'name = "{name}"\nversion = "([^"]+)"', lock)[1]


def for_requests(tools):
    tools.find("oha", oha, lambda path: words(path, "--version").split()[-1])
    tools.find("wrk", wrk, lambda path: re.search(r"\d+\.\d+\.\d+", words(path, "-v"))[0])
    tools.find("curl", lambda: shutil.which("curl") and shutil.which("xargs") and shutil.which("curl"),
               lambda path: words(path, "--version").split()[1])
    tools.find("aiohttp", lambda: python("aiohttp"), lambda path: python_version(path, "aiohttp"))


def for_syncs(tools):
    tools.find("syncs", syncs, lambda _: "")


def for_check(tools):
    for name in ("jsonschema", "check-jsonschema"):
        tools.find(name, lambda: python(name), lambda path: python_version(path, name))
    tools.find("ajv-cli", ajv, lambda path: json.loads((PLACE / "npm/node_modules/ajv-cli/package.json").read_text())["version"])


def for_verify(tools):
    tools.find("openssl", lambda: shutil.which("openssl"), lambda path: words(path, "version").split()[1])


def for_find(tools):
    for_verify(tools)
    tools.find("cryptography", lambda: python("cryptography"), lambda path: python_version(path, "cryptography"))


def for_yaml(tools):
    tools.find("PyYAML", lambda: python("PyYAML"), lambda path: python_version(path, "PyYAML"))


def oha():
    own = PLACE / "oha" / "bin" / "oha"
    if own.exists() or shutil.which("oha"):
        return own if own.exists() else shutil.which("oha")
    say("building oha; this takes some minutes ...")
    quietly(["cargo", "install", "oha", "--locked", "--root", PLACE / "oha", "--target-dir", PLACE / "oha-build"], 1800)
    return own


def wrk():
    own = PLACE / "wrk" / "wrk"
    if shutil.which("wrk") or own.exists():
        return shutil.which("wrk") or own
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise PeerFailed("it is neither on the path nor is there a Debian package manager")
    # Unpacked below target/, so that nothing of the machine changes and nobody needs to be root.
    own.parent.mkdir(parents=True, exist_ok=True)
    quietly(["apt-get", "download", "wrk", "libluajit-5.1-2"], 120, own.parent)
    for package in own.parent.glob("*.deb"):
        quietly(["dpkg", "-x", package, own.parent / "unpacked"], 60)
    libraries = next((own.parent / "unpacked").glob("usr/lib/*/libluajit*")).parent
    own.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={libraries} exec {own.parent}/unpacked/usr/bin/wrk "$@"\n')
    own.chmod(0o755)
    return own


def python(name):
    """The venv's Python, with a package in it."""
    venv = PLACE / "venv"
    path = venv / "bin" / "python"
    if not path.exists():
        quietly(["python3", "-m", "venv", venv], 120)
    if not installed(path, name):
        # All at once, so that none upgrades what another has.
        quietly([path, "-m", "pip", "install", "--quiet", *PYTHON_PEERS], 600)
    return path


def installed(path, name):
    command = [path, "-c", f"from importlib.metadata import version; version({name!r})"]
    return subprocess.run(command, capture_output=True, timeout=60).returncode == 0


def ajv():
    own = PLACE / "npm" / "node_modules" / ".bin" / "ajv"
    if not own.exists():
        if not shutil.which("npm"):
            raise PeerFailed("there is no npm")
        own.parents[2].mkdir(parents=True, exist_ok=True)
        quietly(["npm", "install", "--no-fund", "--no-audit", "--prefix", own.parents[2], "ajv-cli"], 600)
    return own


def syncs():
    library = PLACE / "syncs.so"
    quietly(["cc", "-O2", "-shared", "-fPIC", "-o", library, HELPERS / "syncs.c", "-ldl"], 60)
    return library


def python_version(path, name):
    return words(path, "-c", f"from importlib.metadata import version; print(version({name!r}))").strip()


def words(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60).stdout


def quietly(command, timeout, place=None):
    done = subprocess.run(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout,
                          env={**os.environ, "CARGO_TERM_COLOR": "never"})
    if done.returncode:
        last = (done.stdout.strip().splitlines() or ["no word"])[-1]
        raise PeerFailed(f"`{command[0]}` says: {last}")
