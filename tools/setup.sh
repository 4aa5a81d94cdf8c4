#!/usr/bin/env bash
# Installs what a verb of ./dev needs: Debian packages, and (for the tests) Node 24 and the official MCP clients and
# servers from npm, the latter inside tests/e2e/ only. Idempotent; silent and quick when there is nothing to do.
#
#   tools/setup.sh [--yes] [build|test|bench|lint|fuzz|fresh]      default: test
#
# Reference system: Debian 13. Debian 12 is too old for some packages; there the Debian 13 suite is added, derived from
# the machine's own apt sources and pinned so low that it changes nothing by itself. That needs consent: --yes, or a
# terminal to ask on, or CI=true.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
yes=${LATTICEGATE_YES:-}
[[ ${CI:-} == true ]] && yes=1
purpose="test"
for argument in "$@"; do
  case $argument in
    --yes | -y) yes=1 ;;
    build | test | bench | lint | fuzz | fresh) purpose=$argument ;;
    *) echo "setup: unknown argument '$argument' (expected --yes, build, test, bench, lint, fuzz or fresh)" >&2; exit 2 ;;
  esac
done

# What is needed, and the lowest version that will do ("0" = any).
wanted=(
  g++-14:14 cmake:3.25 ninja-build:0 pkg-config:0 git:0 ca-certificates:0
  libssl-dev:3.5.7 libsimdjson-dev:3.12 libvectorscan-dev:5.4.11 libyaml-cpp-dev:0.8
  libsqlite3-dev:0 libzstd-dev:0 zlib1g-dev:0 libllhttp-dev:9 libcli11-dev:0 doctest-dev:0
)
case $purpose in
  test) wanted+=(make:0 python3:0 python3-setuptools:0 openssl:3.5.7 xz-utils:0 cvc5:0 rsyslog:0) ;;   # rsyslog: receives in tests/e2e/audit_stream
  bench) wanted+=(python3:0 openssl:3.5.7 wrk:4.1 nginx:1.26 haproxy:3.0) ;;
  lint) wanted+=(python3:0 clang-tidy-19:0 clang-format-19:0) ;;
  fuzz) wanted+=(clang-19:0 libclang-rt-19-dev:0) ;;
  fresh) wanted=(debootstrap:0 git:0 ca-certificates:0) ;;
esac

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 2; }
as_root() { if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi; }

