/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The acts on one NVMe controller on PCI. All files are opened while it is healthy. Every call but
 * controller_open() and controller_inform() may sleep for as long as the controller hangs: for
 * executors only.
 *
 * Each refuses what would never return, whoever asks: -EPERM. -EOPNOTSUPP means that nothing was
 * done, for this kernel, controller or hypervisor has not what it takes: another act may do. What
 * each does, and why it ends: drivers/nvme/host/pci.c (nvme_reset_work, nvme_remove), core.c
 * (nvme_reset_ctrl_sync, nvme_decide_disposition). */

#include "agent/act/undo.h"
#include "agent/base/macro.h"
#include "include/disk.h"
#include "include/nvme-facts.h"

struct controller;

/* Opens the controller of a disk; UNDO, which has to outlive it, and HOLDER are for what it changes
 * for a while. 0; -ENOENT without the files that every controller has; or a negative errno. */
int controller_open(const struct disk_nodes *nodes, const struct undo *undo, const char *holder,
                    struct controller **ret) _must_check_;
struct controller *controller_free(struct controller *controller);

/* Until it is told, nothing is taken for granted. */
void controller_inform(struct controller *controller, const struct nvme_facts *facts);

/* Resets it; what is in flight is sent again. 0; -EBUSY when it is not live; -ENETRESET when the
 * driver has given it up; -EPERM where a reset may never return (no multipath, io_timeout infinite)
 * and controller_end() would not serve. */
int controller_reset(struct controller *controller);

/* Makes the driver give it up: all its I/O ends with EIO. max_retries := 0; the upper half of BAR 0
 * to where nothing answers; reset; both put back. 0 when it was given up, be it before; -EBUSY when
 * it is not live; -EOPNOTSUPP where its BAR cannot be moved; -EIO when it is live all the same, for
 * the hypervisor has not followed the BAR: what was in flight has ended with EIO, what is new
 * hangs. */
int controller_fail(struct controller *controller);

/* Makes the driver give it up while a reset of it does not return. Below a bridge of its own: bus
 * number away, remove, put back. Else: admin_timeout := 3 s, BAR away, a command of the kernel
 * itself, put back. 0 when it was given up; -EPERM while it is neither resetting nor connecting;
 * -EOPNOTSUPP; -EIO when it was of no use. */
int controller_end(struct controller *controller);

/* Puts back what was changed, then takes the function off PCI, and with it what multipath still
 * keeps queued. 0, also when it is off already; -EPERM while the driver has not given it up, which
 * is waited for for up to 5 s if it is at it (nvme_remove_dead_ctrl_work of 6.1), unless io_timeout
 * is finite: then it takes up to two of those. */
int controller_remove(struct controller *controller);

/* Puts back what this executor, or the domain's, has changed and not put back. 0, or a negative
 * errno. */
int controller_restore(struct controller *controller);

/* Has the kernel look for functions on PCI. 0; -ENODEV when this one is not back. */
int controller_rescan(struct controller *controller);
