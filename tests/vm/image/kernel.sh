# SPDX-License-Identifier: LGPL-2.1-or-later
# Another Debian kernel for the same guests: to be sourced by images.
#
#   vmlinuz
#   modules.img  usr/lib/modules/VERSION, to be laid over the initramfs
#   version      as uname -r says it

# The suites in which a kernel is looked for.
kernel_suites() {
    case ${1%-amd64} in
    5.10) echo bullseye-security ;;
    6.1) echo bookworm bookworm-security ;;
    6.12) echo trixie trixie-security ;;
    newest) echo trixie-backports ;;
    *) die "no such kernel: $1 (5.10, 6.1, 6.12 or newest, or one of them with -amd64)" ;;
    esac
}

# The cloud kernel, or with -amd64 the one for all machines, which has F2FS.
kernel_flavour() {
    case $1 in
    *-amd64) echo amd64 ;;
    *) echo cloud-amd64 ;;
    esac
}

# The packages of the newest kernel. Up to 7.0 it is one, later its modules are another.
kernel_packages() {
    local image
    image=$(dependencies "linux-image-$1" 2>/dev/null | grep -m 1 '^linux-image-[0-9]') ||
        return 0
    echo "$image"
    dependencies "$image" | grep -E '^linux-(base|binary|modules)-[0-9]' || true
}

# Asking takes seconds and the network, so the answer is kept for a day. "PACKAGE... VERSION..."
ask_for_kernel() {
    local name=$1 answer=$2 suites packages
    suites=$(kernel_suites "$name")
    # shellcheck disable=SC2086 # several words
    use_suites "kernel-$name" $suites
    packages=$(kernel_packages "$(kernel_flavour "$name")")
    if [ -n "$packages" ]; then
        # shellcheck disable=SC2046,SC2086
        echo $packages $(versions $packages) > "$answer"
    elif [ ! -s "$answer" ]; then
        skip "no kernel $name in ${suites// / or }: $(complaint)"
    fi
}

is_of_today() {
    [ -s "$1" ] && [ -n "$(find "$1" -mmin -1440)" ]
}

find_kernel() {
    target=$cache/kernel-$1-$(key images image/common.sh image/kernel.sh -- "$(cat "$2")")
}

make_kernel() {
    local name=$1 answer=$cache/kernel-$1.packages packages
    kernel_suites "$name" >/dev/null
    if is_of_today "$answer"; then
        find_kernel "$name" "$answer"
        [ ! -d "$target" ] || return 0
    fi
    lock
    ask_for_kernel "$name" "$answer"
    find_kernel "$name" "$answer"
    [ ! -d "$target" ] || return 0
    begin
    packages=$(tr ' ' '\n' < "$answer" | grep ^linux-)
    # shellcheck disable=SC2086
    get_kernel $packages
    mkdir -p "$build/tree/usr/lib"
    ln -s usr/lib "$build/tree/lib" # where depmod looks
    [ "$(kernel_flavour "$name")" = cloud-amd64 ] || modules+=(f2fs crc32_generic crc32c_generic)
    add_modules "$build/tree"
    rm "$build/tree/lib"
    pack "$build/tree" > "$build/modules.img"
    echo "$version" > "$build/version"
    rm -r "$build/modules" "$build/tree"
    publish
}
