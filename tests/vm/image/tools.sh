# SPDX-License-Identifier: LGPL-2.1-or-later
# Programs that few guests need: to be sourced by images.
#
#   tools.img  the programs and their libraries, to be laid over the initramfs

tool_packages=(btrfs-progs cryptsetup-bin dmsetup e2fsprogs f2fs-tools fio lvm2 mdadm nvme-cli
    util-linux xfsprogs)
tools=(
    /usr/bin/fio
    /usr/sbin/blkdiscard
    /usr/sbin/cryptsetup
    /usr/sbin/dmsetup
    /usr/sbin/fsck
    /usr/sbin/fsck.f2fs
    /usr/sbin/fsck.xfs
    /usr/sbin/fstrim
    /usr/sbin/lvm
    /usr/sbin/mdadm
    /usr/sbin/mkfs.btrfs
    /usr/sbin/mkfs.f2fs
    /usr/sbin/mkfs.xfs
    /usr/sbin/nvme
    /usr/sbin/xfs_repair
)

make_tools() {
    local name tree
    target=$cache/tools-$(key images image/common.sh image/tools.sh -- "$suite")
    [ ! -d "$target" ] || return 0
    lock
    [ ! -d "$target" ] || return 0
    begin
    tree=$build/tree
    say "tools: ${tool_packages[*]}"
    bootstrap "$build/root" "${tool_packages[@]}"
    mkdir -p "$tree"/usr/{bin,lib,lib64,sbin}
    for name in bin lib lib64 sbin; do
        ln -s usr/$name "$tree/$name"
    done
    for name in "${tools[@]}"; do
        add_program "$build/root" "$tree" "$name"
    done
    for name in lvchange lvcreate lvremove lvs pvcreate pvs vgchange vgcreate vgs; do
        ln -s lvm "$tree/usr/sbin/$name"
    done
    configure_tools "$tree/etc"
    # The initramfs has these links.
    rm "$tree"/{bin,lib,lib64,sbin}
    pack "$tree" > "$build/tools.img"
    rm -rf "$build"/{root,tree,log,sources.list,apt.conf}
    publish
}

# Most guests have no udev: lvm has to make its nodes itself, and to look at all of /dev.
configure_tools() {
    mkdir -p "$1/lvm"
    cat > "$1/lvm/lvm.conf" << END
activation { udev_sync = 0  udev_rules = 0  monitoring = 0 }
devices { obtain_device_list_from_udev = 0  use_devicesfile = 0 }
global { event_activation = 0 }
END
}
