/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <string.h>
#include <strings.h>

#include "agent/base/time-util.h"
#include "agent/ctl/client-acts.h"
#include "agent/ctl/table.h"
#include "agent/ctl/tree.h"
#include "agent/ctl/verb-internal.h"

/* Longer than any deadline of the daemon: what it finds is better than our own guess. */
#define RESET_TIMEOUT (10 * USEC_PER_MINUTE)

#define SUPPRESS_DEFAULT USEC_PER_HOUR

#define FORCE_MAX 256

/* What is to be done, and to whom: asked for anew before each reset. */
struct prospect {
        struct client_status status; /* of the one disk */
        struct client_plan plan;
        struct client_stack stack;   /* of its fault domain */
};

static void prospect_done(struct prospect *p) {
        client_status_done(&p->status);
        client_plan_done(&p->plan);
        client_stack_done(&p->stack);
}

static bool read_yes(FILE *in) {
        char line[16] = "";

        if (!fgets(line, sizeof(line), in))
                return false;
        line[strcspn(line, " \t\r\n")] = '\0';
        return strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0;
}

/* As include/bus-acts.h has it: with blanks for the commas. */
static const char *forced(const struct verb_context *c, char buf[static FORCE_MAX]) {
        (void) snprintf(buf, FORCE_MAX, "%s", c->force ?: "");
        for (char *p = buf; *p; p++)
                if (*p == ',')
                        *p = ' ';
        return buf;
}

/* Returns 0 with the one disk in *ret; -ENODEV or another errno. */
static int look_up(struct client *client, const char *name, struct client_status *ret) {
        char *names[] = { (char *) name };
        int r;

        r = client_status(client, ANSWER_TIMEOUT, ret);
        if (r < 0)
                return r;
        return client_status_select(ret, names, 1) ? -ENODEV : 0;
}

static enum verb_result refused(const struct verb_context *c, const char *name,
                                const char *reason) {
        (void) fprintf(c->err, "unhang: %s: not reset: ", name);
        table_put_text(c->err, reason);
        (void) fputc('\n', c->err);
        return VERB_ERROR;
}

static enum verb_result look_ahead(const struct verb_context *c, struct client *client,
                                   const char *name, struct prospect *ret) {
        char force[FORCE_MAX];
        int r;

        if ((r = look_up(client, name, &ret->status)) < 0 ||
            (r = client_plan(client, name, c->rung ?: "", forced(c, force), ANSWER_TIMEOUT,
                             &ret->plan)) < 0)
                return verb_explain(c, name, r);
        if (r == CLIENT_REFUSED)
                return refused(c, name, ret->plan.text);
        r = client_stack(client, name, true, ANSWER_TIMEOUT, &ret->stack);
        return r < 0 ? verb_explain(c, name, r) : VERB_OK;
}

static void print_prospect(FILE *f, const struct prospect *p) {
        table_print_plan(f, p->status.disks, &p->plan, verb_width(f));
        tree_print_radius(f, p->status.disks->name, &p->stack);
        (void) fputs("In the way: ", f);
        table_put_text(f, *p->plan.refusal ? p->plan.refusal : "nothing");
        (void) fputc('\n', f);
}

/* Returns true when a person said yes, and NAME still is the disk that was asked about. */
static bool confirm(const struct verb_context *c, struct client *client, const char *name,
                    const struct disk_report *before) {
        _cleanup_(client_status_done) struct client_status after = {};
        int r;

        (void) fputs("Continue? [y/N] ", c->err);
        (void) fflush(c->err);
        if (!read_yes(c->in)) {
                verb_complain(c, "nothing was done");
                return false;
        }

        /* The kernel gives names again, and people take their time. */
        r = look_up(client, name, &after);
        if (r < 0) {
                (void) verb_explain(c, name, r);
                return false;
        }
        if (strcmp(before->serial, after.disks->serial) == 0 &&
            strcmp(before->address, after.disks->address) == 0)
                return true;
        verb_complain(c, "%s is another disk by now; nothing was done", name);
        return false;
}

