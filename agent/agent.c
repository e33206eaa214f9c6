/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/act/fence.h"
#include "agent/acts.h"
#include "agent/agent.h"
#include "agent/base/log.h"
#include "agent/base/time-util.h"
#include "agent/by-hand.h"
#include "agent/incident.h"
#include "agent/radius.h"
#include "agent/recall.h"
#include "agent/recording.h"
#include "agent/reload.h"
#include "agent/report/notify.h"

/* Without disks there is the watchdog to feed, and executors to fork anew. */
#define IDLE_INTERVAL USEC_PER_SEC

#define SURVEY_INTERVAL USEC_PER_MINUTE

/* A disk that is awaited may have come back before its incident was ready for it. */
#define AWAIT_INTERVAL (5 * USEC_PER_SEC)

bool agent_is_calm(const struct agent *agent) {
        for (const struct disk *d = agent->disks; d; d = d->next)
                if (ladder_is_acting(&d->watch.ladder))
                        return false;
        return true;
}

struct disk *agent_find(struct agent *agent, const char *name) {
        for (struct disk *d = agent->disks; d; d = d->next)
                if (strcmp(d->id.name, name) == 0)
                        return d;
        return NULL;
}

void agent_arm(struct agent *agent) {
        usec_t next = agent->ticked + IDLE_INTERVAL;
        int r;

        for (const struct disk *d = agent->disks; d; d = d->next)
                next = MIN(next, watch_next(&d->watch, &d->policy, agent->ticked));
        r = sd_event_source_set_time(agent->timer, next);
        if (r >= 0)
                r = sd_event_source_set_enabled(agent->timer, SD_EVENT_ONESHOT);
        if (r < 0) /* without the timer nothing is guarded: let systemd start us anew */
                (void) sd_event_exit(agent->event, r);
}

static void leave_out_gap(struct agent *agent, usec_t gap) {
        char line[RECORDING_LINE_MAX];

        log_warning("did not run for %s; that time is not counted",
                    format_usec((char[FORMAT_USEC_MAX]) {}, FORMAT_USEC_MAX, gap));
        for (struct disk *d = agent->disks; d; d = d->next)
                ladder_shift(&d->watch.ladder, gap);
        recording_paused(line, agent->recorded_from, agent->ticked, agent->ticked + gap);
        recorder_write(&agent->recorder, line);
}

static void feed_watchdog(struct agent *agent, usec_t now) {
        if (agent->watchdog == USEC_INFINITY || now - agent->fed < agent->watchdog / 2)
                return;
        notify_send(agent->notify, "WATCHDOG=1");
        agent->fed = now;
}

static bool all_healthy(const struct agent *agent) {
        for (const struct disk *d = agent->disks; d; d = d->next)
                if (d->watch.ladder.past.state != INCIDENT_HEALTHY)
                        return false;
        return true;
}

static bool any_awaits(const struct agent *agent) {
        for (const struct disk *d = agent->disks; d; d = d->next)
                if (incident_awaits(d))
                        return true;
        return false;
}

/* A path that joins an NVMe multipath head has no event of its own, nor has a mount in another
 * namespace. They are looked for while all is well, for this allocates and opens files. */
static void survey(struct agent *agent, usec_t now) {
        bool awaits = any_awaits(agent);

        if (now - agent->surveyed < (awaits ? AWAIT_INTERVAL : SURVEY_INTERVAL) ||
            !(awaits ? agent_is_calm(agent) : all_healthy(agent)))
                return;
        agent->surveyed = now;
        agent->mounts_stale = true;
        (void) udev_watch_enumerate(agent->udev);
}

static void tend_recorder(struct agent *agent, usec_t now) {
        char line[RECORDING_LINE_MAX];

        if (agent->recorder.broken) {
                log_error("the recording has ended: its file takes no more");
                recorder_close(&agent->recorder);
                agent->recorder.broken = false;
        }
        if (now - agent->recorded_to < RECORDING_END_INTERVAL)
                return;
        agent->recorded_to = now;
        recording_end(line, agent->recorded_from, now);
        recorder_write(&agent->recorder, line);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata) {
        struct agent *agent = userdata;
        usec_t now = now_monotonic();

        (void) source, (void) usec;
        if (now - agent->ticked > WATCH_GAP)
                leave_out_gap(agent, now - agent->ticked);
        agent->ticked = now;

        domain_tick(agent, now);
        disk_tick(agent, now);
        if ((agent->mounts_stale || now >= agent->mounts_again) && now >= agent->mounts_next &&
            agent_is_calm(agent))
                disk_refresh_mounts(agent);
        survey(agent, now);
        tend_recorder(agent, now);
        feed_watchdog(agent, now);
        agent_arm(agent);
        return 0;
}

static int on_udev(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct agent *agent = userdata;

        (void) source, (void) fd, (void) events;
        if (udev_watch_dispatch(agent->udev) < 0)
                agent->surveyed = 0; /* as soon as may be */
        agent->mounts_stale = true; /* a volume may have come to stand on a disk */
        return 0;
}

