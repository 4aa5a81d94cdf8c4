#!/usr/bin/env bash
# Proves what the README promises: makes a bare Debian root file system, gives it what any machine here was given by its
# administrator (apt sources, certificate authorities, npm configuration, proxy variables), clones the committed tree
# into it and runs verbs of ./dev there, in a mount namespace of its own. Needs root.
#
#   tools/fresh.sh [bookworm|trixie] [--keep] [verb...]      default: this machine's codename if it is one of the two,
#                                                            else trixie; verbs: demo test
# --keep leaves the file system where it is for a look inside; otherwise it is removed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
say() { printf 'fresh: %s\n' "$*" >&2; }
die() { say "$*"; exit 2; }

suite='' keep='' verbs=()
for argument in "$@"; do
  case $argument in
    bookworm | trixie) suite=$argument ;;
    --keep) keep=1 ;;
    -*) die "unknown option '$argument'" ;;
    *) verbs+=("$argument") ;;
  esac
done
((${#verbs[@]})) || verbs=(demo test)
if [[ -z $suite ]]; then
  suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-trixie}")
  [[ $suite == bookworm ]] || suite=trixie
fi
[[ $(id -u) == 0 ]] || die "root is needed (debootstrap, chroot): run it with sudo"

# This machine's own Debian sources, the suite's name changed: every file, less what ./dev setup itself added.
own_sources() {
  local file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    [[ -e $file && ${file##*/} != latticegate-trixie.* ]] || continue
    grep -qE '(bookworm|trixie)([ \t-]|$)' "$file" && grep -qw main "$file" && grep -qw debian "$file" && echo "$file"
  done
}
mapfile -t sources < <(own_sources)
((${#sources[@]})) || die "no Debian apt source found on this machine"
mirror=$(sed -nE 's/^URIs:[ \t]*([^ \t]+).*/\1/p; s/^deb[ \t]+(\[[^]]*\][ \t]+)?([^ \t]+).*/\2/p' "${sources[@]}" |
  grep -vE 'security' | head -n 1)
[[ -n $mirror ]] || die "no mirror found in ${sources[*]}"

root=$(mktemp -d "${TMPDIR:-/tmp}/latticegate-fresh-$suite-XXXXXX")
finish() {
  local code=$?
  if [[ -n $keep ]]; then say "kept: $root"; else rm -rf --one-file-system "$root"; fi
  exit "$code"
}
trap finish EXIT

say "making a bare $suite in $root (about a minute)"
debootstrap --variant=minbase --include=ca-certificates,git "$suite" "$root" "$mirror" >"$root.log" 2>&1 || {
  tail -n 20 "$root.log" >&2
  rm -f "$root.log"
  die "debootstrap failed"
}
rm -f "$root.log" "$root/etc/apt/sources.list"
for file in "${sources[@]}"; do
  target=$root$file
  mkdir -p "${target%/*}"
  sed -E "/^#/!s/\b(bookworm|trixie)\b/$suite/g" "$file" >"$target"
done
# Keyrings that the sources name, when they are not Debian's own.
for keyring in $(sed -nE 's/^Signed-By:[ \t]*(\/[^ \t]+).*/\1/p; s/.*signed-by=([^] ,]+).*/\1/p' "${sources[@]}" | sort -u); do
  [[ -e $root$keyring ]] || install -D -m 644 "$keyring" "$root$keyring"
done
# apt's own configuration here may name a proxy or a time-out; the pins of ./dev setup are not handed on.
for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/*proxy*; do [[ ! -e $file ]] || install -D -m 644 "$file" "$root$file"; done

# Certificate authorities that the administrator added to this machine's bundle, one file each, as Debian wants them.
mkdir -p "$root/usr/local/share/ca-certificates/host"
awk -v folder="$root/usr/local/share/ca-certificates/host" '
  /-----BEGIN CERTIFICATE-----/ { n++; file = sprintf("%s/%03d.crt", folder, n) }
  file != "" { print > file }
  /-----END CERTIFICATE-----/ { close(file); file = "" }' /etc/ssl/certs/ca-certificates.crt
chroot "$root" update-ca-certificates >/dev/null 2>&1

# npm's configuration, system-wide and the user's, as one file that only root there can read.
if command -v npm >/dev/null; then
  umask_before=$(umask)
  umask 077
  for file in "$(npm config get userconfig 2>/dev/null)" "$(npm config get globalconfig 2>/dev/null)"; do   # the first word on a key counts
    if [[ -e $file ]]; then cat "$file"; echo; fi
  done | awk -F= '!/^(prefix|nodedir|globalconfig)/ && !seen[$1]++' >"$root/root/.npmrc"
  umask "$umask_before"
fi
cp /etc/resolv.conf /etc/hosts "$root/etc/"

git clone --quiet --no-hardlinks . "$root/root/latticegate"
say "the tree is $(git rev-parse --short HEAD); what is not committed is not in it"

# The verbs, one after the other, as root in a namespace whose mounts vanish with it.
pass=()
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
  [[ -z ${!name:-} ]] || pass+=("$name=${!name}")
done
for verb in "${verbs[@]}"; do
  say "./dev $verb"
  started=$SECONDS
  unshare --mount --pid --fork --kill-child bash -c '
    set -e
    root=$1 verb=$2
    shift 2
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    exec chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
      LANG=C.UTF-8 CI=true "$@" bash -c "cd /root/latticegate && ./dev \$0" "$verb"' \
    fresh "$root" "$verb" "${pass[@]}" </dev/null || die "./dev $verb failed on a bare $suite after $((SECONDS - started)) s"
  say "./dev $verb passed on a bare $suite in $((SECONDS - started)) s"
done
