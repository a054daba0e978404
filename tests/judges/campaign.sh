#!/bin/sh
# A campaign as a person types it, from a leaked key to the paper: 40 of 60 servers have the key. Each command of certsweep stands on a line of its own.
# Around them: what the person has already (the servers' inventory, accounts.yaml, the hook deploy.sh), and what goes wrong on the way.
# Needs: certsweep on the path, VAULT_TOKEN, and what tests/judges/campaign.rs sets up in the working directory.
set -eu

# What happened so far: lines of events that look so.
count() { if [ -e events.jsonl ]; then grep -c "$1" events.jsonl || true; else echo 0; fi; }
wait_until() {
  for _ in $(seq 600); do
    if "$@"; then return; fi
    sleep 0.1
  done
  echo "it never happens: $*" >&2
  exit 1
}

export CERTSWEEP_SETTINGS=accounts.yaml

# With a copy of each certificate (`--out`): the servers' files are about to be replaced.
certsweep find --key leaked.key --in nginx/certs --at vault --out found -o found.csv

# Which server has which name is in the inventory: one more column for the list.
tr -d '\r' <found.csv | awk -F, 'NR == FNR { host[$1] = $2; next } FNR == 1 { for (i = 1; i <= NF; i++) if ($i == "common_name") name = i; print $0 ",host"; next } { print $0 "," host[$name] }' inventory.csv - >targets.csv

certsweep csr --from targets.csv --out keys
certsweep init --from targets.csv --action reissue -o plan.yaml

# The plan, edited: the servers take the new certificate before the old one is revoked.
cat >plan.yaml <<'PLAN'
version: 1
name: leaked-key
deadline: 24h
hooks: {on: issued, command: "sh deploy.sh"}
safety: {canary: 1, waves: [25%, 100%], between_waves: 5s, unique_keys: true, compromised_keys: leaked.key}
defaults: {provider: vault, role: web}
actions:
  - from: targets.csv
    columns: {id: common_name, common_name: common_name}
    steps:
      - {action: reissue}
      - {wait: issued}
      - {wait: served, at: host, within: 12h}
      - {action: revoke}
      - {wait: revoked, by: crl, within: 2h}
PLAN

certsweep check plan.yaml
certsweep preview plan.yaml --online --json >preview.json
digest=$(sed -n 's/^ *"digest": "\([0-9a-f]*\)",*$/\1/p' preview.json)

certsweep run plan.yaml --digest "$digest" --yes --wait --run-dir run --events events.jsonl &
run=$!
# The first wave is over: its servers have new certificates, and nobody has asked for the others yet. The process is killed.
first_wave_is_over() { [ "$(count 'the next begins in')" -ge 1 ]; }
wait_until first_wave_is_over
kill -9 "$run"
wait "$run" || true

certsweep resume run --yes --wait --events events.jsonl &
run=$!
# All are signed for, and half of the old ones are revoked: the network is cut, and comes back.
half_is_revoked() { [ "$(count '/reissue","outcome":"succeeded"')" -ge 40 ] && [ "$(count '/revoke","outcome":"succeeded"')" -ge 20 ]; }
wait_until half_is_revoked
kill -9 "$(cat relay.pid)"
sleep 3
sh relay.sh
wait "$run"

certsweep report run --format csv -o replaced.csv
certsweep report run --format html -o replaced.html
certsweep report run --check replaced.html
