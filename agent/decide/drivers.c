/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "agent/decide/drivers.h"

#define LUN BIT(STEP_LUN_RESET)
#define TARGET BIT(STEP_TARGET_RESET)
#define BUS BIT(STEP_BUS_RESET)
#define HOST BIT(STEP_HOST_RESET)

/* Offline + reset: the reset is that of the LUN, so this is for drivers that know it. */
#define OFFLINE BIT(STEP_OFFLINE)

#define NVME                                                                               \
        (BIT(STEP_CONTROLLER_RESET) | BIT(STEP_CONTROLLER_FAIL) | BIT(STEP_CONTROLLER_END) | \
         BIT(STEP_CONTROLLER_REMOVE) | BIT(STEP_CONTROLLER_RESTORE) |                      \
         BIT(STEP_CONTROLLER_RESCAN))

/* A LUN reset that is answered takes about 0.1 s. The kernel sleeps 10 s after a bus or host reset
 * that worked (drivers/scsi/scsi_error.c: scsi_try_host_reset: HOST_RESET_SETTLE_TIME). */
#define QUICK (10 * USEC_PER_SEC)
#define SETTLES (60 * USEC_PER_SEC)
#define SLOW (200 * USEC_PER_SEC)

/* What is true of all that libata drives. */
#define LIBATA "drivers/ata/libata-scsi.c: ata_scsi_user_scan schedules error handling; " \
               "there are no reset handlers"

