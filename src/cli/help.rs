//! What stands below the options in each command's help: examples, faults, exit codes. Texts only.

pub(super) const EXAMPLES: &str = "\
Examples:
  certsweep check plan.yaml             all errors of the plan at once
  certsweep preview plan.yaml           what would be sent, and how long it takes
  certsweep run plan.yaml               shows the same, asks, and carries it out
  certsweep run plan.yaml --simulate    a rehearsal: nothing leaves this machine
  certsweep resume runs/20261201T0100   goes on after a stop, a crash or Ctrl-C

Exit codes:
  0 all ended well    1 some did not     2 command line or plan wrong, nothing sent
  3 stopped by a rule, a closed window or the deadline    4 the environment failed
  130, 143 interrupted by a signal       After 3, 4, 130, 143: certsweep resume";

pub(super) const CHECK_EXAMPLES: &str = "\
Examples:
  certsweep check plan.yaml
  certsweep check leaked.csv --columns \"certificate_id=Cert ID\" --ignore-columns true
  certsweep check plan.yaml --json";

pub(super) const PREVIEW_EXAMPLES: &str = "\
Examples:
  certsweep preview plan.yaml
  certsweep preview plan.yaml --report planned.csv
  certsweep preview plan.yaml --json | jq -r .digest";

pub(super) const RUN_EXAMPLES: &str = "\
Examples:
  certsweep run plan.yaml
  certsweep run plan.yaml --yes --digest \"$DIGEST\" --report result.csv
  certsweep run plan.yaml --simulate --fault 429=1/20 --fault digicert:lost-answer=1/100 --seed 7";

pub(super) const RESUME_EXAMPLES: &str = "\
Examples:
  certsweep resume runs/20261201T010000Z-leaked-build-key
  certsweep resume runs/20261201T010000Z-leaked-build-key --retry failed,in-doubt --yes";

pub(super) const STATUS_EXAMPLES: &str = "\
Examples:
  certsweep status runs/20261201T010000Z-leaked-build-key
  certsweep status runs/20261201T010000Z-leaked-build-key --json | jq .waiting";

pub(super) const CONTROL_EXAMPLES: &str = "\
Examples:
  certsweep pause runs/20261201T010000Z-leaked-build-key
  certsweep set-rate runs/20261201T010000Z-leaked-build-key digicert=50/5s naver-kr=10/1s,100/60s
  certsweep unpause runs/20261201T010000Z-leaked-build-key

Exit codes:
  0 it is so now    2 no such run or provider, or the run has ended    4 nobody carries the run out";

pub(super) const REPORT_EXAMPLES: &str = "\
Examples:
  certsweep report runs/20261201T010000Z-leaked-build-key -o report.csv
  certsweep report runs/20261201T010000Z-leaked-build-key --format json --outcome failed,in-doubt";

pub(super) const VERIFY_EXAMPLES: &str = "\
Asked are the provider, where its document has a state call for the action, and the CRL and the OCSP
responder of the certificate, where the plan says `certificate: \"file:…\"`. One valid word that it is
revoked is enough. A list or an answer that is out of date, unsigned or another CA's proves nothing.

Examples:
  certsweep verify runs/20261201T010000Z-leaked-build-key --wait 24h
  certsweep verify runs/20261201T010000Z-leaked-build-key --only crl,ocsp --issuer ca.pem --json

Exit codes:
  0 all are seen revoked    1 some are not    2 no such run or file    4 the environment failed
  130, 143 interrupted by a signal";

pub(super) const PROVIDERS_EXAMPLES: &str = "\
Examples:
  certsweep providers
  certsweep providers show digicert
  certsweep providers check my-ca.yaml";

pub(super) const SCHEMA_EXAMPLES: &str = "\
Example:
  certsweep schema > plan.schema.json";

pub(super) const SIMULATE_EXAMPLES: &str = "\
Faults:
  latency=200ms        every answer takes so long
  429=1/20             one request in 20 is told to wait
  5xx=1/50             one in 50 gets a server error
  reset=1/100          one in 100 loses its connection before it took effect
  lost-answer=1/100    one in 100 takes effect, and its answer is lost
  limit=1/3            only a third of the declared rate is allowed
  hang=1/1000          one in 1000 is never answered
  html=1/500           one in 500 is answered with a page that no document declares
  bad-nonce=1/5        one in 5 is told that its good nonce is none (ACME)

Examples:
  certsweep simulate --port 8080
  certsweep simulate --fault latency=200ms --fault naver:5xx=1/50 --seed 7";

pub(super) const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  certsweep completions bash > /etc/bash_completion.d/certsweep
  certsweep completions zsh > \"${fpath[1]}/_certsweep\"";
