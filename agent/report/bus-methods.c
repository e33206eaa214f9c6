/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What clients ask, and the answers: how each of them looks on the wire. */

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "agent/report/bus-answer.h"
#include "agent/report/bus-append.h"
#include "agent/report/bus-internal.h"

struct bus_status {
        sd_bus_message *reply;
        int error;   /* the first one */
        bool show;   /* the answer to Show(): one disk, then its signals, then its facts */
        bool opened; /* the array at its end is: what is in that may follow */
        bool facts;  /* which is by now that of the facts */
};

static int disk_append(sd_bus_message *reply, const struct disk_report *disk) {
        char t[9][TEXT_MAX];

        return sd_bus_message_append(reply, "(" BUS_DISK_TYPE ")", clean_text(disk->name, t[0]),
                                     clean_text(disk->driver, t[1]),
                                     clean_text(disk->address, t[2]),
                                     clean_text(disk->serial, t[3]), clean_text(disk->state, t[4]),
                                     clean_text(disk->symptom, t[5]), disk->outstanding,
                                     clean_text(disk->detail, t[6]), disk->quiet, disk->limit,
                                     clean_text(disk->last_act, t[7]),
                                     clean_text(disk->last_outcome, t[8]), disk->last_ago,
                                     disk->mounts);
}

void bus_status_add(struct bus_status *status, const struct disk_report *disk) {
        int r;

        assert(status && disk);
        assert(!status->opened);

        if (status->error < 0)
                return;

        r = disk_append(status->reply, disk);
        if (r >= 0 && status->show) {
                r = sd_bus_message_open_container(status->reply, SD_BUS_TYPE_ARRAY,
                                                  "(" BUS_SIGNAL_TYPE ")");
                status->opened = r >= 0;
        }
        if (r < 0)
                status->error = r;
}

void bus_signal_add(struct bus_status *status, const struct signal_report *signal) {
        char t[2][TEXT_MAX];
        int r;

        assert(status && signal);

        if (status->error < 0)
                return;
        assert(status->opened && !status->facts);

        r = sd_bus_message_append(status->reply, "(" BUS_SIGNAL_TYPE ")",
                                  clean_text(signal->name, t[0]), clean_text(signal->text, t[1]),
                                  (int) signal->missing);
        if (r < 0)
                status->error = r;
}

/* The signals are all there is of them once there are facts, or an end. */
static int open_facts(struct bus_status *status) {
        int r;

        if (status->facts || !status->opened)
                return 0;
        r = sd_bus_message_close_container(status->reply);
        if (r < 0)
                return r;
        status->facts = true;
        return sd_bus_message_open_container(status->reply, SD_BUS_TYPE_ARRAY,
                                             "(" BUS_FACT_TYPE ")");
}

void bus_fact_add(struct bus_status *status, const struct fact_report *fact) {
        char t[2][TEXT_MAX];
        int r;

        assert(status && fact);

        if (status->error < 0)
                return;
        assert(status->opened);

        r = open_facts(status);
        if (r >= 0)
                r = sd_bus_message_append(status->reply, "(" BUS_FACT_TYPE ")",
                                          clean_text(fact->name, t[0]),
                                          clean_text(fact->text, t[1]));
        if (r < 0)
                status->error = r;
}

static int owners_append(sd_bus_message *reply, const struct stack_report *report) {
        char t[TEXT_MAX];
        int r;

        r = sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "s");
        for (size_t i = 0; r >= 0 && i < report->n_owners; i++)
                r = sd_bus_message_append(reply, "s", clean_text(report->owners[i], t));
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int stack_append(sd_bus_message *reply, const struct stack_report *report) {
        const struct radius *a = &report->radius;
        char t[TEXT_MAX];
        int r;

        if ((r = sd_bus_message_append(reply, "s", clean_text(report->domain, t))) < 0 ||
            (r = owners_append(reply, report)) < 0 ||
            (r = sd_bus_message_append(reply, "b(" BUS_RADIUS_TYPE ")", (int) report->complete,
                                       a->disks, a->partitions, a->volumes, a->filesystems,
                                       a->mounts, a->swaps)) < 0)
                return r;
        return sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "(" BUS_NODE_TYPE ")");
}

void bus_stack_begin(struct bus_status *status, const struct stack_report *report) {
        int r;

        assert(status && report);
        assert(!status->opened);

        if (status->error < 0)
                return;
        r = stack_append(status->reply, report);
        status->opened = r >= 0;
        if (r < 0)
                status->error = r;
}

