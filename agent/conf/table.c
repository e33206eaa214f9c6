/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/conf/key.h"

static const char *const rungs[] = {
        "lun-reset", "target-reset",     "bus-reset",       "host-reset",
        "offline",   "controller-reset", "controller-fail", NULL,
};
/* All of them, in this order. */
#define RUNGS_ALL 0x7654321

static const char *const retries[] = { "leave", "0", "1", "2", "3", "4", "5", "infinity", NULL };
static const char *const radii[] = { "disk", "target", "domain", NULL };
static const char *const siblings[] = { "reset", "fail-first", "report", NULL };
static const char *const if_owned[] = { "report", "act", NULL };
static const char *const on_recovered[] = { "nothing", "check", "remount", NULL };
static const char *const on_failed[] = { "nothing",      "shutdown", "unmount",
                                         "lazy-unmount", "remount",  NULL };
static const char *const holders[] = { "wait", "stop-units", "kill", NULL };
static const char *const fscks[] = { "no", "when-needed", "always", NULL };
static const char *const fences[] = { "none", "panic", "reboot", NULL };

const struct conf_key conf_keys[CONF_KEYS] = {
        {
                .section = "Prepare", .name = "IoStats", .type = CONF_YES_NO,
                .careful = CONF_SMALLER,
                .offset = offsetof(struct policy, iostats),
                .min = false, .max = true, .preset = true,
                .fallback = true,
                .meaning = "A disk without I/O statistics (queue/iostats) tells nothing of what\n"
                           "it completes: they are switched on. With no, they are left alone, and\n"
                           "a disk that is no SCSI disk cannot be watched without them.",
        },
        {
                .section = "Prepare", .name = "ScsiTimeoutSec", .type = CONF_TIME,
                .offset = offsetof(struct policy, scsi_timeout),
                .min = 0, .max = USEC_PER_DAY, .preset = 0,
                .fallback = 0,
                .meaning = "The timeout of a SCSI disk's commands (device/timeout). After a reset\n"
                           "the kernel sends a command again only if it is younger than\n"
                           "(max_retries + 1) times that, else it ends with an error. 0: where\n"
                           "the driver never ends a command by itself, as long as StallSec= needs\n"
                           "for that, and never less than it is.",
        },
        {
                .section = "Prepare", .name = "ScsiMaxRetries", .type = CONF_CHOICE,
                .careful = CONF_SMALLER, .words = retries,
                .offset = offsetof(struct policy, scsi_max_retries),
                .min = 0, .max = 7, .preset = 0,
                .fallback = 0,
                .meaning = "How often the kernel sends a SCSI command again after an error\n"
                           "(max_retries). infinity also lifts the limit of its age, but then\n"
                           "every transport error is tried again for ever. leave: as it is.",
        },
        {
                .section = "Prepare", .name = "NvmeIoTimeoutSec", .type = CONF_TIME,
                .offset = offsetof(struct policy, nvme_io_timeout),
                .min = 0, .max = USEC_PER_DAY, .preset = 0,
                .fallback = 0,
                .meaning = "When the kernel itself takes an NVMe request for lost, and resets the\n"
                           "controller. Clouds make that days, so that a controller that hangs\n"
                           "again in its reset can be stuck for good: 30s to 1min is sane. 0: as\n"
                           "it is.",
        },
        {
                .section = "Prepare", .name = "NvmeAdminTimeoutSec", .type = CONF_TIME,
                .offset = offsetof(struct policy, nvme_admin_timeout),
                .min = 0, .max = USEC_PER_HOUR, .preset = 0,
                .fallback = 0,
                .meaning = "The same for commands to the controller itself, which bounds how long\n"
                           "each step of its reset takes. Before kernel 7.3 it is that of all\n"
                           "controllers. 0: as it is.",
        },
        {
                .section = "Prepare", .name = "XfsMaxRetries", .type = CONF_COUNT,
                .offset = offsetof(struct policy, xfs_max_retries),
                .min = 0, .max = 1000000, .preset = CONF_INFINITY,
                .fallback = CONF_INFINITY,
                .meaning = "How often XFS tries again to write metadata that ends with an I/O\n"
                           "error, before it shuts itself down. infinity: as it is, which is for\n"
                           "ever.",
        },
        {
                .section = "Detect", .name = "WarnSec", .type = CONF_TIME,
                .offset = offsetof(struct policy, warn),
                .min = USEC_PER_SEC, .max = 7 * USEC_PER_DAY, .preset = 30 * USEC_PER_SEC,
                .fallback = 30 * USEC_PER_SEC,
                .meaning = "A disk is reported when for so long\n"
                           " - it has I/O outstanding and has completed none of it, or\n"
                           " - a single request has not ended, while many that came later did, or\n"
                           " - the kernel's own recovery of its host or controller has come to no\n"
                           "   end.\n"
                           "Nothing is done to it yet. A time that is not below StallSec= gives\n"
                           "no separate warning.",
        },
        {
                .section = "Detect", .name = "StallSec", .type = CONF_TIME,
                .offset = offsetof(struct policy, stall),
                .min = USEC_PER_SEC, .max = 7 * USEC_PER_DAY, .preset = 120 * USEC_PER_SEC,
                .fallback = 7 * USEC_PER_DAY,
                .meaning = "When one of the first two of these has lasted for so long, the disk\n"
                           "is hung, and its recovery begins; the third is reported only. Choose\n"
                           "it longer than the longest pause that the storage is known to make,\n"
                           "such as a failover: a reset in the midst of one does harm.",
        },
        {
                .section = "Detect", .name = "InflightLimit", .type = CONF_COUNT,
                .offset = offsetof(struct policy, inflight_limit),
                .min = 1, .max = 1000000, .preset = CONF_INFINITY,
                .fallback = CONF_INFINITY,
                .meaning = "A disk that has more requests than this in flight for\n"
                           "InflightLimitSec= is treated as hung, also when it completes some. A\n"
                           "busy healthy disk can have as many as its queue is deep: set it only\n"
                           "where you know that it never has. Acted on once, until the count has\n"
                           "been at or below the limit again. infinity: no limit.",
        },
        {
                .section = "Detect", .name = "InflightLimitSec", .type = CONF_TIME,
                .offset = offsetof(struct policy, inflight),
                .min = USEC_PER_SEC, .max = 7 * USEC_PER_DAY, .preset = 10 * USEC_PER_MINUTE,
                .fallback = 7 * USEC_PER_DAY,
                .meaning = "How long a disk has to have more than InflightLimit=. After WarnSec=,\n"
                           "where that is shorter, it is reported.",
        },
        {
                .section = "Recover", .name = "Act", .type = CONF_YES_NO,
                .careful = CONF_SMALLER,
                .offset = offsetof(struct policy, act),
                .min = false, .max = true, .preset = true,
                .fallback = false,
                .meaning = "Whether anything is done to a disk that hangs. With no, it is watched\n"
                           "and reported only; \"unhang reset\" still resets it by hand.",
        },
        {
                .section = "Recover", .name = "DryRun", .type = CONF_YES_NO,
                .careful = CONF_LARGER,
                .offset = offsetof(struct policy, dry_run),
                .min = false, .max = true, .preset = false,
                .fallback = true,
                .meaning = "With yes, all goes its way up to the first act, which is only\n"
                           "announced.",
        },
        {
                .section = "Recover", .name = "Rungs", .type = CONF_LIST,
                .careful = CONF_SMALLER, .words = rungs,
                .offset = offsetof(struct policy, rungs),
                .min = 0, .max = 7, .preset = RUNGS_ALL,
                .fallback = 0,
                .meaning = "What may be done to a disk that hangs, as far as its driver can do it\n"
                           "(\"unhang show\"). The narrowest comes first, the next when it had no\n"
                           "effect: the resets, after which requests are sent again; then offline\n"
                           "(SCSI) or controller-fail (NVMe), after which they have ended with an\n"
                           "error, and filesystems are unmounted.",
        },
        {
                .section = "Recover", .name = "BlastRadius", .type = CONF_CHOICE,
                .careful = CONF_SMALLER, .words = radii,
                .offset = offsetof(struct policy, blast_radius),
                .min = 0, .max = 2, .preset = 0,
                .fallback = 0,
                .meaning = "How far an act may reach when healthy disks are within reach: only\n"
                           "the disk that hangs, all LUNs of its SCSI target, or the whole fault\n"
                           "domain: all disks of a SCSI host, all namespaces of an NVMe\n"
                           "controller. Where all that is within reach hangs, every act may be\n"
                           "taken.",
        },
        {
                .section = "Recover", .name = "IfSiblingsHealthy", .type = CONF_CHOICE,
                .careful = CONF_LARGER, .words = siblings,
                .offset = offsetof(struct policy, if_siblings),
                .min = 0, .max = 2, .preset = 0,
                .fallback = 2,
                .meaning = "While a SCSI reset is not answered, all disks of its host stand\n"
                           "still. When there are healthy ones: reset all the same; fail-first:\n"
                           "take the one rung that fails the disk, and no reset before it;\n"
                           "report: nothing.",
        },
        {
                .section = "Recover", .name = "IfOwned", .type = CONF_CHOICE,
                .careful = CONF_SMALLER, .words = if_owned,
                .offset = offsetof(struct policy, act_if_owned),
                .min = 0, .max = 1, .preset = 0,
                .fallback = 0,
                .meaning = "What to do with a disk that is managed by somebody else: multipathd,\n"
                           "md, iscsid, sbd, sanlock, a cluster, or another guest that holds a\n"
                           "reservation.",
        },
        {
                .section = "Recover", .name = "MaxActs", .type = CONF_COUNT,
                .careful = CONF_SMALLER,
                .offset = offsetof(struct policy, max_acts),
                .min = 1, .max = 16, .preset = 6,
                .fallback = 1,
                .meaning = "No more acts than this on one disk ...",
        },
        {
                .section = "Recover", .name = "MaxActsWindowSec", .type = CONF_TIME,
                .offset = offsetof(struct policy, acts_window),
                .min = USEC_PER_MINUTE, .max = 7 * USEC_PER_DAY, .preset = USEC_PER_HOUR,
                .fallback = 7 * USEC_PER_DAY,
                .meaning = "... in this time. After that it is only reported.",
        },
        {
                .section = "Recover", .name = "BootGraceSec", .type = CONF_TIME,
                .offset = offsetof(struct policy, boot_grace),
                .min = 0, .max = USEC_PER_DAY, .preset = 0,
                .fallback = USEC_PER_DAY,
                .meaning = "No act so soon after the boot of the machine. 0: at any time.",
        },
        {
                .section = "Recover", .name = "SettleSec", .type = CONF_TIME,
                .offset = offsetof(struct policy, settle),
                .min = USEC_PER_SEC, .max = USEC_PER_DAY, .preset = 30 * USEC_PER_SEC,
                .fallback = USEC_PER_DAY,
                .meaning = "After each step of a recovery, how long the disk has to complete\n"
                           "something before the next, stronger step is taken.",
        },
        {
                .section = "Recover", .name = "Contain", .type = CONF_YES_NO,
                .careful = CONF_SMALLER,
                .offset = offsetof(struct policy, contain),
                .min = false, .max = true, .preset = false,
                .fallback = false,
                .meaning = "Nothing in a guest ends the I/O of a hung disk of virtio_blk or xen-\n"
                           "blkfront. With yes, its filesystems are shut down over it, so that\n"
                           "new I/O ends with an error and does not hang too. On ext4 with kernel\n"
                           "6.12 and later, an fsync that is under way may then report success\n"
                           "for data that is lost.",
        },
        {
                .section = "Recover", .name = "Fence", .type = CONF_CHOICE,
                .careful = CONF_SMALLER, .words = fences,
                .offset = offsetof(struct policy, fence),
                .min = 0, .max = 2, .preset = 0,
                .fallback = 0,
                .meaning = "What to do with the whole machine when a disk hangs and nothing that\n"
                           "is allowed helps: none, panic (for kdump, or where panic= reboots),\n"
                           "or reboot: at once, without a shutdown, which would hang too.",
        },
        {
                .section = "Recover", .name = "FenceSec", .type = CONF_TIME,
                .offset = offsetof(struct policy, fence_wait),
                .min = USEC_PER_SEC, .max = 7 * USEC_PER_DAY, .preset = 10 * USEC_PER_MINUTE,
                .fallback = 7 * USEC_PER_DAY,
                .meaning = "How long it has to have been stuck before that.",
        },
        {
                .section = "Recover", .name = "FenceJitterSec", .type = CONF_TIME,
                .offset = offsetof(struct policy, fence_jitter),
                .min = 0, .max = USEC_PER_DAY, .preset = 0,
                .fallback = 0,
                .meaning = "Up to so much longer, at random: guests that share a hypervisor are\n"
                           "not to boot all at once.",
        },
        {
                .section = "Filesystem", .name = "OnRecovered", .type = CONF_CHOICE,
                .careful = CONF_SMALLER, .words = on_recovered,
                .offset = offsetof(struct policy, on_recovered),
                .min = 0, .max = 2, .preset = 2,
                .fallback = 0,
                .meaning = "After the disk has recovered: check writes 4 KiB to a file without a\n"
                           "name in each filesystem that is mounted from it for writing, and\n"
                           "says which no longer takes that, for a request may have ended with\n"
                           "an error all the same. remount also unmounts such a filesystem, as\n"
                           "soon as nothing uses it, and mounts it again; but not with Act=no,\n"
                           "and never what the system runs from.",
        },
        {
                .section = "Filesystem", .name = "OnFailed", .type = CONF_CHOICE,
                .careful = CONF_SMALLER, .words = on_failed,
                .offset = offsetof(struct policy, on_failed),
                .min = 0, .max = 4, .preset = 4,
                .fallback = 0,
                .meaning = "After the disk was failed (offline, controller-fail), and all its I/O\n"
                           "has ended with an error: shutdown has its filesystems refuse all I/O\n"
                           "from then on, unmount also unmounts them as soon as nothing uses\n"
                           "them, remount also mounts them again when the disk is back. nothing\n"
                           "leaves them to what they make of the errors. lazy-unmount detaches at\n"
                           "once what is in use, too; it is not mounted again, for that would\n"
                           "find the dead filesystem as long as anybody has it open.",
        },
        {
                .section = "Filesystem", .name = "UmountSec", .type = CONF_TIME,
                .careful = CONF_LARGER,
                .offset = offsetof(struct policy, umount),
                .min = USEC_PER_SEC, .max = USEC_PER_HOUR, .preset = 30 * USEC_PER_SEC,
                .fallback = USEC_PER_HOUR,
                .meaning = "How long it may take to unmount the filesystems of a disk: after that\n"
                           "the disk is said to be stuck in that, which is waited for.",
        },
        {
                .section = "Filesystem", .name = "MountSec", .type = CONF_TIME,
                .careful = CONF_LARGER,
                .offset = offsetof(struct policy, mount),
                .min = USEC_PER_SEC, .max = USEC_PER_DAY, .preset = 5 * USEC_PER_MINUTE,
                .fallback = USEC_PER_DAY,
                .meaning = "How long it may take to mount them again, journals being replayed. A\n"
                           "disk that was failed and is not done with it by then is failed again.",
        },
        {
                .section = "Filesystem", .name = "Holders", .type = CONF_CHOICE,
                .careful = CONF_SMALLER, .words = holders,
                .offset = offsetof(struct policy, holders),
                .min = 0, .max = 2, .preset = 0,
                .fallback = 0,
                .meaning = "A dead filesystem that is in use cannot be unmounted. wait waits\n"
                           "until whoever holds it (unhang holders) lets it go; stop-units stops\n"
                           "the systemd services that do, and starts them again when it is\n"
                           "mounted again; kill also ends the processes that are left, which may\n"
                           "lose what they hold in memory. With each of them services that need\n"
                           "the mount (RequiresMountsFor=) are stopped and started in order.",
        },
        {
                .section = "Filesystem", .name = "Fsck", .type = CONF_CHOICE,
                .careful = CONF_SMALLER, .words = fscks,
                .offset = offsetof(struct policy, fsck),
                .min = 0, .max = 2, .preset = 1,
                .fallback = 0,
                .meaning = "Before a filesystem is mounted again: when-needed checks those that\n"
                           "only fsck makes whole, as they have no journal, always each that was\n"
                           "mounted for writing, as at boot (systemd-fsck@.service). What that\n"
                           "cannot repair stays unmounted; so does, with no, what would need it.",
        },
};