/* A driver that is not here is not known to do any good. */
static const struct driver drivers[] = {
        {
                .name = "virtio_scsi", .steps = LUN | OFFLINE, .answer = QUICK,
                .in_flight = "sent again, or EIO when older than (max_retries + 1) x timeout",
                .source = "drivers/scsi/virtio_scsi.c: virtscsi_host_template has abort and device "
                          "reset handlers only; virtscsi_eh_timed_out",
        },
        {
                .name = "hv_storvsc", .steps = HOST, .answer = SLOW,
                .in_flight = "as the host returns it: sent again, or EIO",
                .source = "drivers/scsi/storvsc_drv.c: storvsc_host_reset_handler waits up to "
                          "180 s; storvsc_eh_timed_out",
        },
        {
                .name = "vmw_pvscsi", .steps = LUN | BUS | HOST | OFFLINE, .answer = SETTLES,
                .ends_requests = true,
                .in_flight = "sent again; the host reset completes all of it by itself",
                .source = "drivers/scsi/vmw_pvscsi.c: pvscsi_device_reset, pvscsi_bus_reset, "
                          "pvscsi_host_reset, pvscsi_reset_all",
        },
        {
                .name = "mptspi", .steps = LUN | BUS | HOST | OFFLINE, .answer = SETTLES,
                .ends_requests = true, .in_flight = "sent again",
                .source = "drivers/message/fusion/mptspi.c: mptspi_driver_template",
        },
        {
                .name = "mptsas", .steps = LUN | HOST | OFFLINE, .answer = SETTLES,
                .ends_requests = true, .in_flight = "sent again",
                .source = "drivers/message/fusion/mptsas.c: mptsas_driver_template",
        },
        {
                .name = "mpt3sas", .steps = LUN | TARGET | HOST | OFFLINE, .answer = SETTLES,
                .ends_requests = true, .in_flight = "sent again",
                .source = "drivers/scsi/mpt3sas/mpt3sas_scsih.c: mpt3sas_driver_template",
        },
        {
                .name = "mpi3mr", .steps = LUN | TARGET | BUS | HOST | OFFLINE, .answer = SETTLES,
                .ends_requests = true, .in_flight = "sent again",
                .source = "drivers/scsi/mpi3mr/mpi3mr_os.c: mpi3mr_driver_template",
        },
        {
                .name = "megaraid_sas", .steps = TARGET | HOST, .answer = SLOW,
                .ends_requests = true, .in_flight = "sent again",
                .source = "drivers/scsi/megaraid/megaraid_sas_base.c: megasas_template; "
                          "resetwaittime 180 s",
        },
        {
                .name = "ahci", .steps = HOST, .answer = SETTLES, .ends_requests = true,
                .in_flight = "sent again",
                .source = LIBATA,
        },
        {
                .name = "ata_piix", .steps = HOST, .answer = SETTLES, .ends_requests = true,
                .in_flight = "sent again",
                .source = LIBATA,
        },
        {
                .name = "iscsi_tcp", .steps = LUN | TARGET | OFFLINE, .answer = SETTLES,
                .ends_requests = true, .in_flight = "sent again",
                .source = "drivers/scsi/iscsi_tcp.c: iscsi_sw_tcp_sht; libiscsi.c: "
                          "iscsi_eh_device_reset, iscsi_eh_recover_target",
        },
        {
                .name = "xen-scsifront", .steps = LUN | OFFLINE, .answer = QUICK,
                .ends_requests = true, .in_flight = "sent again",
                .source = "drivers/scsi/xen-scsifront.c: scsifront_dev_reset_handler",
        },
        {
                .name = "scsi_debug", .steps = LUN | TARGET | BUS | HOST | OFFLINE,
                .answer = SETTLES, .ends_requests = true, .in_flight = "sent again",
                .source = "drivers/scsi/scsi_debug.c: sdebug_driver_template",
        },
        {
                .name = "nvme", .steps = NVME, .answer = QUICK,
                .in_flight = "sent again, up to nvme_core.max_retries times",
                .source = "drivers/nvme/host/core.c: nvme_reset_ctrl_sync, "
                          "nvme_decide_disposition; pci.c: nvme_reset_work",
        },
        {
                .name = "nvme-tcp", .steps = 0, .ends_requests = true,
                .in_flight = "sent again after a reconnect, or EIO after ctrl_loss_tmo",
                .source = "drivers/nvme/host/tcp.c: nvme_tcp_timeout, nvme_tcp_error_recovery: "
                          "the kernel reconnects by itself",
        },
        {
                .name = "nvme-rdma", .steps = 0, .ends_requests = true,
                .in_flight = "sent again after a reconnect, or EIO after ctrl_loss_tmo",
                .source = "drivers/nvme/host/rdma.c: nvme_rdma_timeout, nvme_rdma_error_recovery",
        },
        {
                .name = "nvme-fc", .steps = 0, .ends_requests = true,
                .in_flight = "sent again after a reconnect, or EIO after ctrl_loss_tmo",
                .source = "drivers/nvme/host/fc.c: nvme_fc_timeout, nvme_fc_error_recovery",
        },
        {
                .name = "virtio_blk", .steps = 0,
                .in_flight = "waits until the hypervisor completes it",
                .source = "drivers/block/virtio_blk.c: virtio_mq_ops has no timeout, the device "
                          "no reset of its requests",
        },
        {
                .name = "xen-blkfront", .steps = 0,
                .in_flight = "waits until the backend completes it",
                .source = "drivers/block/xen-blkfront.c: blkfront_mq_ops has no timeout",
        },
        {
                .name = "nbd", .steps = 0,
                .in_flight = "waits for the server, or for its own timeout",
                .source = "drivers/block/nbd.c: nbd_xmit_timeout; to disconnect is its client's",
        },
};

const struct driver *driver_at(unsigned i) {
        return i < sizeof(drivers) / sizeof(drivers[0]) ? drivers + i : NULL;
}

const struct driver *driver_find(const char *name) {
        assert(name);

        for (unsigned i = 0; driver_at(i); i++)
                if (strcmp(driver_at(i)->name, name) == 0)
                        return driver_at(i);
        return NULL;
}

enum reach step_reach(enum step step) {
        switch (step) {
        case STEP_TARGET_RESET:
                return REACH_TARGET;
        case STEP_BUS_RESET:
        case STEP_HOST_RESET:
        case STEP_CONTROLLER_RESET:
        case STEP_CONTROLLER_FAIL:
        case STEP_CONTROLLER_END:
        case STEP_CONTROLLER_REMOVE:
        case STEP_CONTROLLER_RESTORE:
        case STEP_CONTROLLER_RESCAN:
                return REACH_DOMAIN;
        default:
                return REACH_DISK;
        }
}

bool step_is_cure(enum step step) {
        return step == STEP_LUN_RESET || step == STEP_TARGET_RESET || step == STEP_BUS_RESET ||
               step == STEP_HOST_RESET || step == STEP_CONTROLLER_RESET;
}

bool step_is_fail(enum step step) {
        return step == STEP_OFFLINE || step == STEP_CONTROLLER_FAIL ||
               step == STEP_CONTROLLER_REMOVE;
}