void bus_node_add(struct bus_status *status, const struct node_report *node) {
        char t[5][TEXT_MAX];
        int r;

        assert(status && node);

        if (status->error < 0)
                return;
        assert(status->opened);

        r = sd_bus_message_append(status->reply, "(" BUS_NODE_TYPE ")", node->depth,
                                  clean_text(node->kind, t[0]), clean_text(node->name, t[1]),
                                  clean_text(node->text, t[2]), clean_text(node->note, t[3]),
                                  clean_text(node->number, t[4]), node->space, node->pid);
        if (r < 0)
                status->error = r;
}

void bus_plan_begin(struct bus_status *status, const char *rung, const char *refusal) {
        char t[2][TEXT_MAX];
        int r;

        assert(status && rung && refusal);
        assert(!status->opened);

        if (status->error < 0)
                return;
        r = sd_bus_message_append(status->reply, "ss", clean_text(rung, t[0]),
                                  clean_text(refusal, t[1]));
        if (r >= 0)
                r = sd_bus_message_open_container(status->reply, SD_BUS_TYPE_ARRAY, "s");
        status->opened = r >= 0;
        if (r < 0)
                status->error = r;
}

void bus_step_add(struct bus_status *status, const char *text) {
        char t[TEXT_MAX];
        int r;

        assert(status && text);

        if (status->error < 0)
                return;
        assert(status->opened);

        r = sd_bus_message_append(status->reply, "s", clean_text(text, t));
        if (r < 0)
                status->error = r;
}

static int method_status(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *reterr) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct bus_server *server = userdata;
        struct bus_status status = {};
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_append(reply, "st", server->version,
                                  server->ops->dropped(server->userdata));
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "(" BUS_DISK_TYPE ")");
        if (r < 0)
                return r;

        status.reply = reply;
        server->ops->status(server->userdata, &status);
        if (status.error < 0)
                return status.error;

        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        return sd_bus_send(NULL, reply, NULL);
}

static int reply_refused(sd_bus_message *m, const char *reason) {
        char t[TEXT_MAX];

        return sd_bus_reply_method_errorf(m, BUS_ERROR_REFUSED, "%s", clean_text(reason, t));
}

static int reply_no_such_disk(sd_bus_message *m) {
        return sd_bus_reply_method_errorf(m, BUS_ERROR_NO_SUCH_DISK,
                                          "no disk of that name is guarded");
}

/* What the client gets who asked for what the daemon did not do. */
static int reply_error(sd_bus_message *m, int error, const char *reason) {
        switch (error) {

        case -ENODEV:
                return reply_no_such_disk(m);

        case -EBUSY:
        case -EPERM:
        case -EINVAL:
                return reply_refused(m, reason);

        default:
                return error;
        }
}

/* The answer that was made, or what R says instead. */
static int reply_with(sd_bus_message *m, struct bus_status *status, int r, const char *reason) {
        if (r < 0)
                return reply_error(m, r, reason);
        if (status->error < 0)
                return status->error;

        r = sd_bus_message_close_container(status->reply);
        if (r < 0)
                return r;
        return sd_bus_send(NULL, status->reply, NULL);
}

static int method_show(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *reterr) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct bus_status status = { .show = true };
        struct bus_server *server = userdata;
        const char *disk;
        int r;

        r = sd_bus_message_read(m, "s", &disk);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;

        status.reply = reply;
        r = server->ops->show(server->userdata, disk, &status);
        if (r >= 0 && status.error >= 0)
                status.error = open_facts(&status);
        return reply_with(m, &status, r, "");
}

static int method_stack(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *reterr) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct bus_server *server = userdata;
        struct bus_status status = {};
        const char *disk;
        int domain, r;

        r = sd_bus_message_read(m, "sb", &disk, &domain);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;

        status.reply = reply;
        r = server->ops->stack(server->userdata, disk, domain, &status);
        return reply_with(m, &status, r, "");
}

void bus_policy_set(struct bus_status *status, const struct policy_report *policy) {
        int r;

        assert(status && policy);

        r = append_policy(status->reply, policy);
        if (r < 0)
                status->error = r;
}

static int method_policy(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *reterr) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct bus_server *server = userdata;
        struct bus_status status = {};
        const char *disk;
        int r;

        r = sd_bus_message_read(m, "s", &disk);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;

        status.reply = reply;
        r = server->ops->policy(server->userdata, disk, &status);
        if (r < 0)
                return reply_error(m, r, "");
        return status.error < 0 ? status.error : sd_bus_send(NULL, reply, NULL);
}

