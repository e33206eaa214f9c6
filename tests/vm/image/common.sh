# SPDX-License-Identifier: LGPL-2.1-or-later
# What the kinds of images have in common: to be sourced by images, which sets $here.

cache=${UNHANG_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/unhang}
start=$SECONDS
build=

modules=(
    virtio_pci virtio_console virtio_blk virtio_scsi sd_mod sg nvme ext4 xfs btrfs
    dm-mod dm-crypt dm-snapshot dm-raid dm-delay dm-flakey raid1 loop scsi_debug ata_piix
    ecb xts algif_skcipher
)

say() {
    printf 'images: %3ds  %s\n' $((SECONDS - start)) "$*" >&2
}

die() {
    printf 'images: %s\n' "$*" >&2
    exit 1
}

# What was asked for cannot be had here: the last line says why.
skip() {
    printf 'images: %s\n' "$*" >&2
    exit 77
}

clean_up() {
    [ -z "$build" ] || rm -rf "$build"
}

# One at a time makes images, and the others wait for it.
lock() {
    [ "$(id -u)" = 0 ] || die "only root can make the guest images"
    exec 9> "$cache/lock"
    flock -w 1800 9 || die "someone else has been making images for half an hour"
}

# A folder $build that is gone when this program ends, unless it was published.
begin() {
    trap clean_up EXIT
    trap 'exit 1' INT TERM HUP
    build=$(mktemp -d "$cache/new.XXXXXX")
    chmod 755 "$build"
}

publish() {
    mv "$build" "$target"
    build=
    say "done"
}

# key FILE... -- WORD...: the name under which what is made of these is kept.
key() {
    local sum
    sum=$(
        while [ "$1" != -- ]; do
            cat "$here/$1"
            shift
        done
        echo "$@"
    )
    sum=$(sha256sum <<< "$sum")
    echo "${sum:0:16}"
}

# The keyring that the apt source at FILE:LINE names, if it names one.
signed_by() {
    local file=${1%:*} line=${1##*:}
    case $file in
    *.sources)
        awk -v line="$line" '
            /^[[:space:]]*$/ { if (NR > line) exit; keyring = "" }
            tolower($1) == "signed-by:" { keyring = $2 }
            END { print keyring }' "$file"
        ;;
    *) sed -n "${line}s/.*signed-by=\([^] ]*\).*/\1/p" "$file" ;;
    esac
}

# The machine's own apt sources, as far as they are Debian's and of this suite.
debian_sources() {
    local origin release entry uri component keyring
    apt-get indextargets --format \
        '$(ORIGIN) $(RELEASE) $(SOURCESENTRY) $(REPO_URI) $(COMPONENT)' 'Created-By: Packages' |
        while read -r origin release entry uri component; do
            [ "$origin" = Debian ] || continue
            case $release in
            "$suite" | "$suite-updates" | "$suite-security") ;;
            *) continue ;;
            esac
            keyring=$(signed_by "$entry")
            echo "deb ${keyring:+[signed-by=$keyring] }$uri $release $component"
        done
}

# The same mirrors and keyrings, for other suites.
other_sources() {
    local wanted base
    for wanted; do
        base=$suite
        [ "${wanted%-security}" = "$wanted" ] || base=$suite-security
        debian_sources | awk -v base="$base" -v wanted="$wanted" '
            $NF == "main" && $(NF - 1) == base { $(NF - 1) = wanted; print }'
    done
}

# use_suites NAME SUITE...: from here on $apt makes apt know these suites only. What it knows is in
# a folder of our own, so that nothing changes for the machine's apt.
use_suites() {
    local state=$cache/apt/$1
    shift
    mkdir -p "$state"/{lists,archives}/partial
    other_sources "$@" > "$state/sources.list"
    [ -s "$state/sources.list" ] || skip "this machine's apt has no source to get $* from"
    : > "$state/status"
    apt=(
        -o "Dir::Etc::SourceList=$state/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
        -o "Dir::State::Lists=$state/lists" -o "Dir::State::Status=$state/status"
        -o "Dir::Cache=$state" -o APT::Sandbox::User=root
        -o Acquire::http::Timeout=20 -o Acquire::Retries=1
    )
    say "apt-get update of $*"
    update_log=$(timeout 300 apt-get "${apt[@]}" -q update 2>&1) ||
        say "that failed: going on with the lists that are there"
}

