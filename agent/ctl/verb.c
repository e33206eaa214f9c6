/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>

#include "agent/ctl/client-policy.h"
#include "agent/ctl/client.h"
#include "agent/ctl/json.h"
#include "agent/ctl/policy.h"
#include "agent/ctl/table.h"
#include "agent/ctl/tree.h"
#include "agent/ctl/verb.h"

/* The daemon answers from its loop within milliseconds; a machine with its memory short and its
 * disks hung may take a while to run it. */
#define ANSWER_TIMEOUT (30 * USEC_PER_SEC)

/* Longer than any deadline of the daemon: what it finds is better than our own guess. */
#define RESET_TIMEOUT (10 * USEC_PER_MINUTE)

static _printf_(2, 3) void complain(const struct verb_context *c, const char *format, ...) {
        va_list args;

        (void) fputs("unhang: ", c->err);
        va_start(args, format);
        (void) vfprintf(c->err, format, args);
        va_end(args);
        (void) fputc('\n', c->err);
}

static bool terminal(FILE *f) {
        return isatty(fileno(f)) > 0;
}

static bool want_colour(FILE *f) {
        const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

        if (no && *no)
                return false;
        return terminal(f) && term && strcmp(term, "dumb") != 0;
}

/* Where to break lines: nowhere when F is no terminal, for there it is a program that reads. A
 * serial console does not know its size. */