void bus_call_done(struct bus_call *call, const char *outcome, const char *text) {
        char o[TEXT_MAX], t[TEXT_MAX];

        assert(call && call->message);

        /* Fails when the client is gone; then there is nobody left to tell. */
        (void) sd_bus_reply_method_return(call->message, "ss", clean_text(outcome, o),
                                          clean_text(text, t));
        call->message = sd_bus_message_unref(call->message);
}

static struct bus_call *call_begin(struct bus_server *server, sd_bus_message *m) {
        for (size_t i = 0; i < ELEMENTSOF(server->calls); i++)
                if (!server->calls[i].message) {
                        server->calls[i].message = sd_bus_message_ref(m);
                        return &server->calls[i];
                }
        return NULL;
}

static int method_reset(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *reterr) {
        char reason[BUS_REASON_MAX] = "refused";
        const char *disk, *rung, *force;
        struct bus_server *server = userdata;
        struct bus_call *call;
        int r;

        r = sd_bus_message_read(m, "sss", &disk, &rung, &force);
        if (r < 0)
                return r;

        call = call_begin(server, m);
        if (!call)
                return reply_refused(m, "too many resets are under way already");

        r = server->ops->reset(server->userdata, disk, rung, force, call, reason);
        if (r >= 0)
                return 1; /* Answered later: bus_call_done(). */

        call->message = sd_bus_message_unref(call->message);
        return reply_error(m, r, reason);
}

static int method_plan(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *reterr) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        char reason[BUS_REASON_MAX] = "refused";
        const char *disk, *rung, *force;
        struct bus_server *server = userdata;
        struct bus_status status = {};
        int r;

        r = sd_bus_message_read(m, "sss", &disk, &rung, &force);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;

        status.reply = reply;
        r = server->ops->plan(server->userdata, disk, rung, force, &status, reason);
        return reply_with(m, &status, r, reason);
}

static int method_suppress(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *reterr) {
        char reason[BUS_REASON_MAX] = "refused";
        struct bus_server *server = userdata;
        const char *disk;
        uint64_t span;
        int r;

        r = sd_bus_message_read(m, "st", &disk, &span);
        if (r < 0)
                return r;
        if (span > BUS_SUPPRESS_MAX)
                return reply_refused(m, "acts can be suppressed for up to 7 days");
        r = server->ops->suppress(server->userdata, disk, span, reason);
        return r < 0 ? reply_error(m, r, reason) : sd_bus_reply_method_return(m, "");
}

/* UNPRIVILEGED: who may talk at all was decided when the connection was accepted. sd-bus would look
 * up the capabilities of the caller in /proc again, for each call. */
static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Status", SD_BUS_NO_ARGS,
                                SD_BUS_RESULT("s", version, "t", dropped,
                                              "a(" BUS_DISK_TYPE ")", disks),
                                method_status, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Show", SD_BUS_ARGS("s", disk),
                                SD_BUS_RESULT("(" BUS_DISK_TYPE ")", disk,
                                              "a(" BUS_SIGNAL_TYPE ")", signals,
                                              "a(" BUS_FACT_TYPE ")", facts),
                                method_show, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Stack", SD_BUS_ARGS("s", disk, "b", domain),
                                SD_BUS_RESULT("s", domain, "as", owners, "b", complete,
                                              "(" BUS_RADIUS_TYPE ")", radius,
                                              "a(" BUS_NODE_TYPE ")", nodes),
                                method_stack, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Policy", SD_BUS_ARGS("s", disk),
                                SD_BUS_RESULT("s", policy, "s", reason,
                                              "a(" BUS_VALUE_TYPE ")", values, "as", notes),
                                method_policy, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Reset", SD_BUS_ARGS("s", disk, "s", rung, "s", force),
                                SD_BUS_RESULT("s", outcome, "s", text),
                                method_reset, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Plan", SD_BUS_ARGS("s", disk, "s", rung, "s", force),
                                SD_BUS_RESULT("s", rung, "s", refusal, "as", steps),
                                method_plan, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Suppress", SD_BUS_ARGS("s", disk, "t", usec), SD_BUS_NO_RESULT,
                                method_suppress, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

const sd_bus_vtable *bus_methods(void) {
        return vtable;
}
