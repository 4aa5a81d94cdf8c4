#!/usr/bin/env bash
# Installs what the build and the tests need: Debian packages, and Node 24 plus the test peers from npm.
# Idempotent, quiet when there is nothing to do. Called by ./dev; usage: tools/setup.sh [--yes] [build|test|bench]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
yes=${LATTICEGATE_YES:-}
[[ ${CI:-} == true ]] && yes=1
purpose=test
for argument in "$@"; do
  case $argument in
    --yes | -y) yes=1 ;;
    build | test | bench) purpose=$argument ;;
    *) echo "setup: unknown argument '$argument' (expected --yes, build, test or bench)" >&2; exit 2 ;;
  esac
done

say() { printf '\033[1msetup\033[0m  %s\n' "$*" >&2; }
die() { printf 'setup: %s\n' "$*" >&2; exit 2; }

# What is needed, and the lowest version that will do ("0" = any).
packages_build=(
  g++-14:14 cmake:3.25 ninja-build:0 pkg-config:0 git:0 ca-certificates:0
  libssl-dev:3.5.7 libsimdjson-dev:3.12 libboost1.88-dev:0 libvectorscan-dev:0 libyaml-cpp-dev:0
  libsqlite3-dev:0 libzstd-dev:0 libllhttp-dev:9 libcli11-dev:0 doctest-dev:0
)
packages_test=(python3:0 openssl:3.5.7 xz-utils:0)
packages_bench=(wrk:0 nginx:0 haproxy:0)
# Those that Debian 12 has too old or not at all; taken from the Debian 13 suite there.
from_trixie=" g++-14 libssl-dev openssl libsimdjson-dev libboost1.88-dev libvectorscan-dev libllhttp-dev libcli11-dev libyaml-cpp-dev doctest-dev libzstd-dev libsqlite3-dev wrk nginx haproxy "

wanted=("${packages_build[@]}")
[[ $purpose == build ]] || wanted+=("${packages_test[@]}")
[[ $purpose == bench ]] && wanted+=("${packages_bench[@]}")

installed_version() { dpkg-query -W -f '${db:Status-Abbrev}${Version}' "$1" 2>/dev/null | sed -n 's/^ii //p' | head -n 1; }
satisfied() {  # name minimum
  local have
  have=$(installed_version "$1")
  [[ -n $have ]] && { [[ $2 == 0 ]] || dpkg --compare-versions "$have" ge "$2"; }
}

missing=()
for entry in "${wanted[@]}"; do
  satisfied "${entry%%:*}" "${entry##*:}" || missing+=("${entry%%:*}")
done
if [[ $purpose != build ]] && ! command -v npm >/dev/null; then missing+=(nodejs npm); fi

as_root() { if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi; }

consent() {  # question
  [[ -n $yes ]] && return 0
  [[ -t 0 ]] || die "this needs consent: run again with --yes, or in a terminal ($1)"
  local answer
  read -r -p "$1 [y/N] " answer </dev/tty
  [[ $answer == [yY]* ]] || die "stopped: nothing was changed"
}

suite_file=/etc/apt/sources.list.d/latticegate-trixie.sources
pin_file=/etc/apt/preferences.d/latticegate-trixie
add_trixie() {
  [[ -e $suite_file || -e ${suite_file%.sources}.list ]] && return 0
  say "Debian 12 found: some packages have to come from the Debian 13 (trixie) suite."
  say "It is derived from this machine's own apt source, and pinned so low that nothing else is upgraded by it:"
  say "  $suite_file, $pin_file"
  consent "Add the trixie suite?"
  local source made=
  for source in /etc/apt/sources.list.d/*.sources; do
    [[ -e $source ]] && grep -qE '^Suites:.*\bbookworm\b' "$source" || continue
    sed -E '/^(Suites|# )/s/bookworm/trixie/g; s/^URIs:(.*)debian-security(.*)$/URIs:\1debian-security\2/' "$source" | as_root tee "$suite_file" >/dev/null
    made=1
    break
  done
  if [[ -z $made ]] && grep -qE '^deb .*\bbookworm\b' /etc/apt/sources.list 2>/dev/null; then
    grep -E '^deb .*\bbookworm' /etc/apt/sources.list | grep -v backports | sed 's/bookworm/trixie/g' |
      as_root tee "${suite_file%.sources}.list" >/dev/null
    made=1
  fi
  [[ -n $made ]] || die "no Debian 12 apt source was found from which the Debian 13 one could be derived"
  as_root tee "$pin_file" >/dev/null <<'PIN'
Package: *
Pin: release n=trixie*
Pin-Priority: 100
PIN
}

quiet_apt() {  # runs apt-get, shows its output only when it fails
  local log
  log=$(mktemp)
  if ! as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get -qq -o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    rm -f "$log"
    die "apt-get $1 failed"
  fi
  rm -f "$log"
}

if ((${#missing[@]})); then
  command -v apt-get >/dev/null || die "this set-up knows Debian 12 and 13 only; needed: ${missing[*]}"
  [[ $(id -u) == 0 ]] || command -v sudo >/dev/null || die "root or sudo is needed to install: ${missing[*]}"
  # base-files itself may have been upgraded by an earlier run, so our own suite file counts as "this is Debian 12" too.
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-unknown}")
  [[ -e $suite_file || -e ${suite_file%.sources}.list ]] && codename=bookworm
  plain=() newer=()
  for name in "${missing[@]}"; do
    if [[ $codename == bookworm && $from_trixie == *" $name "* ]]; then newer+=("$name"); else plain+=("$name"); fi
  done
  ((${#newer[@]})) && add_trixie
  say "reading package lists"
  quiet_apt update
  if ((${#newer[@]})); then
    say "installing from the Debian 13 suite: ${newer[*]}"
    quiet_apt install -y --no-install-recommends -t trixie "${newer[@]}"
  fi
  if ((${#plain[@]})); then
    say "installing: ${plain[*]}"
    quiet_apt install -y --no-install-recommends "${plain[@]}"
  fi
  for entry in "${wanted[@]}"; do
    satisfied "${entry%%:*}" "${entry##*:}" ||
      die "${entry%%:*} is still older than ${entry##*:}: this machine's apt sources do not offer it"
  done
fi