# What apt had to say about a suite that it could not use.
complaint() {
    grep -E '^(E|W|Err|Ign)' <<< "$update_log" | tail -n 3 | tr -s '\n ' ' '
}

dependencies() {
    apt-cache "${apt[@]}" depends --no-recommends --no-suggests "$@" | sed -n 's/^ *Depends: //p'
}

# The version that apt would take of each package.
versions() {
    apt-cache "${apt[@]}" policy "$@" | sed -n 's/^ *Candidate: //p'
}

# unpack FOLDER PACKAGE...
unpack() {
    local folder=$1 file
    shift
    mkdir "$folder"
    (cd "$folder" &&
        timeout 600 apt-get "${apt[@]}" -qq -o APT::Sandbox::User=root download "$@" >/dev/null)
    for file in "$folder"/*.deb; do
        dpkg-deb -x "$file" "$folder"
        rm "$file"
    done
}

# get_kernel PACKAGE...: $build/vmlinuz, all modules in $build/modules, $version.
get_kernel() {
    local kernel=$build/kernel lib
    say "kernel: $*"
    unpack "$kernel" "$@"
    lib=$kernel/lib/modules
    [ -d "$lib" ] || lib=$kernel/usr/lib/modules
    version=$(ls "$lib")
    mkdir -p "$build/modules/usr/lib"
    ln -s usr/lib "$build/modules/lib"
    mv "$lib" "$build/modules/usr/lib/"
    depmod -b "$build/modules" "$version"
    mv "$kernel/boot/vmlinuz-$version" "$build/vmlinuz" 2>/dev/null ||
        mv "$build/modules/usr/lib/modules/$version/vmlinuz" "$build/vmlinuz"
    rm -r "$kernel"
}

# add_modules TREE: those that guests need. Not compressed: a guest's kmod need not know how.
add_modules() {
    local module tree=$1/usr/lib/modules
    mkdir -p "$tree/$version"
    modprobe -d "$build/modules" -S "$version" --show-depends -a "${modules[@]}" |
        sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while read -r module; do
            module=${module#*/lib/modules/}
            mkdir -p "$tree/${module%/*}"
            cp "$build/modules/usr/lib/modules/$module" "$tree/$module"
        done
    find "$tree" -name '*.ko.xz' -exec xz -d {} +
    find "$tree" -name '*.ko.zst' -exec zstd -q -d --rm {} +
    cp "$build/modules/usr/lib/modules/$version"/modules.{order,builtin,builtin.modinfo} \
        "$tree/$version/"
    depmod -b "$1" "$version"
}

# add_program ROOT TREE PROGRAM: with the libraries that it has in ROOT.
add_program() {
    local root=$1 tree=$2 program=$3 library
    mkdir -p "$tree${program%/*}"
    rm -f "$tree$program"
    cp -L "$root$program" "$tree$program"
    # Of a static program ldd prints nothing of use, and fails.
    for library in $(chroot "$root" ldd "$program" 2>/dev/null | grep -o '/[^ ]*'); do
        mkdir -p "$tree${library%/*}"
        cp -nL "$root$library" "$tree$library"
    done
}

# bootstrap ROOT PACKAGE...: a Debian of this suite.
bootstrap() {
    local root=$1 packages
    shift
    packages=$(IFS=,; echo "$*")
    debian_sources > "$build/sources.list"
    [ -s "$build/sources.list" ] || die "no Debian source for $suite in this machine's apt"
    apt-config dump --no-empty --format '%F "%v";%n' Acquire |
        grep -iE '::(Proxy|Check-)' > "$build/apt.conf" || true
    mmdebstrap --variant=essential --format=directory --quiet \
        --include="$packages" \
        --aptopt="$build/apt.conf" \
        --aptopt='APT::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/info/*' \
        "$suite" "$root" "$build/sources.list" > "$build/log" 2>&1 ||
        { cat "$build/log" >&2; die "mmdebstrap failed"; }
}

# pack TREE: as a cpio archive, of which the kernel takes several, one behind the other.
pack() {
    (cd "$1" && find . | cpio -o -H newc -R 0:0 --quiet)
}
