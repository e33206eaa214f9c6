# SPDX-License-Identifier: LGPL-2.1-or-later
# What tests/run and tests/demo share: to be sourced. It makes a folder $scratch, which is removed at the
# end, also when interrupted, and knows how to install packages and to build.

set -euo pipefail

me=tests/$(basename "$0")
top=$(cd "$(dirname "$0")/.." && pwd)

build_packages=(
    gcc libc6-dev meson ninja-build pkg-config python3
    libinih-dev libmount-dev libnvme-dev libsgutils2-dev libsystemd-dev libudev-dev
    libjson-c-dev libssl-dev # what libnvme.pc asks for, but libnvme-dev does not
)
guest_packages=(cpio e2fsprogs kmod mmdebstrap qemu-system-x86 seabios xz-utils zstd)

say() {
    printf '\n== %4d s  %s\n' $SECONDS "$*"
}

die() {
    printf '%s: %s\n' "$me" "$*" >&2
    exit 1
}

# Bash waits for a program in the foreground before it looks at a signal. Not so here.
run() {
    local status=0
    "$@" &
    child=$!
    wait "$child" || status=$?
    child=
    return $status
}

clean_up() {
    if [ -n "${child:-}" ]; then
        kill "$child" 2>/dev/null || true
        wait "$child" || true
    fi
    rm -rf "$scratch"
}

# Run a program that has nothing to say unless it fails.
quietly() {
    run "$@" > "$scratch/log" 2>&1 || { tail -n 60 "$scratch/log"; return 1; }
}

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_packages() {
    local package missing=()
    for package in "$@"; do
        installed "$package" || missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        say "installing ${missing[*]}"
        quietly apt-get -q update || echo "apt-get update failed: going on with what is there"
        quietly env DEBIAN_FRONTEND=noninteractive \
            apt-get -q install -y --no-install-recommends "${missing[@]}" ||
            die "could not install ${missing[*]}"
    fi
}

# build NAME COMPILER [MESON-OPTION]...
build() {
    local name=$1 compiler=$2
    shift 2
    say "build '$name': $compiler $*"
    quietly env CC="$compiler" meson setup --prefix=/usr -Dwerror=true "$@" "$scratch/$name" "$top" &&
        quietly meson compile -C "$scratch/$name"
}

# What users get, and what goes into guests: build_release [MESON-OPTION]...
build_release() {
    build release gcc --buildtype=release -Db_sanitize=none "$@" &&
        quietly meson install -C "$scratch/release" --no-rebuild --destdir "$scratch/payload"
}

command -v apt-get >/dev/null || die "this needs Debian: there is no apt-get"
[ "$(id -u)" = 0 ] || die "this needs root, to install packages and make guest images"

scratch=$(mktemp -d "${TMPDIR:-/tmp}/unhang-tests.XXXXXX")
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
mkdir "$scratch/tmp"
export TMPDIR=$scratch/tmp UNHANG_PAYLOAD=$scratch/payload