/* The next tick reads them: containers change mounts many times a second. */
static int on_mounts(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct agent *agent = userdata;

        (void) source, (void) fd, (void) events;
        agent->mounts_stale = true;
        return 0;
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        struct agent *agent = userdata;

        (void) source, (void) si;
        reload_begin(agent->reload);
        return 0;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        struct agent *agent = userdata;

        (void) source, (void) si;
        return sd_event_exit(agent->event, 0);
}

static void udev_appeared(const struct disk_found *found, void *userdata) {
        disk_appeared(userdata, found);
}

static void udev_vanished(dev_t devnum, void *userdata) {
        disk_vanished(userdata, devnum);
}

static void udev_reset(const char *controller, void *userdata) {
        disk_failed_over(userdata, controller);
}

static void udev_unfit(const char *name, const char *reason, void *userdata) {
        (void) userdata;
        log_warning("%s: has the tag, but cannot be guarded: %s", name, reason);
}

static void udev_lost(void *userdata) {
        log_warning("events of udev were lost; looking at all disks anew");
        disk_sweep_begin(userdata);
}

static void udev_complete(void *userdata) {
        disk_sweep_end(userdata);
}

static const struct udev_callbacks udev_callbacks = {
        .appeared = udev_appeared,
        .vanished = udev_vanished,
        .reset = udev_reset,
        .unfit = udev_unfit,
        .lost = udev_lost,
        .complete = udev_complete,
};

static uint64_t bus_dropped(void *userdata) {
        (void) userdata;
        return log_dropped();
}

static void bus_status(void *userdata, struct bus_status *status) {
        struct agent *agent = userdata;
        usec_t now = now_monotonic();

        for (const struct disk *d = agent->disks; d; d = d->next)
                disk_describe(d, now, status);
}

static int bus_show(void *userdata, const char *name, struct bus_status *status) {
        struct agent *agent = userdata;
        const struct disk *disk = agent_find(agent, name);

        if (!disk)
                return -ENODEV;
        disk_describe(disk, now_monotonic(), status);
        disk_describe_signals(disk, status);
        by_hand_describe(disk, now_monotonic(), status);
        return 0;
}

static int bus_stack(void *userdata, const char *name, bool domain, struct bus_status *status) {
        const struct disk *disk = agent_find(userdata, name);

        if (!disk)
                return -ENODEV;
        radius_describe(disk, domain, status);
        return 0;
}

static int bus_policy(void *userdata, const char *name, struct bus_status *status) {
        const struct disk *disk = agent_find(userdata, name);

        if (!disk)
                return -ENODEV;
        choose_describe(disk, status);
        return 0;
}

static int bus_reset(void *userdata, const char *name, const char *rung, const char *force,
                     struct bus_call *call, char reason[static BUS_REASON_MAX]) {
        struct agent *agent = userdata;
        struct disk *disk = agent_find(agent, name);
        int r;

        if (!disk)
                return -ENODEV;
        r = by_hand_reset(disk, rung, force, call, reason);
        agent_arm(agent);
        return r;
}

static int bus_plan(void *userdata, const char *name, const char *rung, const char *force,
                    struct bus_status *status, char reason[static BUS_REASON_MAX]) {
        const struct disk *disk = agent_find(userdata, name);

        return disk ? by_hand_plan(disk, rung, force, status, reason) : -ENODEV;
}

static int bus_suppress(void *userdata, const char *name, uint64_t span,
                        char reason[static BUS_REASON_MAX]) {
        struct disk *disk = agent_find(userdata, name);

        return disk ? by_hand_suppress(disk, span, now_monotonic(), reason) : -ENODEV;
}

static const struct bus_ops bus_ops = {
        .dropped = bus_dropped,
        .status = bus_status,
        .show = bus_show,
        .stack = bus_stack,
        .policy = bus_policy,
        .reset = bus_reset,
        .plan = bus_plan,
        .suppress = bus_suppress,
};

/* One daemon at a time. A lock of fcntl(2), for executors of a daemon that died do not hold it. */
static int start_alone(struct agent *agent) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

        if (mkdir(UNHANG_RUNTIME_DIR, 0755) < 0 && errno != EEXIST)
                return -errno;
        agent->lock = open(UNHANG_RUNTIME_DIR "/unhangd.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (agent->lock < 0)
                return -errno;
        if (fcntl(agent->lock, F_SETLK, &lock) < 0)
                return errno == EACCES || errno == EAGAIN ? -EALREADY : -errno;
        return 0;
}

static int start_bus(struct agent *agent) {
        const struct bus_config config = {
                .path = BUS_SOCKET,
                .version = UNHANG_VERSION,
                .ops = &bus_ops,
                .userdata = agent,
        };

        return bus_server_new(agent->event, &config, &agent->bus);
}

