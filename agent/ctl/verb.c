/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

#include "agent/ctl/client-policy.h"
#include "agent/ctl/client.h"
#include "agent/ctl/json.h"
#include "agent/ctl/policy.h"
#include "agent/ctl/table.h"
#include "agent/ctl/tree.h"
#include "agent/ctl/verb-internal.h"

void verb_complain(const struct verb_context *c, const char *format, ...) {
        va_list args;

        (void) fputs("unhang: ", c->err);
        va_start(args, format);
        (void) vfprintf(c->err, format, args);
        va_end(args);
        (void) fputc('\n', c->err);
}

bool verb_is_terminal(FILE *f) {
        return isatty(fileno(f)) > 0;
}

static bool want_colour(FILE *f) {
        const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

        if (no && *no)
                return false;
        return verb_is_terminal(f) && term && strcmp(term, "dumb") != 0;
}

/* A serial console does not know its size. */
size_t verb_width(FILE *f) {
        struct winsize size = {};

        if (!verb_is_terminal(f))
                return 0;
        if (ioctl(fileno(f), TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
                return 80;
        return size.ws_col;
}

const char *verb_disk_name(const struct verb_context *c, const char *arg) {
        const char *name = strncmp(arg, "/dev/", 5) == 0 ? arg + 5 : arg;

        if (*name && !strchr(name, '/'))
                return name;
        verb_complain(c, "'%s' is no disk: give its kernel name, such as sda or /dev/sda", arg);
        return NULL;
}

enum verb_result verb_explain(const struct verb_context *c, const char *disk, int error) {
        switch (error) {

        case -ENODEV:
                verb_complain(c, "no disk %s is guarded", disk);
                return VERB_ERROR;

        case -ENOENT:
        case -ECONNREFUSED:
                verb_complain(c, "unhangd is not running (no answer on %s: %s). "
                                 "Start it with: systemctl start unhangd",
                              c->socket, strerror(-error));
                return VERB_NOT_RUNNING;

        case -EACCES:
        case -EPERM:
                verb_complain(c, "root is needed to talk to unhangd (%s: %s)", c->socket,
                              strerror(-error));
                return VERB_ERROR;

        case -ECONNRESET:
                verb_complain(c, "unhangd closed the connection: it stopped, or has too many "
                                 "clients");
                return VERB_ERROR;

        case -ETIMEDOUT:
        case -EAGAIN:
                verb_complain(c, "unhangd runs but does not answer on %s", c->socket);
                return VERB_ERROR;

        case -EPROTO:
                verb_complain(c, "unhangd does not understand, or is not understood: is it of "
                                 "another version? Restart it with: systemctl restart unhangd");
                return VERB_ERROR;

        default:
                verb_complain(c, "cannot talk to unhangd on %s: %s", c->socket, strerror(-error));
                return VERB_ERROR;
        }
}

static void print_status(const struct verb_context *c, const struct client_status *status,
                         bool all) {
        if (c->json) {
                json_print(c->out, status);
                return;
        }
        if (status->n_disks == 0 && all)
                (void) fputs("No disk is guarded. unhangd guards the disks that udev gives the tag "
                             "\"unhang\",\nas 60-unhang.rules does; see unhangd(8).\n",
                             c->out);
        table_print(c->out, status->disks, status->n_disks, want_colour(c->out));
        if (status->dropped > 0)
                (void) fprintf(c->out, "\nLog lines lost, which the journal did not take: %" PRIu64
                                       "\n",
                               status->dropped);
}

enum verb_result verb_status(const struct verb_context *c, char **disks, size_t n) {
        _cleanup_(client_status_done) struct client_status status = {};
        _cleanup_(client_freep) struct client *client = NULL;
        const char *missing = NULL;
        int r;

        assert(c && (disks || n == 0));

        for (size_t i = 0; i < n; i++) {
                disks[i] = (char *) verb_disk_name(c, disks[i]);
                if (!disks[i])
                        return VERB_USAGE;
        }

        r = client_connect(c->socket, ANSWER_TIMEOUT, &client);
        if (r < 0)
                return verb_explain(c, NULL, r);
        r = client_status(client, ANSWER_TIMEOUT, &status);
        if (r < 0)
                return verb_explain(c, NULL, r);

        if (n > 0)
                missing = client_status_select(&status, disks, n);
        print_status(c, &status, n == 0);
        if (missing) {
                verb_complain(c, "no disk %s is guarded", missing);
                return VERB_ERROR;
        }

        for (size_t i = 0; i < status.n_disks; i++)
                if (!disk_healthy(&status.disks[i]))
                        return VERB_UNHEALTHY;
        return VERB_OK;
}

enum verb_result verb_show(const struct verb_context *c, char **disks, _unused_ size_t n) {
        _cleanup_(client_stack_done) struct client_stack stack = {};
        _cleanup_(client_show_done) struct client_show show = {};
        _cleanup_(client_freep) struct client *client = NULL;
        const char *name;
        int r;

        assert(c && disks && n == 1);

        name = verb_disk_name(c, disks[0]);
        if (!name)
                return VERB_USAGE;

        r = client_connect(c->socket, ANSWER_TIMEOUT, &client);
        if (r < 0)
                return verb_explain(c, NULL, r);
        if ((r = client_show(client, name, ANSWER_TIMEOUT, &show)) < 0 ||
            (r = client_stack(client, name, false, ANSWER_TIMEOUT, &stack)) < 0)
                return verb_explain(c, name, r);

        if (c->json)
                json_print_disk(c->out, &show, &stack);
        else {
                table_print_disk(c->out, &show, want_colour(c->out), verb_width(c->out));
                tree_print(c->out, &stack);
        }
        return disk_healthy(&show.disk) ? VERB_OK : VERB_UNHEALTHY;
}

enum verb_result verb_ask_stack(const struct verb_context *c, const char *disk, bool domain,
                                struct client_stack *ret) {
        _cleanup_(client_freep) struct client *client = NULL;
        const char *name;
        int r;

        assert(c && disk && ret);

        name = verb_disk_name(c, disk);
        if (!name)
                return VERB_USAGE;
        r = client_connect(c->socket, ANSWER_TIMEOUT, &client);
        if (r < 0)
                return verb_explain(c, NULL, r);
        r = client_stack(client, name, domain, ANSWER_TIMEOUT, ret);
        return r < 0 ? verb_explain(c, name, r) : VERB_OK;
}

enum verb_result verb_blast_radius(const struct verb_context *c, char **disks, _unused_ size_t n) {
        _cleanup_(client_stack_done) struct client_stack stack = {};
        enum verb_result result;

        assert(c && disks && n == 1);

        result = verb_ask_stack(c, disks[0], true, &stack);
        if (result != VERB_OK)
                return result;
        if (c->json)
                json_print_radius(c->out, verb_disk_name(c, disks[0]), &stack);
        else
                tree_print_radius(c->out, verb_disk_name(c, disks[0]), &stack);
        return VERB_OK;
}

static enum verb_result show_policy(const struct verb_context *c, struct client *client,
                                    const char *disk) {
        _cleanup_(client_policy_done) struct client_policy policy = {};
        int r;

        r = client_policy(client, disk, ANSWER_TIMEOUT, &policy);
        if (r < 0)
                return verb_explain(c, disk, r);
        policy_print(c->out, disk, &policy.report);
        return VERB_OK;
}

enum verb_result verb_policy(const struct verb_context *c, char **disks, size_t n) {
        _cleanup_(client_status_done) struct client_status status = {};
        _cleanup_(client_freep) struct client *client = NULL;
        enum verb_result result = VERB_OK;
        int r;

        assert(c && (disks || n == 0));

        for (size_t i = 0; i < n; i++) {
                disks[i] = (char *) verb_disk_name(c, disks[i]);
                if (!disks[i])
                        return VERB_USAGE;
        }
        r = client_connect(c->socket, ANSWER_TIMEOUT, &client);
        if (r >= 0 && n == 0)
                r = client_status(client, ANSWER_TIMEOUT, &status);
        if (r < 0)
                return verb_explain(c, NULL, r);
        for (size_t i = 0; i < MAX(n, status.n_disks) && result == VERB_OK; i++) {
                if (i > 0)
                        (void) fputc('\n', c->out);
                result = show_policy(c, client, n > 0 ? disks[i] : status.disks[i].name);
        }
        return result;
}
