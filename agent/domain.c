/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <string.h>

#include "agent/acts.h"
#include "agent/agent.h"
#include "agent/base/log.h"
#include "agent/base/time-util.h"
#include "agent/decide/drivers.h"
#include "agent/decide/names.h"
#include "agent/incident.h"

/* A new executor is not forked sooner than this after one died. */
#define RESPAWN_DELAY (5 * USEC_PER_SEC)

/* A step is said to take long after this; the next thing that is said of it is that it is over. */
#define LONG_AFTER (3 * USEC_PER_SEC)

static bool is_idle(const struct post *post) {
        return post->executor.ready && post->executor.step == STEP_NONE;
}

bool domain_is_free(const struct domain *domain) {
        assert(domain);

        for (unsigned i = 0; i < domain->n_posts; i++)
                if (!is_idle(domain->posts + i))
                        return false;
        return true;
}

static struct disk *disk_in_slot(const struct domain *domain, unsigned slot) {
        for (struct disk *d = domain->agent->disks; d; d = d->next)
                if (d->domain == domain && d->slot == slot)
                        return d;
        return NULL;
}

bool domain_is_ending(const struct domain *domain) {
        assert(domain);

        for (unsigned i = 0; i < domain->n_posts; i++)
                switch (domain->posts[i].executor.step) {
                case STEP_CONTROLLER_RESET:
                case STEP_CONTROLLER_FAIL:
                case STEP_CONTROLLER_END:
                case STEP_CONTROLLER_REMOVE:
                        return true;
                default:
                        break;
                }
        return false;
}

const struct disk *domain_blocked_by(const struct domain *domain) {
        assert(domain);

        for (unsigned i = 0; i < domain->n_posts; i++)
                if (domain->posts[i].executor.step != STEP_NONE && domain->posts[i].late)
                        return disk_in_slot(domain, domain->posts[i].executor.slot);
        return NULL;
}

static bool is_reached(const struct disk *disk, const struct disk *by, enum step step) {
        switch (step_reach(step)) {
        case REACH_DOMAIN:
                return true;
        case REACH_TARGET:
                return !by || disk_same_target(disk, by);
        default:
                return disk == by;
        }
}

bool domain_holds_back(const struct domain *domain, const struct disk *disk) {
        assert(domain && disk);

        for (unsigned i = 0; i < domain->n_posts; i++) {
                const struct executor *executor = &domain->posts[i].executor;

                if (executor->step != STEP_NONE &&
                    !is_reached(disk, disk_in_slot(domain, executor->slot), executor->step))
                        return true;
        }
        return false;
}

/* What the act has reached is seen anew: nothing that was seen of it before counts any more. BY: of
 * which disk; NULL: it is gone. */
static void restart_observations(struct domain *domain, const struct disk *by, enum step step) {
        for (struct disk *d = domain->agent->disks; d; d = d->next)
                if (d->domain == domain && is_reached(d, by, step))
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
        disk_plan(disk);
}

static void attach(struct post *post, struct disk *disk) {
        enum step_place place = (enum step_place) (post - post->domain->posts);
        int r;

        if (post->executor.fd < 0)
                return; /* with the others when a new one is forked */
        r = executor_attach(&post->executor, disk->slot, &disk->nodes);
        if (r == 0 && disk->facts_known)
                r = executor_inform(&post->executor, disk->slot, &disk->facts);
        if (r < 0)
                attached(disk, place, r);
}

static void attach_all(struct post *post) {
        for (struct disk *d = post->domain->agent->disks; d; d = d->next)
                if (d->domain == post->domain && !d->gone)
                        attach(post, d);
}

void domain_inform(struct disk *disk) {
        assert(disk);

        for (unsigned i = 0; disk->domain && i < disk->domain->n_posts; i++)
                if (disk->domain->posts[i].executor.fd >= 0)
                        (void) executor_inform(&disk->domain->posts[i].executor, disk->slot,
                                               &disk->facts);
}

static void pursue_all(struct agent *agent, usec_t now) {
        for (struct disk *d = agent->disks; d; d = d->next)
                incident_pursue(d, now);
}

/* Whether the whole controller was given up by that. */
static bool has_ended_all(const struct executor_report *news) {
        if (news->step == STEP_CONTROLLER_RESET)
                return news->error == -ENETRESET;
        return news->error == 0 && (news->step == STEP_CONTROLLER_FAIL ||
                                    news->step == STEP_CONTROLLER_END ||
                                    news->step == STEP_CONTROLLER_REMOVE);
}

static void drag_others(struct domain *domain, const struct disk *disk, usec_t now) {
        for (struct disk *d = domain->agent->disks; d; d = d->next)
                if (d->domain == domain && d != disk)
                        incident_dragged(d, now);
}