# --- what is missing -----------------------------------------------------------------------------------------------
missing=()
find_missing() {
  local name state version entry
  local -A have=()
  while read -r state name version; do
    [[ $state == ii ]] && have[${name%%:*}]=$version
  done < <(dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\n' "${wanted[@]%%:*}" 2>/dev/null || true)
  missing=()
  for entry in "${wanted[@]}"; do
    name=${entry%%:*}
    version=${have[$name]:-}
    [[ -n $version ]] && { [[ ${entry##*:} == 0 ]] || dpkg --compare-versions "$version" ge "${entry##*:}"; } && continue
    missing+=("$entry")
  done
  if [[ $purpose == test ]] && ! command -v npm >/dev/null; then missing+=(nodejs:0 npm:0); fi
}

# --- apt, with one line that moves instead of pages of text --------------------------------------------------------
trixie='/^trixie(|-security|-updates)$/'   # the three suites together, so that a security fix wins over the release
scratch=
service_guard=
cleanup() {
  [[ -z $scratch ]] || rm -rf "$scratch"
  [[ -z $service_guard ]] || as_root rm -f "$service_guard"
}
trap cleanup EXIT

show_progress() {  # apt's status lines, "kind:package:percent:words"
  local kind percent shown=-50 doing
  while IFS=: read -r kind _ percent _; do
    percent=${percent%%.*}
    [[ $percent =~ ^[0-9]+$ ]] || continue
    [[ $kind == dlstatus ]] && doing="fetching" || doing="unpacking"
    if [[ -t 2 ]]; then
      printf '\r\033[Ksetup:   %s %s %%' "$doing" "$percent" >&2
    elif ((percent >= shown + 50 || percent < shown)); then
      shown=$percent
      say "  $doing $percent %"
    fi
  done
  if [[ -t 2 ]]; then printf '\r\033[K' >&2; fi
}

run_apt() {  # what-it-does apt-get-arguments...
  local failed='' reader
  say "$1"
  shift
  scratch=${scratch:-$(mktemp -d)}
  [[ -p $scratch/status ]] || mkfifo "$scratch/status"
  show_progress <"$scratch/status" &
  reader=$!
  # The status goes through a pipe that is opened as root: sudo would close any further descriptor of ours.
  as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l bash -c 'exec apt-get "$@" 3>"$0"' "$scratch/status" \
    -q -o Dpkg::Use-Pty=0 -o APT::Status-Fd=3 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    "$@" </dev/null >"$scratch/log" 2>&1 || failed=1
  if [[ -n $failed ]]; then kill "$reader" 2>/dev/null || true; fi   # it may never have been opened
  wait "$reader" || true
  [[ -z $failed ]] || { tail -n 30 "$scratch/log" >&2; die "apt-get $1 failed"; }
}

# Which of the missing packages this machine's apt does not offer in the needed version.
too_old=() offered=()
sort_missing() {
  local entry name line
  local -A candidate=()
  name=
  while read -r line; do
    case $line in
      *:) name=${line%:} ;;
      "Candidate: "*) candidate[$name]=${line#Candidate: } ;;
    esac
  done < <(LC_ALL=C apt-cache policy "${missing[@]%%:*}")
  too_old=() offered=()
  for entry in "${missing[@]}"; do
    name=${entry%%:*}
    line=${candidate[$name]:-(none)}
    if [[ $line == "(none)" ]] || { [[ ${entry##*:} != 0 ]] && dpkg --compare-versions "$line" lt "${entry##*:}"; }; then
      too_old+=("$name")
    else
      offered+=("$name")
    fi
  done
  ((${#too_old[@]})) || return 0
  # A library's -dev package has to match the library, which the newer suite may have upgraded: they move together.
  local -a rest=("${offered[@]}")
  offered=()
  for name in "${rest[@]}"; do
    if [[ $name == lib*-dev ]]; then too_old+=("$name"); else offered+=("$name"); fi
  done
}

# --- Debian 12: the Debian 13 suite beside it ----------------------------------------------------------------------
suite_file=/etc/apt/sources.list.d/latticegate-trixie
pin_file=/etc/apt/preferences.d/latticegate-trixie

# This machine's own Debian 12 sources with the suite's name changed; nothing but Debian's main archive and its
# security and updates suites (a third party's source is never touched, backports are left out).
derived_deb822() {
  local file
  for file in /etc/apt/sources.list.d/*.sources; do
    [[ -e $file && $file != "$suite_file.sources" ]] || continue
    awk 'BEGIN { RS = ""; FS = "\n" }
      {
        suites = ""; main = 0; off = 0; rest = ""
        for (i = 1; i <= NF; ++i) {
          if ($i ~ /^#/) continue
          if ($i ~ /^Enabled:[ \t]*(no|false|0)/) off = 1
          if ($i ~ /^Components:.*[ \t]main([ \t]|$)/) main = 1
          if ($i ~ /^Suites:/) {
            n = split(substr($i, 8), word, /[ \t]+/)
            for (j = 1; j <= n; ++j)
              if (word[j] ~ /^bookworm(-updates|-security)?$/) { sub(/bookworm/, "trixie", word[j]); suites = suites " " word[j] }
            continue
          }
          rest = rest $i "\n"
        }
        if (suites != "" && main && !off) printf "%sSuites:%s\n\n", rest, suites
      }' "$file"
  done
}
derived_one_line() {
  local file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [[ -e $file && $file != "$suite_file.list" ]] || continue
    sed -nE '/^deb[ \t].*[ \t]bookworm(-updates|-security)?[ \t]+(.*[ \t])?main([ \t]|$)/{s/([ \t])bookworm/\1trixie/;p}' "$file"
  done
}
add_trixie() {
  local sources lines answer
  LC_ALL=C apt-cache policy | grep -q 'n=trixie' && return 0
  sources=$(derived_deb822) lines=$(derived_one_line)
  [[ -n $sources$lines ]] ||
    die "this machine's apt offers no (or too old): ${too_old[*]}; the reference system is Debian 13, and no Debian 12
       source was found from which that suite could be derived"
  say "this machine's Debian is too old for: ${too_old[*]}"
  say "they can come from Debian 13 (trixie), derived from this machine's own apt sources, in"
  say "  $suite_file.* and $pin_file"
  say "pinned below everything installed, so that only these packages and what they need come from it;"
  say "delete these files before you upgrade the machine to Debian 13"
  if [[ -z $yes ]]; then
    [[ -t 0 && -t 2 ]] || die "that needs consent: run again with --yes, or in a terminal"
    read -r -p "setup: add the Debian 13 suite? [y/N] " answer
    [[ $answer == [yY]* ]] || die "stopped; nothing was changed"
  fi
  [[ -z $sources ]] || as_root tee "$suite_file.sources" <<<"$sources" >/dev/null
  [[ -z $lines ]] || as_root tee "$suite_file.list" <<<"$lines" >/dev/null
  printf 'Package: *\nPin: release n=trixie*\nPin-Priority: 100\n' | as_root tee "$pin_file" >/dev/null
  run_apt "reading the Debian 13 package lists" update
}

install_packages() {
  command -v apt-get >/dev/null || die "this set-up knows Debian 12 and 13; needed here: ${missing[*]%%:*}"
  [[ $(id -u) == 0 ]] || command -v sudo >/dev/null || die "root or sudo is needed to install: ${missing[*]%%:*}"
  run_apt "reading package lists" update
  sort_missing
  if ((${#too_old[@]})); then add_trixie; fi
  if [[ $purpose == bench && ! -e /usr/sbin/policy-rc.d ]]; then   # nginx and haproxy are wanted as programs, not as services
    service_guard=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$service_guard" >/dev/null
    as_root chmod 755 "$service_guard"
  fi
  if ((${#too_old[@]})); then
    run_apt "installing from Debian 13: ${too_old[*]}" install -y --no-install-recommends -t "$trixie" "${too_old[@]}"
  fi
  if ((${#offered[@]})); then
    run_apt "installing: ${offered[*]}" install -y --no-install-recommends "${offered[@]}"
  fi
  find_missing
  ((${#missing[@]} == 0)) || die "still missing or too old: ${missing[*]}"
}

# --- ONNX Runtime, for an operator's own classifier: its header to build, the library itself to test ----------------
# Unpacked into build/, not installed: on Debian 12 it would push other packages out. A machine without it builds and tests without.
unpack_onnxruntime() {
  local folder=$root/build/onnxruntime packages suite=()
  [[ ! -e $folder/.unpacked-test && ! -e $folder/.unpacked-$purpose ]] || return 0
  if LC_ALL=C apt-cache policy | grep 'n=bookworm' >/dev/null; then suite=(-t "$trixie"); fi
  if ! packages=$(apt-get install -s -q --no-install-recommends "${suite[@]}" libonnxruntime-dev 2>/dev/null |
    sed -nE 's/^Inst ([^ ]+) (\[[^]]*\] )?\(([^ ]+) .*/\1=\3/p'); then
    say "no ONNX Runtime to be had: built and tested without (inspect.classifier)"
    return 0
  fi
  if [[ $purpose == build ]]; then packages=$(grep '^libonnxruntime-dev=' <<<"$packages" || true); fi
  mkdir -p "$folder/packages"
  if [[ -n $packages ]]; then
    say "unpacking ONNX Runtime into build/onnxruntime"
    # shellcheck disable=SC2086
    if ! (cd "$folder/packages" && apt-get download -q $packages >/dev/null 2>"$folder/log" &&
      for package in *.deb; do dpkg -x "$package" .. || exit 1; done); then
      tail -n 5 "$folder/log" >&2
      say "ONNX Runtime cannot be fetched: built and tested without (inspect.classifier)"
      return 0
    fi
  fi
  rm -rf "$folder/packages"
  touch "$folder/.unpacked-$purpose"
}

# --- npm: the test peers, in tests/e2e/node_modules and nowhere else -----------------------------------------------
install_peers() {
  local folder=$root/tests/e2e log
  local stamp=$folder/node_modules/.installed
  [[ -e $stamp ]] && cmp -s "$stamp" "$folder/package.json" && return 0
  say "installing Node 24 and the MCP test peers into tests/e2e/node_modules (about two minutes)"
  log=$(mktemp)
  # What brings no binary for this machine is compiled, with our compiler and the headers in Node's own package: they
  # would be fetched from Node's site otherwise, and not every network lets that through.
  local machine
  machine=$(uname -m)
  machine=${machine/x86_64/x64}
  machine=${machine/aarch64/arm64}
  if ! (cd "$folder" && CC=gcc-14 CXX=g++-14 npm_config_nodedir=$folder/node_modules/node/node_modules/node-linux-$machine \
    npm install --no-progress && node_modules/.bin/node --version) </dev/null >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    rm -f "$log"
    die "npm install failed in tests/e2e"
  fi
  rm -f "$log"
  cp "$folder/package.json" "$stamp"
}

find_missing
if ((${#missing[@]})); then install_packages; fi
if [[ $purpose == build || $purpose == test ]]; then unpack_onnxruntime; fi
if [[ $purpose == test && -e $root/tests/e2e/package.json ]]; then install_peers; fi
