/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/base/log.h"
#include "agent/base/time-util.h"
#include "agent/preparer.h"

static void prepared(const struct agent *agent, const struct executor_report *news) {
        static const char *const names[_PREPARE_SETTING_MAX] = {
                [PREPARE_IOSTATS] = "IoStats=",
                [PREPARE_SCSI_TIMEOUT] = "ScsiTimeoutSec=",
                [PREPARE_SCSI_MAX_RETRIES] = "ScsiMaxRetries=",
                [PREPARE_NVME_IO_TIMEOUT] = "NvmeIoTimeoutSec=",
                [PREPARE_NVME_ADMIN_TIMEOUT] = "NvmeAdminTimeoutSec=",
                [PREPARE_XFS_MAX_RETRIES] = "XfsMaxRetries=",
        };
        const char *name = news->prepared.name;

        for (int i = 0; i < _PREPARE_SETTING_MAX; i++)
                if (news->prepared.before.values[i] != PREPARE_LEAVE && i != PREPARE_IOSTATS)
                        log_info("%s: %s: set; it was %" PRIi64, name, names[i],
                                 news->prepared.before.values[i]);
        if (news->prepared.before.values[PREPARE_IOSTATS] == 0)
                log_info("%s: its I/O statistics were off; switched on", name);
        if (news->error < 0 && news->error != -ENOENT && news->error != -ENODEV)
                log_warning("%s: cannot be prepared: %s %s", name, names[news->prepared.failed],
                            strerror(-news->error));
        /* Timers of requests were perhaps among it. */
        for (struct disk *d = agent->disks; d; d = d->next)
                if (strcmp(d->id.name, name) == 0 && d->domain && d->executor.fd >= 0)
                        (void) executor_inspect(&d->executor, 0, false);
}

static int on_preparer_readable(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct agent *agent = userdata;
        struct executor_report news;

        (void) fd, (void) events;
        while (agent->preparer.fd >= 0 && executor_receive(&agent->preparer, &news) > 0)
                if (news.news == NEWS_PREPARED)
                        prepared(agent, &news);
        if (agent->preparer.fd < 0)
                (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return 0;
}

static int start_preparer(struct agent *agent) {
        int r = executor_spawn(&agent->nursery, "unhang-prepare",
                               UNHANG_RUNTIME_DIR "/prepare.lock", &agent->preparer);

        if (r < 0)
                return r;
        return domain_watch(agent, &agent->preparer, on_preparer_readable, agent,
                            &agent->preparer_source);
}

/* The kernel sends a command again that is younger than (max_retries + 1) times the timeout
 * (scsi_lib.c: scsi_cmd_runtime_exceeced), five being its number of retries. */
#define TIMEOUTS_PER_AGE 6
#define AGE_MARGIN USEC_PER_MINUTE

/* Where the driver ends no request by its timeout, and a longer one harms nothing: but for that of
 * StallSec=, as without debugfs it is by the timeout alone that a stuck request is seen. */
static usec_t needed_timeout(struct disk *disk) {
        const usec_t stall = disk->policy.stall;
        struct sample sample;

        if (counters_read(&disk->counters, now_monotonic(), false, &sample) < 0)
                return 0;
        return sample.timeout > 0 ? MIN(stall, (stall + AGE_MARGIN) / TIMEOUTS_PER_AGE) : 0;
}

static int64_t in_units(usec_t value, usec_t unit) {
        return value == 0 ? PREPARE_LEAVE : (int64_t) ((value + unit - 1) / unit);
}

static int64_t scsi_retries(const struct policy *policy) {
        static const int64_t retries[] = { PREPARE_LEAVE, 0, 1, 2, 3, 4, 5, -1 };

        return retries[policy->scsi_max_retries];
}

static void settings_of(struct disk *disk, struct prepare_settings *settings) {
        const struct policy *policy = &disk->policy;
        int64_t *values = settings->values;

        values[PREPARE_IOSTATS] = policy->iostats ? 1 : PREPARE_LEAVE;
        settings->scsi_timeout_at_least = policy->scsi_timeout == 0;
        values[PREPARE_SCSI_TIMEOUT] = in_units(policy->scsi_timeout > 0 ? policy->scsi_timeout
                                                                         : needed_timeout(disk),
                                                USEC_PER_SEC);
        values[PREPARE_SCSI_MAX_RETRIES] = scsi_retries(policy);
        values[PREPARE_NVME_IO_TIMEOUT] = in_units(policy->nvme_io_timeout, USEC_PER_MSEC);
        values[PREPARE_NVME_ADMIN_TIMEOUT] = in_units(policy->nvme_admin_timeout, USEC_PER_MSEC);
        if (policy->xfs_max_retries != UINT64_MAX)
                values[PREPARE_XFS_MAX_RETRIES] = (int64_t) policy->xfs_max_retries;
}

int prepare_disk(struct disk *disk, bool leave) {
        struct prepare_settings settings = {
                .values = { [0 ... _PREPARE_SETTING_MAX - 1] = PREPARE_LEAVE },
        };
        struct agent *agent;
        int r;

        assert(disk);

        agent = disk->agent;
        if (!leave)
                settings_of(disk, &settings);
        if (agent->preparer.fd < 0) {
                r = start_preparer(agent);
                if (r < 0)
                        return r;
        }
        return executor_prepare(&agent->preparer, &disk->nodes, &settings);
}
