/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "agent/base/time-util.h"
#include "agent/ctl/client.h"
#include "agent/ctl/json.h"
#include "agent/ctl/table.h"
#include "agent/observe/holders.h"
#include "agent/observe/namespaces.h"
#include "agent/who.h"

#define PROCFS "/proc"

#define TIMEOUT (10 * USEC_PER_SEC)

/* From the process that looks to the one that tells; written at once, for it fits into a pipe
 * (PIPE_BUF). */
struct finding {
        enum { FOUND_HOLDER, FOUND_UNIT, FOUND_ALL } kind;
        struct holder holder; /* FOUND_UNIT: only its pid */
        char unit[128];
        bool cut;             /* FOUND_ALL: not so */
};

/* What is to be looked for. */
struct targets {
        dev_t *supers;
        const char **devices;
        size_t n_supers, n_devices;
};

struct found {
        struct holder *holders;
        char (*units)[128]; /* of each */
        size_t n;
        bool complete;
};

static void targets_done(struct targets *targets) {
        free(targets->supers);
        free(targets->devices);
}

static void found_done(struct found *found) {
        free(found->holders);
        free(found->units);
}

static int find_targets(const struct client_stack *stack, struct targets *targets) {
        targets->supers = calloc(stack->n_nodes + 1, sizeof(*targets->supers));
        targets->devices = calloc(stack->n_nodes + 1, sizeof(*targets->devices));
        if (!targets->supers || !targets->devices)
                return -ENOMEM;
        for (size_t i = 0; i < stack->n_nodes; i++) {
                const struct node_report *node = stack->nodes + i;
                unsigned maj, min;

                if (strcmp(node->kind, "filesystem") == 0) {
                        if (sscanf(node->number, "%u:%u", &maj, &min) == 2)
                                targets->supers[targets->n_supers++] = makedev(maj, min);
                } else if (strcmp(node->kind, "mount") != 0 && strcmp(node->kind, "swap") != 0)
                        targets->devices[targets->n_devices++] = node->name;
        }
        return 0;
}

/* ---- the process that looks ---- */

struct looker {
        int fd;
        pid_t *pids;
        size_t n;
};

static void send_finding(const struct looker *looker, const struct finding *finding) {
        if (write(looker->fd, finding, sizeof(*finding)) != sizeof(*finding))
                _exit(EXIT_FAILURE); /* nobody listens any more */
}

static void on_holder(const struct holder *holder, void *userdata) {
        struct looker *looker = userdata;
        pid_t *pids;

        if (holder->pid == getpid() || holder->pid == getppid())
                return;
        send_finding(looker, &(struct finding) { .kind = FOUND_HOLDER, .holder = *holder });
        pids = reallocarray(looker->pids, looker->n + 1, sizeof(*pids));
        if (!pids)
                return;
        looker->pids = pids;
        pids[looker->n++] = holder->pid;
}

/* Units come last: asking for them may wait for long. */
static void look(const struct targets *targets, int fd) {
        struct looker looker = { .fd = fd };
        struct mount_views views = {};
        const struct holders_world world = {
                .procfs = PROCFS,
                .supers = targets->supers,
                .n_supers = targets->n_supers,
                .devices = targets->devices,
                .n_devices = targets->n_devices,
                .views = &views,
        };
        int r;

        r = mount_views_read(PROCFS, &views);
        if (r >= 0)
                r = holders_read(&world, on_holder, &looker);
        for (size_t i = 0; i < looker.n; i++) {
                struct finding finding = { .kind = FOUND_UNIT, .holder.pid = looker.pids[i] };

                if (holder_unit(PROCFS, looker.pids[i], finding.unit, sizeof(finding.unit)) >= 0)
                        send_finding(&looker, &finding);
        }
        if (r >= 0)
                send_finding(&looker, &(struct finding) { .kind = FOUND_ALL, .cut = r > 0 });
        _exit(EXIT_SUCCESS);
}

/* ---- the process that tells ---- */

static int take_holder(struct found *found, const struct holder *holder) {
        struct holder *holders = reallocarray(found->holders, found->n + 1, sizeof(*holders));
        char(*units)[128];

        if (!holders)
                return -ENOMEM;
        found->holders = holders;
        units = reallocarray(found->units, found->n + 1, sizeof(*units));
        if (!units)
                return -ENOMEM;
        found->units = units;
        units[found->n][0] = '\0';
        holders[found->n++] = *holder;
        return 0;
}

static int take_finding(struct found *found, const struct finding *finding) {
        switch (finding->kind) {
        case FOUND_HOLDER:
                return take_holder(found, &finding->holder);
        case FOUND_UNIT:
                for (size_t i = 0; i < found->n; i++)
                        if (found->holders[i].pid == finding->holder.pid)
                                memcpy(found->units[i], finding->unit, sizeof(finding->unit));
                break;
        case FOUND_ALL:
                found->complete = !finding->cut;
                break;
        }
        return 0;
}