static void on_post_returned(struct post *post, struct disk *disk,
                             const struct executor_report *news, usec_t now) {
        struct domain *domain = post->domain;

        if (post->late && news->step != STEP_NONE)
                log_notice("%s: %s has returned after %s", disk ? disk->id.name : domain->name,
                           step_to_string(news->step),
                           format_usec((char[FORMAT_USEC_MAX]) {}, FORMAT_USEC_MAX,
                                       now - post->begun_at));
        post->late = false;
        restart_observations(domain, disk, news->step);
        if (disk && news->step != STEP_NONE)
                incident_returned(disk, news->step, news->error, now);
        if (has_ended_all(news))
                drag_others(domain, disk, now);
}

static void on_post_news(struct post *post, const struct executor_report *news, usec_t now) {
        struct domain *domain = post->domain;
        struct disk *disk = disk_in_slot(domain, news->slot);

        switch (news->news) {
        case NEWS_READY:
                if (news->error < 0)
                        log_error("%s: cannot put back what an earlier unhangd has changed: %s",
                                  domain->name, strerror(-news->error));
                break;
        case NEWS_INSPECTED:
        case NEWS_PREPARED:
                break;
        case NEWS_ATTACHED:
                attached(disk, (enum step_place) (post - domain->posts), news->error);
                break;
        case NEWS_DEAD:
                log_error("%s: an executor has died; a new one follows", domain->name);
                post->respawn_at = now + RESPAWN_DELAY;
                on_post_returned(post, disk, news, now);
                break;
        case NEWS_RETURNED:
                on_post_returned(post, disk, news, now);
                break;
        }
}