static size_t want_width(FILE *f) {
        struct winsize size = {};

        if (!terminal(f))
                return 0;
        if (ioctl(fileno(f), TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
                return 80;
        return size.ws_col;
}

/* "/dev/sda" is "sda". NULL for what cannot be the name of a disk. Links under /dev are not
 * followed: that would touch the disk's node. */
static const char *disk_name(const struct verb_context *c, const char *arg) {
        const char *name = strncmp(arg, "/dev/", 5) == 0 ? arg + 5 : arg;

        if (*name && !strchr(name, '/'))
                return name;
        complain(c, "'%s' is no disk: give its kernel name, such as sda or /dev/sda", arg);
        return NULL;
}

static enum verb_result explain(const struct verb_context *c, int error) {
        switch (error) {

        case -ENOENT:
        case -ECONNREFUSED:
                complain(c, "unhangd is not running (no answer on %s: %s). "
                            "Start it with: systemctl start unhangd",
                         c->socket, strerror(-error));
                return VERB_NOT_RUNNING;

        case -EACCES:
        case -EPERM:
                complain(c, "root is needed to talk to unhangd (%s: %s)", c->socket,
                         strerror(-error));
                return VERB_ERROR;

        case -ECONNRESET:
                complain(c, "unhangd closed the connection: it stopped, or has too many clients");
                return VERB_ERROR;

        case -ETIMEDOUT:
        case -EAGAIN:
                complain(c, "unhangd runs but does not answer on %s", c->socket);
                return VERB_ERROR;

        case -EPROTO:
                complain(c, "unhangd does not understand, or is not understood: is it of another "
                            "version? Restart it with: systemctl restart unhangd");
                return VERB_ERROR;

        default:
                complain(c, "cannot talk to unhangd on %s: %s", c->socket, strerror(-error));
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
                disks[i] = (char *) disk_name(c, disks[i]);
                if (!disks[i])
                        return VERB_USAGE;
        }

        r = client_connect(c->socket, ANSWER_TIMEOUT, &client);
        if (r < 0)
                return explain(c, r);
        r = client_status(client, ANSWER_TIMEOUT, &status);
        if (r < 0)
                return explain(c, r);

        if (n > 0)
                missing = client_status_select(&status, disks, n);
        print_status(c, &status, n == 0);
        if (missing) {
                complain(c, "no disk %s is guarded", missing);
                return VERB_ERROR;
        }

        for (size_t i = 0; i < status.n_disks; i++)
                if (!disk_healthy(&status.disks[i]))
                        return VERB_UNHEALTHY;
        return VERB_OK;
}

static enum verb_result explain_disk(const struct verb_context *c, const char *name, int error) {
        if (error != -ENODEV)
                return explain(c, error);
        complain(c, "no disk %s is guarded", name);
        return VERB_ERROR;
}

enum verb_result verb_show(const struct verb_context *c, char **disks, _unused_ size_t n) {
        _cleanup_(client_stack_done) struct client_stack stack = {};
        _cleanup_(client_show_done) struct client_show show = {};
        _cleanup_(client_freep) struct client *client = NULL;
        const char *name;
        int r;

        assert(c && disks && n == 1);

        name = disk_name(c, disks[0]);
        if (!name)
                return VERB_USAGE;

        r = client_connect(c->socket, ANSWER_TIMEOUT, &client);
        if (r < 0)
                return explain(c, r);
        if ((r = client_show(client, name, ANSWER_TIMEOUT, &show)) < 0 ||
            (r = client_stack(client, name, false, ANSWER_TIMEOUT, &stack)) < 0)
                return explain_disk(c, name, r);

        if (c->json)
                json_print_disk(c->out, &show.disk, show.signals, show.n_signals, &stack);
        else {
                table_print_disk(c->out, &show.disk, show.signals, show.n_signals,
                                 want_colour(c->out), want_width(c->out));
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

        name = disk_name(c, disk);
        if (!name)
                return VERB_USAGE;
        r = client_connect(c->socket, ANSWER_TIMEOUT, &client);
        if (r < 0)
                return explain(c, r);
        r = client_stack(client, name, domain, ANSWER_TIMEOUT, ret);
        return r < 0 ? explain_disk(c, name, r) : VERB_OK;
}

enum verb_result verb_blast_radius(const struct verb_context *c, char **disks, _unused_ size_t n) {
        _cleanup_(client_stack_done) struct client_stack stack = {};
        enum verb_result result;

        assert(c && disks && n == 1);

        result = verb_ask_stack(c, disks[0], true, &stack);
        if (result != VERB_OK)
                return result;
        if (c->json)
                json_print_radius(c->out, disk_name(c, disks[0]), &stack);
        else
                tree_print_radius(c->out, disk_name(c, disks[0]), &stack);
        return VERB_OK;
}

static enum verb_result show_policy(const struct verb_context *c, struct client *client,
                                    const char *disk) {
        _cleanup_(client_policy_done) struct client_policy policy = {};
        int r;

        r = client_policy(client, disk, ANSWER_TIMEOUT, &policy);
        if (r < 0)
                return explain_disk(c, disk, r);
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
                disks[i] = (char *) disk_name(c, disks[i]);
                if (!disks[i])
                        return VERB_USAGE;
        }
        r = client_connect(c->socket, ANSWER_TIMEOUT, &client);
        if (r >= 0 && n == 0)
                r = client_status(client, ANSWER_TIMEOUT, &status);
        if (r < 0)
                return explain(c, r);
        for (size_t i = 0; i < MAX(n, status.n_disks) && result == VERB_OK; i++) {
                if (i > 0)
                        (void) fputc('\n', c->out);
                result = show_policy(c, client, n > 0 ? disks[i] : status.disks[i].name);
        }
        return result;
}

static bool read_yes(FILE *in) {
        char line[16] = "";

        if (!fgets(line, sizeof(line), in))
                return false;
        line[strcspn(line, " \t\r\n")] = '\0';
        return strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0;
}

/* Finds NAME among the disks. Returns 0 with the one disk in *ret, or 1 after a complaint. */
static int look_up(const struct verb_context *c, struct client *client, const char *name,
                   struct client_status *ret) {
        char *names[] = { (char *) name };
        int r;

        r = client_status(client, ANSWER_TIMEOUT, ret);
        if (r < 0) {
                (void) explain(c, r);
                return 1;
        }
        if (client_status_select(ret, names, 1)) {
                complain(c, "no disk %s is guarded", name);
                return 1;
        }
        return 0;
}

/* Returns true when a person said yes, and NAME still is the disk that was asked about. */
static bool confirm(const struct verb_context *c, struct client *client, const char *name) {
        _cleanup_(client_status_done) struct client_status before = {}, after = {};

        if (look_up(c, client, name, &before) != 0)
                return false;

        table_describe_reset(c->err, before.disks);
        (void) fputs(" Continue? [y/N] ", c->err);
        (void) fflush(c->err);
        if (!read_yes(c->in)) {
                complain(c, "nothing was done");
                return false;
        }

        /* The kernel gives names again, and people take their time. */
        if (look_up(c, client, name, &after) != 0)
                return false;
        if (strcmp(before.disks->serial, after.disks->serial) == 0 &&
            strcmp(before.disks->address, after.disks->address) == 0)
                return true;
        complain(c, "%s is another disk by now; nothing was done", name);
        return false;
}

static enum verb_result print_reset(const struct verb_context *c, const char *name,
                                    enum client_verdict verdict, const struct client_reset *reset) {
        FILE *f = verdict == CLIENT_REFUSED ? c->err : c->out;

        (void) fprintf(f, "%s%s: %s", verdict == CLIENT_REFUSED ? "unhang: " : "", name,
                       verdict == CLIENT_REFUSED ? "not reset" : reset->outcome);
        if (*reset->text) {
                (void) fputs(": ", f);
                table_put_text(f, reset->text);
        }
        (void) fputc('\n', f);

        if (verdict == CLIENT_REFUSED)
                return VERB_ERROR;
        return strcmp(reset->outcome, "recovered") == 0 ? VERB_OK : VERB_NOT_RECOVERED;
}

enum verb_result verb_reset(const struct verb_context *c, char **disks, _unused_ size_t n) {
        _cleanup_(client_reset_done) struct client_reset reset = {};
        _cleanup_(client_freep) struct client *client = NULL;
        const char *name;
        int r;

        assert(c && disks && n == 1);

        name = disk_name(c, disks[0]);
        if (!name)
                return VERB_USAGE;
        if (!c->yes && !terminal(c->in)) {
                complain(c, "%s is not reset without a yes, and there is no terminal to ask on. "
                            "Use --yes",
                         name);
                return VERB_ERROR;
        }

        r = client_connect(c->socket, ANSWER_TIMEOUT, &client);
        if (r < 0)
                return explain(c, r);
        if (!c->yes && !confirm(c, client, name))
                return VERB_ERROR;

        r = client_reset(client, name, c->force, RESET_TIMEOUT, &reset);
        if (r == -ETIMEDOUT) {
                complain(c, "unhangd has not said within 10min what came of the reset of %s; it "
                            "may still be under way. See: unhang status %s",
                         name, name);
                return VERB_NOT_RECOVERED;
        }
        if (r < 0)
                return explain(c, r);
        return print_reset(c, name, (enum client_verdict) r, &reset);
}
