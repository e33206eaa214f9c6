/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/base/log.h"
#include "agent/base/time-util.h"

/* A new executor is not forked sooner than this after one died. */
#define RESPAWN_DELAY (5 * USEC_PER_SEC)

bool domain_is_free(const struct domain *domain) {
        assert(domain);

        return domain->executor.ready && domain->executor.step == STEP_NONE;
}

static struct disk *disk_in_slot(const struct domain *domain, unsigned slot) {
        for (struct disk *d = domain->agent->disks; d; d = d->next)
                if (d->domain == domain && d->slot == slot)
                        return d;
        return NULL;
}

/* While an act was under way the whole host stood still: nothing that was seen of its disks counts
 * any more. */
static void restart_observations(struct domain *domain) {
        for (struct disk *d = domain->agent->disks; d; d = d->next)
                if (d->domain == domain)
                        detector_restart(&d->watch.detector);
}

static void attached(struct disk *disk, enum step_place place, int error) {
        if (!disk)
                return;
        disk->attach_errors[place] = error;
        if (error < 0)
                log_error("%s (%s): cannot be opened for resets: %s: %s; it is watched only",
                          disk->id.name, disk->id.address, disk->nodes.reset_node,
                          strerror(-error));
}

static void attach_all(struct domain *domain) {
        for (struct disk *d = domain->agent->disks; d; d = d->next)
                if (d->domain == domain) {
                        int r = executor_attach(&domain->executor, d->slot, &d->nodes);

                        if (r < 0)
                                attached(d, PLACE_DOMAIN, r);
                }
}

static void pursue_all(struct agent *agent, usec_t now) {
        for (struct disk *d = agent->disks; d; d = d->next)
                incident_pursue(d, now);
}

static void on_domain_news(struct domain *domain, const struct executor_report *news, usec_t now) {
        struct disk *disk = disk_in_slot(domain, news->slot);

        switch (news->news) {
        case NEWS_READY:
        case NEWS_INSPECTED:
        case NEWS_PREPARED:
                break;
        case NEWS_ATTACHED:
                attached(disk, PLACE_DOMAIN, news->error);
                break;
        case NEWS_DEAD:
                log_error("%s: the executor has died; a new one follows", domain->name);
                domain->respawn_at = now + RESPAWN_DELAY;
                __attribute__((fallthrough));
        case NEWS_RETURNED:
                restart_observations(domain);
                if (disk && news->step != STEP_NONE)
                        incident_returned(disk, news->step, news->error, now);
                break;
        }
}