static int on_post_readable(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct post *post = userdata;
        struct agent *agent = post->domain->agent;
        struct executor_report news;
        usec_t now = now_monotonic();

        (void) fd, (void) events;
        while (post->executor.fd >= 0 && executor_receive(&post->executor, &news) > 0)
                on_post_news(post, &news, now);
        if (post->executor.fd < 0)
                (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        pursue_all(agent, now);
        agent_arm(agent);
        return 0;
}

static void inspected(struct disk *disk, const struct executor_report *news) {
        /* A disk that does not answer that is not known to be reserved. */
        if (news->inspected.reserved >= 0)
                disk->reserved = news->error == 0 && news->inspected.reserved > 0;
        disk->facts.io_timeout = news->inspected.io_timeout;
        domain_inform(disk);
        disk_plan(disk);
}

static void on_disk_news(struct disk *disk, const struct executor_report *news, usec_t now) {
        switch (news->news) {
        case NEWS_READY:
        case NEWS_PREPARED:
                return;
        case NEWS_INSPECTED:
                inspected(disk, news);
                return;
        case NEWS_ATTACHED:
                attached(disk, PLACE_DISK, news->error);
                disk->unasked = news->error == 0;
                if (news->error == 0)
                        (void) executor_inspect(&disk->executor, 0, false);
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
int domain_watch(struct agent *agent, struct executor *executor, sd_event_io_handler_t handler,
                 void *userdata, sd_event_source **source) {
        int r;

        *source = sd_event_source_unref(*source);
        r = sd_event_add_io(agent->event, source, executor->fd, EPOLLIN, handler, userdata);
        if (r < 0)
                return r;
        return sd_event_source_set_priority(*source, SD_EVENT_PRIORITY_IMPORTANT);
}

static int spawn_post(struct post *post) {
        struct domain *domain = post->domain;
        bool rescue = post == domain->posts + PLACE_RESCUE;
        char name[16], lock[128];
        int r;

        (void) snprintf(name, sizeof(name), "unhang-%.7s%s", domain->name, rescue ? "+" : "");
        (void) snprintf(lock, sizeof(lock), UNHANG_RUNTIME_DIR "/%s%s.lock", domain->name,
                        rescue ? ".rescue" : "");
        r = executor_spawn(&domain->agent->nursery, name, lock, &post->executor);
        if (r < 0)
                return r;
        post->respawn_at = USEC_INFINITY;
        return domain_watch(domain->agent, &post->executor, on_post_readable, post, &post->source);
}

static int spawn_for_disk(struct disk *disk) {
        char name[16];
        int r;

        (void) snprintf(name, sizeof(name), "unhang-%.8s", disk->id.name);
        r = executor_spawn(&disk->agent->nursery, name, NULL, &disk->executor);
        if (r < 0)
                return r;
        disk->respawn_at = USEC_INFINITY;
        r = domain_watch(disk->agent, &disk->executor, on_disk_readable, disk, &disk->source);
        if (r < 0 || !disk->domain) /* without a domain it is for filesystems alone */
                return r;
        return executor_attach(&disk->executor, 0, &disk->nodes);
}

int domain_own_executor(struct disk *disk) {
        assert(disk);

        return spawn_for_disk(disk);
}

struct domain *domain_free(struct domain *domain) {
        if (domain) {
                for (unsigned i = 0; i < DOMAIN_POSTS; i++) {
                        (void) sd_event_source_disable_unref(domain->posts[i].source);
                        executor_release(&domain->posts[i].executor);
                }
                free(domain);
        }
        return NULL;
}

/* Only a controller has acts that can follow one that does not return. */
static struct domain *domain_new(struct agent *agent, const struct disk_id *id) {
        struct domain *domain = calloc(1, sizeof(*domain));

        if (!domain)
                return NULL;
        domain->agent = agent;
        (void) snprintf(domain->name, sizeof(domain->name), "%s", id->domain);
        domain->n_posts = id->kind == DISK_NVME ? DOMAIN_POSTS : 1;
        for (unsigned i = 0; i < DOMAIN_POSTS; i++)
                domain->posts[i] = (struct post) {
                        .domain = domain,
                        .executor.fd = -EBADF,
                        .respawn_at = USEC_INFINITY,
                };
        return domain;
}

static int find_or_make(struct agent *agent, const struct disk_id *id, struct domain **ret) {
        struct domain *domain;

        for (domain = agent->domains; domain; domain = domain->next)
                if (strcmp(domain->name, id->domain) == 0) {
                        *ret = domain;
                        return 0;
                }

        domain = domain_new(agent, id);
        if (!domain)
                return -ENOMEM;
        for (unsigned i = 0; i < domain->n_posts; i++) {
                int r = spawn_post(domain->posts + i);

                if (r < 0) {
                        (void) domain_free(domain);
                        return r;
                }
        }
        domain->next = agent->domains;
        agent->domains = domain;
        *ret = domain;
        return 0;
}

static bool is_hanging_in(const struct domain *domain, unsigned slot) {
        for (unsigned i = 0; i < domain->n_posts; i++)
                if (domain->posts[i].executor.step != STEP_NONE &&
                    domain->posts[i].executor.slot == slot)
                        return true;
        return false;
}

static int take_slot(struct domain *domain, unsigned *ret) {
        for (unsigned i = 0; i < EXECUTOR_SLOTS; i++) {
                /* What hangs for a disk that is gone is not to be taken for another's. */
                if (is_hanging_in(domain, i))
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

        r = find_or_make(disk->agent, &disk->id, &domain);
        if (r < 0)
                return r;
        r = take_slot(domain, &disk->slot);
        if (r < 0)
                return r;
        disk->domain = domain;
        for (unsigned i = 0; i < domain->n_posts; i++)
                attach(domain->posts + i, disk);
        return 0;
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
        for (unsigned i = 0; i < domain->n_posts; i++)
                if (domain->posts[i].executor.fd >= 0)
                        (void) executor_detach(&domain->posts[i].executor, disk->slot);
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

int domain_begin(struct disk *disk, enum step step, usec_t now) {
        struct post *post;
        int r;

        assert(disk && disk->domain && step_place(step) < DOMAIN_POSTS);

        post = disk->domain->posts + step_place(step);
        r = executor_begin(&post->executor, step, disk->slot, NULL, NULL);
        if (r == 0) {
                post->begun_at = now;
                post->late = false;
        }
        return r;
}

/* A third of its time is over; and while it lasts, the whole domain stands still. */
static void watch_post(struct post *post, usec_t now) {
        const struct disk *disk;

        if (post->executor.step == STEP_NONE || post->late || now - post->begun_at < LONG_AFTER)
                return;
        post->late = true;
        disk = disk_in_slot(post->domain, post->executor.slot);
        log_warning("%s: %s has not returned for %s; %s stands still until it does",
                    disk ? disk->id.name : post->domain->name,
                    step_to_string(post->executor.step),
                    format_usec((char[FORMAT_USEC_MAX]) {}, FORMAT_USEC_MAX, LONG_AFTER),
                    post->domain->name);
}

static void tend_post(struct post *post, usec_t now) {
        watch_post(post, now);
        if (now < post->respawn_at)
                return;
        post->respawn_at = now + RESPAWN_DELAY;
        log_spawn_error(post->domain->name, spawn_post(post));
        if (post->executor.fd >= 0)
                attach_all(post);
}

void domain_tick(struct agent *agent, usec_t now) {
        for (struct domain *domain = agent->domains; domain; domain = domain->next)
                for (unsigned i = 0; i < domain->n_posts; i++)
                        tend_post(domain->posts + i, now);
        for (struct disk *disk = agent->disks; disk; disk = disk->next) {
                if (now < disk->respawn_at)
                        continue;
                disk->respawn_at = now + RESPAWN_DELAY;
                log_spawn_error(disk->id.name, spawn_for_disk(disk));
        }
}
