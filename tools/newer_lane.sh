#!/usr/bin/env bash
# Runs this checkout in the newer column of versions: Debian 13, Python 3.13, TFX 1.21.
#
#   tools/newer_lane.sh [COMMAND ...]     without one: make run and make test
#
# Makes a Debian 13 below LANE (default: ${TMPDIR:-/tmp}/newer-lane) once, as root on a Debian
# machine, from the mirror that this machine's apt uses (or MIRROR). The checkout is copied into
# it anew each time, without .venv and work/, then `make install` and the command run in it.
set -euo pipefail

LANE=${LANE:-${TMPDIR:-/tmp}/newer-lane}
SUITE=trixie
PACKAGES=ca-certificates,g++,git,make,python3,python3-dev,python3-pip,python3-venv
CHECKOUT=$(cd "$(dirname "$0")/.." && pwd)
INSIDE=/root/checkout
CERTIFICATES=/etc/ssl/certs/ca-certificates.crt
# Of the machine's settings these alone hold inside: others name files that are not there.
PASSED_ON='^(https?_proxy|HTTPS?_PROXY|no_proxy|NO_PROXY|PIP_INDEX_URL|PIP_DEFAULT_TIMEOUT|UV_DEFAULT_INDEX|TERM|CI)='

refuse() {
    echo "newer_lane: $1" >&2
    exit 1
}

mirror() {
    local found=${MIRROR:-}
    if [[ -z $found ]] && command -v apt-get >/dev/null; then
        found=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
            'Origin: Debian' 'Label: Debian' | sed -n 1p)
    fi
    [[ -n $found ]] || refuse "apt on this machine knows no Debian mirror; name one with MIRROR=URL."
    echo "$found"
}

make_system() {
    local from making=$LANE.making
    [[ ! -e $LANE ]] || refuse "$LANE is there and holds no Debian; name another folder with LANE."
    command -v debootstrap >/dev/null || refuse "debootstrap is missing; apt-get install debootstrap."
    from=$(mirror)
    echo "Making Debian 13 in $LANE from $from: a few minutes, once"
    rm -rf "$making"
    unshare --mount -- debootstrap --variant=minbase --include="$PACKAGES" "$SUITE" "$making" \
        "$from" >"$LANE.log" 2>&1 || refuse "debootstrap failed; the reason is in $LANE.log."
    mv "$making" "$LANE"
}

copy_in() {
    cp /etc/resolv.conf /etc/hosts "$LANE/etc/"
    [[ ! -f $CERTIFICATES ]] || cp "$CERTIFICATES" "$LANE$CERTIFICATES"
    rm -rf "${LANE:?}$INSIDE"
    mkdir -p "$LANE$INSIDE"
    tar -C "$CHECKOUT" --exclude=./.venv --exclude=./work --exclude=./.git --exclude=__pycache__ \
        --exclude='./.*_cache' -cf - . | tar -C "$LANE$INSIDE" --no-same-owner -xf -
}

enter() {
    local passed_on
    mapfile -t passed_on < <(env | grep -E "$PASSED_ON" || true)
    mount -t proc proc "$LANE/proc"
    mount --rbind /sys "$LANE/sys"
    mount --rbind /dev "$LANE/dev"
    exec chroot "$LANE" /usr/bin/env -i HOME=/root PATH=/usr/bin:/bin:/usr/sbin:/sbin LANG=C.UTF-8 \
        PIP_CERT="$CERTIFICATES" SSL_CERT_FILE="$CERTIFICATES" "${passed_on[@]}" \
        bash -c "cd $INSIDE && make install && $1"
}

if [[ ${1:-} == --mounted ]]; then
    enter "$2"
fi
[[ $(id -u) == 0 ]] || refuse "a Debian of its own is made and entered by root only; use sudo."
[[ -e $LANE/etc/debian_version ]] || make_system
copy_in
# Mounts of this namespace end with its last process, however that ends.
exec unshare --mount -- "$0" --mounted "${*:-make run && make test}"