static int on_domain_readable(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct domain *domain = userdata;
        struct executor_report news;
        usec_t now = now_monotonic();

        (void) fd, (void) events;
        while (domain->executor.fd >= 0 && executor_receive(&domain->executor, &news) > 0)
                on_domain_news(domain, &news, now);
        if (domain->executor.fd < 0)
                (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        pursue_all(domain->agent, now);
        agent_arm(domain->agent);
        return 0;
}

static void on_disk_news(struct disk *disk, const struct executor_report *news, usec_t now) {
        switch (news->news) {
        case NEWS_READY:
        case NEWS_INSPECTED:
        case NEWS_PREPARED:
                return;
        case NEWS_ATTACHED:
                attached(disk, PLACE_DISK, news->error);
                return;
        case NEWS_DEAD:
                log_error("%s (%s): its executor has died; a new one follows", disk->id.name,
                          disk->id.address);
                disk->respawn_at = now + RESPAWN_DELAY;
                break;
        case NEWS_RETURNED:
                break;
        }
        if (news->step != STEP_NONE)
                incident_returned(disk, news->step, news->error, now);
}

static int on_disk_readable(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct disk *disk = userdata;
        struct executor_report news;
        usec_t now = now_monotonic();

        (void) fd, (void) events;
        while (disk->executor.fd >= 0 && executor_receive(&disk->executor, &news) > 0)
                on_disk_news(disk, &news, now);
        if (disk->executor.fd < 0)
                (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        incident_pursue(disk, now);
        agent_arm(disk->agent);
        return 0;
}

/* Replies come before the timer: a step that has returned is not overdue. */
static int watch_executor(struct agent *agent, struct executor *executor,
                          sd_event_io_handler_t handler, void *userdata, sd_event_source **source) {
        int r;

        *source = sd_event_source_unref(*source);
        r = sd_event_add_io(agent->event, source, executor->fd, EPOLLIN, handler, userdata);
        if (r < 0)
                return r;
        return sd_event_source_set_priority(*source, SD_EVENT_PRIORITY_IMPORTANT);
}

static int spawn_for_domain(struct domain *domain) {
        char name[16], lock[128];
        int r;

        (void) snprintf(name, sizeof(name), "unhang-%.8s", domain->name);
        (void) snprintf(lock, sizeof(lock), UNHANG_RUNTIME_DIR "/%s.lock", domain->name);
        r = executor_spawn(name, lock, &domain->executor);
        if (r < 0)
                return r;
        domain->respawn_at = USEC_INFINITY;
        return watch_executor(domain->agent, &domain->executor, on_domain_readable, domain,
                              &domain->source);
}

static int spawn_for_disk(struct disk *disk) {
        char name[16];
        int r;

        (void) snprintf(name, sizeof(name), "unhang-%.8s", disk->id.name);
        r = executor_spawn(name, NULL, &disk->executor);
        if (r < 0)
                return r;
        disk->respawn_at = USEC_INFINITY;
        r = watch_executor(disk->agent, &disk->executor, on_disk_readable, disk, &disk->source);
        if (r < 0)
                return r;
        return executor_attach(&disk->executor, 0, &disk->nodes);
}

/* ---- what is set on disks while they are healthy ---- */

static void prepared(const struct executor_report *news) {
        const char *name = news->prepared.name;

        if (news->prepared.before.values[PREPARE_IOSTATS] == 0)
                log_info("%s: its I/O statistics were off; switched on", name);
        if (news->error < 0)
                log_warning("%s: cannot see to its I/O statistics: %s", name,
                            strerror(-news->error));
}

static int on_preparer_readable(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct agent *agent = userdata;
        struct executor_report news;

        (void) fd, (void) events;
        while (agent->preparer.fd >= 0 && executor_receive(&agent->preparer, &news) > 0)
                if (news.news == NEWS_PREPARED)
                        prepared(&news);
        if (agent->preparer.fd < 0)
                (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return 0;
}

int domain_prepare(struct disk *disk) {
        struct prepare_settings settings = {
                .values = { [0 ... _PREPARE_SETTING_MAX - 1] = PREPARE_LEAVE },
        };
        struct agent *agent;
        int r;

        assert(disk);

        agent = disk->agent;
        settings.values[PREPARE_IOSTATS] = 1;
        if (agent->preparer.fd < 0) {
                r = executor_spawn("unhang-prepare", UNHANG_RUNTIME_DIR "/prepare.lock",
                                   &agent->preparer);
                if (r < 0)
                        return r;
                r = watch_executor(agent, &agent->preparer, on_preparer_readable, agent,
                                   &agent->preparer_source);
                if (r < 0)
                        return r;
        }
        return executor_prepare(&agent->preparer, &disk->nodes, &settings);
}

int domain_own_executor(struct disk *disk) {
        assert(disk);

        return spawn_for_disk(disk);
}

struct domain *domain_free(struct domain *domain) {
        if (domain) {
                (void) sd_event_source_disable_unref(domain->source);
                executor_release(&domain->executor);
                free(domain);
        }
        return NULL;
}

static int find_or_make(struct agent *agent, const char *name, struct domain **ret) {
        struct domain *domain;
        int r;

        for (domain = agent->domains; domain; domain = domain->next)
                if (strcmp(domain->name, name) == 0) {
                        *ret = domain;
                        return 0;
                }

        domain = calloc(1, sizeof(*domain));
        if (!domain)
                return -ENOMEM;
        domain->agent = agent;
        (void) snprintf(domain->name, sizeof(domain->name), "%s", name);
        domain->executor.fd = -EBADF;
        r = spawn_for_domain(domain);
        if (r < 0) {
                (void) domain_free(domain);
                return r;
        }
        domain->next = agent->domains;
        agent->domains = domain;
        *ret = domain;
        return 0;
}

static int take_slot(struct domain *domain, unsigned *ret) {
        for (unsigned i = 0; i < EXECUTOR_SLOTS; i++) {
                /* What hangs for a disk that is gone is not to be taken for another's. */
                if (domain->executor.step != STEP_NONE && domain->executor.slot == i)
                        continue;
                if (!(domain->slots[i / 8] & (1U << i % 8))) {
                        domain->slots[i / 8] |= (uint8_t) (1U << i % 8);
                        *ret = i;
                        return 0;
                }
        }
        return -ENOSPC;
}

int domain_join(struct disk *disk) {
        struct domain *domain;
        int r;

        assert(disk && !disk->domain);

        r = find_or_make(disk->agent, disk->id.domain, &domain);
        if (r < 0)
                return r;
        r = take_slot(domain, &disk->slot);
        if (r < 0)
                return r;
        disk->domain = domain;
        if (domain->executor.fd < 0)
                return 0; /* attached with the others when a new executor is forked */
        return executor_attach(&domain->executor, disk->slot, &disk->nodes);
}

static bool is_empty(const struct domain *domain) {
        for (size_t i = 0; i < ELEMENTSOF(domain->slots); i++)
                if (domain->slots[i] != 0)
                        return false;
        return true;
}

static void unlink_domain(struct domain *domain) {
        struct domain **link = &domain->agent->domains;

        while (*link != domain)
                link = &(*link)->next;
        *link = domain->next;
}

void domain_leave(struct disk *disk) {
        struct domain *domain = disk->domain;

        if (!domain)
                return;
        if (domain->executor.fd >= 0)
                (void) executor_detach(&domain->executor, disk->slot);
        domain->slots[disk->slot / 8] &= (uint8_t) ~(1U << disk->slot % 8);
        disk->domain = NULL;
        /* With the last disk the executor goes: at once, or when the act it is in returns. */
        if (is_empty(domain)) {
                unlink_domain(domain);
                (void) domain_free(domain);
        }
}

static void log_spawn_error(const char *what, int r) {
        if (r < 0)
                log_error("%s: cannot fork an executor: %s", what, strerror(-r));
}

void domain_tick(struct agent *agent, usec_t now) {
        for (struct domain *domain = agent->domains; domain; domain = domain->next) {
                if (now < domain->respawn_at)
                        continue;
                domain->respawn_at = now + RESPAWN_DELAY;
                log_spawn_error("domain", spawn_for_domain(domain));
                if (domain->executor.fd >= 0)
                        attach_all(domain);
        }
        for (struct disk *disk = agent->disks; disk; disk = disk->next) {
                if (now < disk->respawn_at)
                        continue;
                disk->respawn_at = now + RESPAWN_DELAY;
                log_spawn_error(disk->id.name, spawn_for_disk(disk));
        }
}
