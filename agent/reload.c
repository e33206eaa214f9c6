/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/close_range.h>
#include <linux/prctl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "agent/agent.h"
#include "agent/base/log.h"
#include "agent/base/time-util.h"
#include "agent/choose.h"
#include "agent/reload.h"
#include "agent/report/notify.h"

/* Some hundred small files are read in milliseconds, from a busy disk in a second or so. */
#define DEADLINE (20 * USEC_PER_SEC)

struct reload {
        struct agent *agent;
        const char *config;
        struct conf_set *sets; /* two: the one in force, and the one to read into */
        int fd;                /* from the process that reads; it lives as long as that is open */
        pid_t pid;
        bool given_up;         /* it was killed, but may sit in the kernel */
        bool again;
        sd_event_source *reader, *deadline;
};

/* ---- the process that reads ---- */

static void on_message(int priority, const char *message, void *userdata) {
        (void) userdata;
        log_line(priority, "%s", message);
}

/* It holds nothing of the daemon's: a socket to an executor, held by a process that hangs, would
 * hide the daemon's death from that. */
static void become_reader(int fd) {
        sigset_t none;

        log_close();
        (void) close_range(3, (unsigned) fd - 1, 0);
        (void) close_range((unsigned) fd + 1, ~0U, 0);
        log_open();
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) prctl(PR_SET_NAME, "unhang-reload");
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
}

_Noreturn static void run(const struct reload *reload, struct conf_set *set, int fd) {
        int errors;

        become_reader(fd);
        errors = conf_set_read(&conf_places_system, reload->config, on_message, NULL, set);
        _exit(write(fd, &errors, sizeof(errors)) == sizeof(errors) ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* ---- the daemon's end ---- */

static struct conf_set *spare(const struct reload *reload) {
        return reload->agent->conf == reload->sets ? reload->sets + 1 : reload->sets;
}

static void ready(const struct reload *reload, const char *status) {
        notify_send(reload->agent->notify, "READY=1\nSTATUS=%s", status);
}

static void refuse(const struct reload *reload, const char *reason) {
        log_error("configuration not reloaded: %s; what was in force stays", reason);
        ready(reload, "Configuration not reloaded, see the log");
}

static void take(struct reload *reload, int errors) {
        char reason[64];

        if (errors > 0) {
                (void) snprintf(reason, sizeof(reason), "it has %d error%s", errors,
                                errors == 1 ? "" : "s");
                refuse(reload, reason);
                return;
        }
        reload->agent->conf = spare(reload);
        log_notice("configuration reloaded: %zu policies", reload->agent->conf->n_policies);
        choose_for_all(reload->agent);
        ready(reload, "Configuration reloaded");
}

static void end(struct reload *reload) {
        reload->reader = sd_event_source_disable_unref(reload->reader);
        reload->deadline = sd_event_source_disable_unref(reload->deadline);
        reload->fd = safe_close(reload->fd);
        reload->given_up = false;
        if (reload->again)
                reload_begin(reload);
}

/* Once it has ended: the other end is closed by that. */
static int on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct reload *reload = userdata;
        bool given_up = reload->given_up;
        int errors;
        ssize_t n;

        (void) source, (void) events;
        n = read(fd, &errors, sizeof(errors));
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (!given_up && n == sizeof(errors))
                take(reload, errors);
        else if (!given_up)
                refuse(reload, "the process that read it has died");
        end(reload);
        return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        struct reload *reload = userdata;

        (void) source, (void) usec;
        /* It may be waiting for a disk in the kernel; then it dies when it returns, and writes
         * nothing more. */
        (void) kill(reload->pid, SIGKILL);
        reload->given_up = true;
        refuse(reload, "it could not be read in time; does its disk hang?");
        return 0;
}

static int spawn(struct reload *reload) {
        _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
        int pair[2];

        if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        ours = pair[0];
        theirs = pair[1];
        reload->pid = fork();
        if (reload->pid < 0)
                return -errno;
        if (reload->pid == 0)
                run(reload, spare(reload), theirs);
        reload->fd = take_fd(&ours);
        return 0;
}

static int begin(struct reload *reload) {
        sd_event *event = reload->agent->event;
        int r;

        r = spawn(reload);
        if (r < 0)
                return r;
        r = sd_event_add_io(event, &reload->reader, reload->fd, EPOLLIN, on_readable, reload);
        if (r < 0)
                return r;
        return sd_event_add_time_relative(event, &reload->deadline, CLOCK_MONOTONIC, DEADLINE, 0,
                                          on_deadline, reload);
}

void reload_begin(struct reload *reload) {
        int r;

        assert(reload);

        notify_send(reload->agent->notify, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                    now_monotonic());
        if (reload->given_up) {
                refuse(reload, "the process that read it the last time has not ended yet");
                return;
        }
        reload->again = reload->fd >= 0;
        if (reload->again)
                return;
        r = begin(reload);
        if (r >= 0)
                return;
        if (reload->fd >= 0)
                (void) kill(reload->pid, SIGKILL);
        refuse(reload, strerror(-r));
        end(reload);
}

int reload_new(struct agent *agent, const char *config, struct reload **ret) {
        struct reload *reload;
        void *sets;

        assert(agent && ret);

        reload = calloc(1, sizeof(*reload));
        if (!reload)
                return -ENOMEM;
        sets = mmap(NULL, 2 * sizeof(struct conf_set), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (sets == MAP_FAILED) {
                free(reload);
                return -ENOMEM;
        }
        *reload = (struct reload) {
                .agent = agent,
                .config = config,
                .sets = sets,
                .fd = -EBADF,
        };
        agent->conf = reload->sets;
        (void) conf_set_read(&conf_places_system, config, on_message, NULL, agent->conf);
        *ret = reload;
        return 0;
}

struct reload *reload_free(struct reload *reload) {
        if (reload) {
                (void) sd_event_source_disable_unref(reload->reader);
                (void) sd_event_source_disable_unref(reload->deadline);
                (void) safe_close(reload->fd);
                (void) munmap(reload->sets, 2 * sizeof(struct conf_set));
                free(reload);
        }
        return NULL;
}
