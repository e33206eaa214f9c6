# SPDX-License-Identifier: LGPL-2.1-or-later
# A QEMU of version 10 or later: to be sourced by images. Its nvme devices have the option dbcs,
# without which a controller reset loses requests (see block.py). The folder is like a root: it has
# usr/bin/qemu-system-x86_64, usr/share/qemu and usr/share/seabios. When the machine's own is new
# enough, it is the root.

qemu_packages=(qemu-system-x86 qemu-system-common qemu-system-data seabios)

new_enough() {
    local major
    major=$("$1/usr/bin/qemu-system-x86_64" --version 2>/dev/null |
        sed -n 's/^QEMU emulator version \([0-9]*\).*/\1/p')
    [ "${major:-0}" -ge 10 ]
}

# It is not installed, so its libraries have to be here already: those of the installed QEMU.
check_libraries() {
    local missing
    missing=$(ldd "$build/usr/bin/qemu-system-x86_64" | awk '/not found/ { print $1 }')
    [ -z "$missing" ] || skip "QEMU 10 lacks ${missing//$'\n'/, }: is qemu-system-x86 installed?"
}

make_qemu() {
    local suite_of_it=$suite-backports packages
    target=/
    ! new_enough / || return 0
    target=$cache/qemu-$(key images image/common.sh image/qemu.sh -- "$suite")
    [ ! -d "$target" ] || return 0
    lock
    [ ! -d "$target" ] || return 0
    use_suites qemu "$suite_of_it"
    packages=$(versions "${qemu_packages[@]}")
    grep -q '^1:1[0-9]\.' <<< "$packages" ||
        skip "no QEMU 10 in $suite_of_it: ${packages:-$(complaint)}"
    begin
    say "QEMU: ${packages//$'\n'/ }"
    unpack "$build/root" "${qemu_packages[@]}"
    mv "$build/root/usr" "$build/"
    rm -r "$build/root"
    check_libraries
    new_enough "$build" || skip "QEMU of $suite_of_it does not run"
    publish
}