static enum verb_result print_reset(const struct verb_context *c, const char *name,
                                    const struct client_reset *reset) {
        (void) fprintf(c->out, "%s: %s", name, reset->outcome);
        if (*reset->text) {
                (void) fputs(": ", c->out);
                table_put_text(c->out, reset->text);
        }
        (void) fputc('\n', c->out);
        return strcmp(reset->outcome, "recovered") == 0 ? VERB_OK : VERB_NOT_RECOVERED;
}

/* The rung that was shown, whatever would come next by now. */
static enum verb_result reset(const struct verb_context *c, struct client *client,
                              const char *name, const char *rung) {
        _cleanup_(client_reset_done) struct client_reset reset = {};
        char force[FORCE_MAX];
        int r;

        r = client_reset(client, name, rung, forced(c, force), RESET_TIMEOUT, &reset);
        if (r == -ETIMEDOUT) {
                verb_complain(c, "unhangd has not said within 10min what came of the reset of %s; "
                                 "it may still be under way. See: unhang status %s",
                              name, name);
                return VERB_NOT_RECOVERED;
        }
        if (r < 0)
                return verb_explain(c, name, r);
        return r == CLIENT_REFUSED ? refused(c, name, reset.text) : print_reset(c, name, &reset);
}

enum verb_result verb_reset(const struct verb_context *c, char **disks, _unused_ size_t n) {
        _cleanup_(prospect_done) struct prospect p = {};
        _cleanup_(client_freep) struct client *client = NULL;
        enum verb_result result;
        const char *name;
        int r;

        assert(c && disks && n == 1);

        name = verb_disk_name(c, disks[0]);
        if (!name)
                return VERB_USAGE;
        if (!c->yes && !c->dry_run && !verb_is_terminal(c->in)) {
                verb_complain(c, "%s is not reset without a yes, and there is no terminal to ask "
                                 "on. Use --yes",
                              name);
                return VERB_ERROR;
        }

        r = client_connect(c->socket, ANSWER_TIMEOUT, &client);
        if (r < 0)
                return verb_explain(c, name, r);
        result = look_ahead(c, client, name, &p);
        if (result != VERB_OK)
                return result;
        print_prospect(c->dry_run ? c->out : c->err, &p);
        if (c->dry_run)
                return *p.plan.refusal ? VERB_ERROR : VERB_OK;
        if (*p.plan.refusal)
                return refused(c, name, p.plan.refusal);
        if (!c->yes && !confirm(c, client, name, p.status.disks))
                return VERB_ERROR;
        return reset(c, client, name, p.plan.rung);
}

/* Returns 0 for "off"; USEC_INFINITY, after a complaint, for what is no such time. */
static usec_t parse_span(const struct verb_context *c, const char *text) {
        usec_t span = 0;

        if (strcmp(text, "off") == 0)
                return 0;
        if (parse_usec(text, &span) >= 0 && span > 0 && span <= BUS_SUPPRESS_MAX)
                return span;
        verb_complain(c, "'%s' is no time to suppress acts for: allowed is up to 7d, such as "
                         "30min; or off",
                      text);
        return USEC_INFINITY;
}

enum verb_result verb_suppress(const struct verb_context *c, char **args, size_t n) {
        _cleanup_(client_reset_done) struct client_reset answer = {};
        _cleanup_(client_freep) struct client *client = NULL;
        usec_t span = SUPPRESS_DEFAULT;
        char text[FORMAT_USEC_MAX];
        const char *name;
        int r;

        assert(c && args && n >= 1);

        name = verb_disk_name(c, args[0]);
        if (n > 1)
                span = parse_span(c, args[1]);
        if (!name || span == USEC_INFINITY)
                return VERB_USAGE;

        r = client_connect(c->socket, ANSWER_TIMEOUT, &client);
        if (r >= 0)
                r = client_suppress(client, name, span, ANSWER_TIMEOUT, &answer);
        if (r < 0)
                return verb_explain(c, name, r);
        if (r == CLIENT_REFUSED) {
                (void) fprintf(c->err, "unhang: %s: not suppressed: ", name);
                table_put_text(c->err, answer.text);
                (void) fputc('\n', c->err);
                return VERB_ERROR;
        }
        if (span > 0)
                (void) fprintf(c->out, "%s: no act on it for %s\n", name,
                               format_usec(text, sizeof(text), span));
        else
                (void) fprintf(c->out, "%s: acts are no longer suppressed\n", name);
        return VERB_OK;
}