static int start_signals(struct agent *agent) {
        static const struct {
                int number;
                sd_event_signal_handler_t handler;
        } signals[] = {
                { SIGTERM, on_signal },
                { SIGINT, on_signal },
                { SIGHUP, on_hangup },
        };
        sigset_t mask;

        (void) sigemptyset(&mask);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void) sigaddset(&mask, signals[i].number);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        /* Executors are reaped by the kernel; that they ended is seen on their sockets. */
        if (signal(SIGCHLD, SIG_IGN) == SIG_ERR)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                int r = sd_event_add_signal(agent->event, NULL, signals[i].number,
                                            signals[i].handler, agent);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int start_timer(struct agent *agent) {
        int r;

        agent->ticked = agent->surveyed = now_monotonic();
        agent->recorded_from = agent->recorded_to = agent->ticked;
        r = sd_event_add_time(agent->event, &agent->timer, CLOCK_MONOTONIC,
                              agent->ticked, WATCH_TICK_MIN, on_tick, agent);
        return r < 0 ? r : sd_event_source_set_exit_on_failure(agent->timer, true);
}

/* For both, proc(5) says that a change is an exceptional condition. */
static int start_mounts(struct agent *agent) {
        int r;

        agent->mountinfo = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        if (agent->mountinfo < 0)
                return -errno;
        r = sd_event_add_io(agent->event, NULL, agent->mountinfo, EPOLLPRI, on_mounts, agent);
        if (r < 0)
                return r;
        agent->swaps = open("/proc/swaps", O_RDONLY | O_CLOEXEC);
        if (agent->swaps < 0)
                return errno == ENOENT ? 0 : -errno; /* a kernel without swap */
        return sd_event_add_io(agent->event, NULL, agent->swaps, EPOLLPRI, on_mounts, agent);
}

static int start_udev(struct agent *agent) {
        int r;

        r = udev_watch_new(&udev_callbacks, agent, &agent->udev);
        if (r < 0)
                return r;
        r = sd_event_add_io(agent->event, NULL, udev_watch_fd(agent->udev), EPOLLIN, on_udev,
                            agent);
        if (r < 0)
                return r;
        /* Listening already: what appears meanwhile is seen twice rather than never. */
        return udev_watch_enumerate(agent->udev);
}

static int failed(const char *what, int r) {
        log_error("cannot start: %s: %s", what, strerror(-r));
        return r;
}

static int start(struct agent *agent) {
        int r;

        if ((r = start_alone(agent)) == -EALREADY)
                return failed("another unhangd is running", r);
        if (r < 0)
                return failed(UNHANG_RUNTIME_DIR, r);
        if ((r = sd_event_new(&agent->event)) < 0)
                return failed("event loop", r);
        if ((r = start_signals(agent)) < 0)
                return failed("signals", r);
        if ((r = start_timer(agent)) < 0)
                return failed("timer", r);
        if ((r = start_bus(agent)) < 0)
                return failed(BUS_SOCKET, r);
        if ((r = start_mounts(agent)) < 0)
                return failed("/proc/self/mountinfo or /proc/swaps", r);
        recall_disks(agent);
        if ((r = start_udev(agent)) < 0)
                return failed("udev", r);
        return 0;
}

/* What is healthy and was never acted on has nothing to tell a later daemon; the others keep their
 * files. */
static void stop(struct agent *agent) {
        struct disk *disk;

        agent->bus = bus_server_free(agent->bus);
        while ((disk = agent->disks)) {
                agent->disks = disk->next;
                if (disk->watch.ladder.past.state == INCIDENT_HEALTHY &&
                    disk->watch.ladder.past.act == STEP_NONE && disk->suppressed_until == 0)
                        state_file_remove(&disk->state);
                (void) disk_free(disk);
        }
        while (agent->domains) {
                struct domain *domain = agent->domains;

                agent->domains = domain->next;
                (void) domain_free(domain);
        }
        (void) sd_event_source_disable_unref(agent->preparer_source);
        executor_release(&agent->preparer);
        nursery_close(&agent->nursery);
        agent->reload = reload_free(agent->reload);
        agent->udev = udev_watch_free(agent->udev);
        agent->mountinfo = safe_close(agent->mountinfo);
        agent->swaps = safe_close(agent->swaps);
        agent->timer = sd_event_source_unref(agent->timer);
        agent->event = sd_event_unref(agent->event);
        agent->notify = safe_close(agent->notify);
        agent->fence = safe_close(agent->fence);
        agent->lock = safe_close(agent->lock);
        recorder_close(&agent->recorder);
}

int agent_run(struct agent *agent) {
        int r;

        assert(agent);

        agent->mountinfo = -EBADF;
        agent->swaps = -EBADF;
        agent->lock = -EBADF;
        agent->preparer.fd = -EBADF;
        agent->fence = fence_open("/proc");
        if (agent->dry_run)
                log_warning("dry run: all is done as ever, but nothing to any disk");
        agent->notify = notify_open(&agent->watchdog);
        r = start(agent);
        if (r >= 0) {
                notify_send(agent->notify, "READY=1");
                r = sd_event_loop(agent->event);
        }
        notify_send(agent->notify, "STOPPING=1");
        stop(agent);
        return r;
}