/* Until the other end is closed, or time is over. */
static int take_all(int fd, struct found *found) {
        usec_t deadline = now_monotonic() + TIMEOUT;
        struct finding finding;

        for (;;) {
                struct pollfd p = { .fd = fd, .events = POLLIN };
                usec_t now = now_monotonic();
                int r;

                if (now >= deadline)
                        return 0;
                if (poll(&p, 1, (int) ((deadline - now) / USEC_PER_MSEC) + 1) <= 0)
                        continue;
                if (read(fd, &finding, sizeof(finding)) != sizeof(finding))
                        return 0;
                r = take_finding(found, &finding);
                if (r < 0)
                        return r;
        }
}

static int look_and_take(const struct targets *targets, struct found *found) {
        _cleanup_close_ int reading = -EBADF, writing = -EBADF;
        int fds[2], r;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        reading = fds[0];
        writing = fds[1];
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                (void) signal(SIGPIPE, SIG_DFL);
                reading = safe_close(reading);
                look(targets, writing);
        }
        writing = safe_close(writing);
        r = take_all(reading, found);
        /* It is not waited for: in D no signal ends it. */
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, WNOHANG);
        return r;
}

/* ---- what is told ---- */

static void put_part(char *buf, size_t size, const char *text) {
        size_t n = strlen(buf);

        (void) snprintf(buf + n, size - n, "%s%s", n > 0 ? ", " : "", text);
}

/* "cwd, exe, 3 files" */
static const char *holds(const struct holder *h, char *buf, size_t size) {
        char text[32];

        buf[0] = '\0';
        if (h->root)
                put_part(buf, size, "root");
        if (h->cwd)
                put_part(buf, size, "cwd");
        if (h->exe)
                put_part(buf, size, "exe");
        if (h->files > 0) {
                (void) snprintf(text, sizeof(text), "%u file%s", h->files,
                                h->files == 1 ? "" : "s");
                put_part(buf, size, text);
        }
        if (h->nodes > 0)
                put_part(buf, size, "device");
        return buf;
}

static void print_table(FILE *f, const struct found *found) {
        char text[96];

        if (found->n > 0)
                (void) fputs("PID      COMMAND          STATE  HOLDS                UNIT\n", f);
        for (size_t i = 0; i < found->n; i++) {
                const struct holder *h = found->holders + i;

                (void) fprintf(f, "%-7d  ", (int) h->pid);
                table_put_text(f, h->comm);
                (void) fprintf(f, "%*s  %c      %-19s  ", (int) (15 - strlen(h->comm)), "",
                               h->state, holds(h, text, sizeof(text)));
                table_put_text(f, found->units[i][0] ? found->units[i] : "-");
                (void) fputs("\n         ", f);
                table_put_text(f, h->path);
                (void) fputc('\n', f);
        }
        if (!found->complete)
                (void) fputs("! and perhaps more: not all could be looked at\n", f);
        else if (found->n == 0)
                (void) fputs("No process holds it.\n", f);
}

static void print_json(FILE *f, const struct found *found) {
        (void) fprintf(f, "{\"complete\":%s,\"holders\":[", found->complete ? "true" : "false");
        for (size_t i = 0; i < found->n; i++) {
                const struct holder *h = found->holders + i;

                (void) fprintf(f, "%s{\"pid\":%d,\"comm\":", i > 0 ? ",\n" : "\n", (int) h->pid);
                json_put_string(f, h->comm);
                (void) fprintf(f, ",\"state\":\"%c\",\"unit\":", h->state);
                if (found->units[i][0])
                        json_put_string(f, found->units[i]);
                else
                        (void) fputs("null", f);
                (void) fprintf(f,
                               ",\"root\":%s,\"cwd\":%s,\"exe\":%s,\"files\":%u,\"devices\":%u,"
                               "\"path\":",
                               h->root ? "true" : "false", h->cwd ? "true" : "false",
                               h->exe ? "true" : "false", h->files, h->nodes);
                json_put_string(f, h->path);
                (void) fputc('}', f);
        }
        (void) fputs(found->n > 0 ? "\n]}\n" : "]}\n", f);
}

enum verb_result who_holds(const struct verb_context *c, char **disks, _unused_ size_t n) {
        _cleanup_(client_stack_done) struct client_stack stack = {};
        _cleanup_(targets_done) struct targets targets = {};
        _cleanup_(found_done) struct found found = {};
        enum verb_result result;
        int r;

        assert(c && disks && n == 1);

        result = verb_ask_stack(c, disks[0], false, &stack);
        if (result != VERB_OK)
                return result;
        (void) fflush(c->out);
        if ((r = find_targets(&stack, &targets)) < 0 ||
            (r = look_and_take(&targets, &found)) < 0) {
                (void) fprintf(c->err, "unhang: cannot look for processes: %s\n", strerror(-r));
                return VERB_ERROR;
        }
        if (!stack.report.complete)
                found.complete = false;
        if (c->json)
                print_json(c->out, &found);
        else
                print_table(c->out, &found);
        return VERB_OK;
}
