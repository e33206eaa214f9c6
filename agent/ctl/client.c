/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The socket is connected by hand rather than by sd_bus_set_address(), for its errors are what a
 * person has to be told: no daemon, not root, no answer. */

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>

#include "agent/base/time-util.h"
#include "agent/ctl/client-acts.h"
#include "agent/ctl/client-policy.h"
#include "agent/ctl/client.h"

struct client {
        sd_bus *bus;
};

struct client *client_free(struct client *client) {
        if (!client)
                return NULL;

        (void) sd_bus_close_unref(client->bus);
        free(client);
        return NULL;
}

static int socket_connect(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -EBADF;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);

        /* Non-blocking: connect() would wait for ever for a stopped daemon with a full backlog. */
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        return take_fd(&fd);
}

/* What sd-bus and the kernel say when the other side hangs up depends on who noticed it first. */
static int hung_up(int error) {
        switch (error) {

        case -ENOTCONN:
        case -EPIPE:
        case -ESHUTDOWN:
                return -ECONNRESET;

        default:
                return error;
        }
}

static int wait_until_ready(sd_bus *bus, usec_t deadline) {
        for (;;) {
                usec_t now;
                int r;

                r = sd_bus_is_ready(bus);
                if (r != 0)
                        return r < 0 ? hung_up(r) : 0;

                r = sd_bus_process(bus, NULL);
                if (r < 0)
                        return hung_up(r);
                if (r > 0)
                        continue;

                now = now_monotonic();
                if (now >= deadline)
                        return -ETIMEDOUT;
                r = sd_bus_wait(bus, deadline - now);
                if (r < 0 && r != -EINTR)
                        return hung_up(r);
        }
}

int client_connect(const char *path, usec_t timeout, struct client **ret) {
        _cleanup_(client_freep) struct client *client = NULL;
        usec_t deadline = now_monotonic() + timeout;
        _cleanup_close_ int fd = -EBADF;
        int r;

        assert(path && ret);

        fd = socket_connect(path);
        if (fd < 0)
                return fd;

        client = calloc(1, sizeof(*client));
        if (!client)
                return -ENOMEM;
        r = sd_bus_new(&client->bus);
        if (r < 0)
                return r;
        r = sd_bus_set_fd(client->bus, fd, fd);
        if (r < 0)
                return r;
        (void) take_fd(&fd);
        r = sd_bus_start(client->bus);
        if (r < 0)
                return hung_up(r);
        r = wait_until_ready(client->bus, deadline);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(client);
        return 0;
}

static int read_disk(sd_bus_message *m, struct disk_report *ret) {
        return sd_bus_message_read(m, "(" BUS_DISK_TYPE ")", &ret->name, &ret->driver,
                                   &ret->address, &ret->serial, &ret->state, &ret->symptom,
                                   &ret->outstanding, &ret->detail, &ret->quiet, &ret->limit,
                                   &ret->last_act, &ret->last_outcome, &ret->last_ago,
                                   &ret->mounts);
}

static int read_disks(sd_bus_message *m, struct disk_report **ret, size_t *ret_n) {
        _cleanup_free_ struct disk_report *disks = NULL;
        size_t n = 0;
        int r;

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "(" BUS_DISK_TYPE ")");
        if (r < 0)
                return -EPROTO;
        for (;;) {
                struct disk_report disk, *grown;

                r = read_disk(m, &disk);
                if (r < 0)
                        return -EPROTO;
                if (r == 0)
                        break;

                grown = reallocarray(disks, n + 1, sizeof(*disks));
                if (!grown)
                        return -ENOMEM;
                disks = grown;
                disks[n++] = disk;
        }
        *ret = TAKE_PTR(disks);
        *ret_n = n;
        return 0;
}

/* What a failed call means: a D-Bus error that says "unknown" comes from another version. */
static int call_error(int r, const sd_bus_error *error) {
        if (sd_bus_error_has_names(error, SD_BUS_ERROR_UNKNOWN_METHOD, SD_BUS_ERROR_UNKNOWN_OBJECT,
                                   SD_BUS_ERROR_UNKNOWN_INTERFACE, SD_BUS_ERROR_INVALID_ARGS))
                return -EPROTO;
        return hung_up(r);
}

/* Calls a method with the arguments of TYPES. Returns CLIENT_ENDED and the answer; CLIENT_REFUSED
 * and the reason, owned by the caller; -ENODEV: there is no such disk; or another errno. */
static int call(struct client *client, usec_t timeout, sd_bus_message **ret, char **ret_reason,
                const char *member, const char *types, ...) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        va_list ap;
        int r;

        r = sd_bus_message_new_method_call(client->bus, &m, NULL, BUS_PATH, BUS_INTERFACE, member);
        if (r < 0)
                return hung_up(r);
        va_start(ap, types);
        r = sd_bus_message_appendv(m, types, ap);
        va_end(ap);
        if (r < 0)
                return r;
        r = sd_bus_call(client->bus, m, timeout, &error, ret);
        if (sd_bus_error_has_name(&error, BUS_ERROR_NO_SUCH_DISK))
                return -ENODEV;
        if (sd_bus_error_has_name(&error, BUS_ERROR_REFUSED) && ret_reason) {
                *ret_reason = strdup(error.message ?: error.name);
                return *ret_reason ? CLIENT_REFUSED : -ENOMEM;
        }
        return r < 0 ? call_error(r, &error) : CLIENT_ENDED;
}

int client_status(struct client *client, usec_t timeout, struct client_status *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        struct client_status status = {};
        int r;

        assert(client && ret);

        r = call(client, timeout, &answer, NULL, "Status", "");
        if (r < 0)
                return r;
        r = sd_bus_message_read(answer, "st", &status.version, &status.dropped);
        if (r < 0)
                return -EPROTO;
        r = read_disks(answer, &status.disks, &status.n_disks);
        if (r < 0)
                return r;

        status.answer = TAKE_PTR(answer);
        *ret = status;
        return 0;
}

void client_status_done(struct client_status *status) {
        assert(status);

        free(status->disks);
        (void) sd_bus_message_unref(status->answer);
        *status = (struct client_status) {};
}

static int read_signals(sd_bus_message *m, struct signal_report **ret, size_t *ret_n) {
        _cleanup_free_ struct signal_report *signals = NULL;
        size_t n = 0;
        int r;

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "(" BUS_SIGNAL_TYPE ")");
        if (r < 0)
                return -EPROTO;
        for (;;) {
                struct signal_report signal = {}, *grown;
                int missing;

                r = sd_bus_message_read(m, "(" BUS_SIGNAL_TYPE ")", &signal.name, &signal.text,
                                        &missing);
                if (r < 0)
                        return -EPROTO;
                if (r == 0)
                        break;
                signal.missing = missing;

                grown = reallocarray(signals, n + 1, sizeof(*signals));
                if (!grown)
                        return -ENOMEM;
                signals = grown;
                signals[n++] = signal;
        }
        *ret = TAKE_PTR(signals);
        *ret_n = n;
        return 0;
}

static int read_facts(sd_bus_message *m, struct fact_report **ret, size_t *ret_n) {
        _cleanup_free_ struct fact_report *facts = NULL;
        size_t n = 0;
        int r;

        r = sd_bus_message_exit_container(m);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "(" BUS_FACT_TYPE ")");
        if (r <= 0)
                return -EPROTO;
        for (;;) {
                struct fact_report fact = {}, *grown;

                r = sd_bus_message_read(m, "(" BUS_FACT_TYPE ")", &fact.name, &fact.text);
                if (r < 0)
                        return -EPROTO;
                if (r == 0)
                        break;

                grown = reallocarray(facts, n + 1, sizeof(*facts));
                if (!grown)
                        return -ENOMEM;
                facts = grown;
                facts[n++] = fact;
        }
        *ret = TAKE_PTR(facts);
        *ret_n = n;
        return 0;
}

int client_show(struct client *client, const char *disk, usec_t timeout, struct client_show *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        _cleanup_(client_show_done) struct client_show show = {};
        int r;

        assert(client && disk && ret);

        r = call(client, timeout, &answer, NULL, "Show", "s", disk);
        if (r < 0)
                return r;
        /* 0: the answer ends before the disk. */
        if (read_disk(answer, &show.disk) <= 0)
                return -EPROTO;
        if ((r = read_signals(answer, &show.signals, &show.n_signals)) < 0 ||
            (r = read_facts(answer, &show.facts, &show.n_facts)) < 0)
                return r;

        show.answer = TAKE_PTR(answer);
        *ret = show;
        show = (struct client_show) {};
        return 0;
}

void client_show_done(struct client_show *show) {
        assert(show);

        free(show->signals);
        free(show->facts);
        (void) sd_bus_message_unref(show->answer);
        *show = (struct client_show) {};
}

static int read_nodes(sd_bus_message *m, struct node_report **ret, size_t *ret_n) {
        _cleanup_free_ struct node_report *nodes = NULL;
        size_t n = 0;
        int r;

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "(" BUS_NODE_TYPE ")");
        if (r < 0)
                return -EPROTO;
        for (;;) {
                struct node_report node = {}, *grown;

                r = sd_bus_message_read(m, "(" BUS_NODE_TYPE ")", &node.depth, &node.kind,
                                        &node.name, &node.text, &node.note, &node.number,
                                        &node.space, &node.pid);
                if (r < 0)
                        return -EPROTO;
                if (r == 0)
                        break;

                grown = reallocarray(nodes, n + 1, sizeof(*nodes));
                if (!grown)
                        return -ENOMEM;
                nodes = grown;
                nodes[n++] = node;
        }
        *ret = TAKE_PTR(nodes);
        *ret_n = n;
        return 0;
}

static int read_owners(sd_bus_message *m, struct client_stack *stack) {
        int r;

        r = sd_bus_message_read_strv(m, &stack->owners);
        if (r < 0)
                return r == -ENOMEM ? r : -EPROTO;
        stack->report.owners = (const char *const *) stack->owners;
        while (stack->owners && stack->owners[stack->report.n_owners])
                stack->report.n_owners++;
        return 0;
}

static int read_stack(sd_bus_message *m, struct client_stack *stack) {
        struct radius *a = &stack->report.radius;
        int r, complete;

        if (sd_bus_message_read(m, "s", &stack->report.domain) <= 0)
                return -EPROTO;
        r = read_owners(m, stack);
        if (r < 0)
                return r;
        if (sd_bus_message_read(m, "b(" BUS_RADIUS_TYPE ")", &complete, &a->disks, &a->partitions,
                                &a->volumes, &a->filesystems, &a->mounts, &a->swaps) <= 0)
                return -EPROTO;
        stack->report.complete = complete;
        return read_nodes(m, &stack->nodes, &stack->n_nodes);
}

int client_stack(struct client *client, const char *disk, bool domain, usec_t timeout,
                 struct client_stack *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        _cleanup_(client_stack_done) struct client_stack stack = {};
        int r;

        assert(client && disk && ret);

        r = call(client, timeout, &answer, NULL, "Stack", "sb", disk, (int) domain);
        if (r < 0)
                return r;
        r = read_stack(answer, &stack);
        if (r < 0)
                return r;

        stack.answer = TAKE_PTR(answer);
        *ret = stack;
        stack = (struct client_stack) {};
        return 0;
}

void client_stack_done(struct client_stack *stack) {
        assert(stack);

        for (size_t i = 0; stack->owners && stack->owners[i]; i++)
                free(stack->owners[i]);
        free(stack->owners);
        free(stack->nodes);
        (void) sd_bus_message_unref(stack->answer);
        *stack = (struct client_stack) {};
}

static int read_values(sd_bus_message *m, struct client_policy *policy) {
        int r;

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "(" BUS_VALUE_TYPE ")");
        if (r < 0)
                return -EPROTO;
        for (size_t n = 0;; policy->report.n_values = ++n) {
                struct value_report value, *grown;

                r = sd_bus_message_read(m, "(" BUS_VALUE_TYPE ")", &value.section, &value.key,
                                        &value.value, &value.origin);
                if (r < 0)
                        return -EPROTO;
                if (r == 0)
                        break;
                grown = reallocarray(policy->values, n + 1, sizeof(*grown));
                if (!grown)
                        return -ENOMEM;
                policy->values = grown;
                grown[n] = value;
        }
        policy->report.values = policy->values;
        return sd_bus_message_exit_container(m) < 0 ? -EPROTO : 0;
}

static int read_notes(sd_bus_message *m, struct client_policy *policy) {
        int r;

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "s");
        if (r < 0)
                return -EPROTO;
        for (size_t n = 0;; policy->report.n_notes = ++n) {
                const char *note, **grown;

                r = sd_bus_message_read(m, "s", &note);
                if (r < 0)
                        return -EPROTO;
                if (r == 0)
                        break;
                grown = reallocarray(policy->notes, n + 1, sizeof(*grown));
                if (!grown)
                        return -ENOMEM;
                policy->notes = grown;
                grown[n] = note;
        }
        policy->report.notes = policy->notes;
        return 0;
}

int client_policy(struct client *client, const char *disk, usec_t timeout,
                  struct client_policy *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(client_policy_done) struct client_policy policy = {};
        int r;

        assert(client && disk && ret);

        r = sd_bus_message_new_method_call(client->bus, &call, NULL, BUS_PATH, BUS_INTERFACE,
                                           "Policy");
        if (r < 0)
                return hung_up(r);
        r = sd_bus_message_append(call, "s", disk);
        if (r < 0)
                return r;
        r = sd_bus_call(client->bus, call, timeout, &error, &policy.answer);
        if (sd_bus_error_has_name(&error, BUS_ERROR_NO_SUCH_DISK))
                return -ENODEV;
        if (r < 0)
                return call_error(r, &error);

        if (sd_bus_message_read(policy.answer, "ss", &policy.report.policy,
                                &policy.report.reason) <= 0)
                return -EPROTO;
        if ((r = read_values(policy.answer, &policy)) < 0 ||
            (r = read_notes(policy.answer, &policy)) < 0)
                return r;

        *ret = policy;
        policy = (struct client_policy) {};
        return 0;
}

void client_policy_done(struct client_policy *policy) {
        assert(policy);

        free(policy->values);
        free(policy->notes);
        (void) sd_bus_message_unref(policy->answer);
        *policy = (struct client_policy) {};
}

static bool named(const char *disk, char *const *names, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(disk, names[i]) == 0)
                        return true;
        return false;
}

const char *client_status_select(struct client_status *status, char *const *names, size_t n) {
        size_t kept = 0;

        assert(status && (names || n == 0));

        for (size_t i = 0; i < status->n_disks; i++)
                if (named(status->disks[i].name, names, n))
                        status->disks[kept++] = status->disks[i];
        status->n_disks = kept;

        for (size_t i = 0; i < n; i++) {
                size_t j = 0;

                while (j < kept && strcmp(status->disks[j].name, names[i]) != 0)
                        j++;
                if (j == kept)
                        return names[i];
        }
        return NULL;
}

int client_reset(struct client *client, const char *disk, const char *rung, const char *force,
                 usec_t timeout, struct client_reset *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        _cleanup_(client_reset_done) struct client_reset reset = {};
        const char *outcome, *text;
        int r;

        assert(client && disk && rung && force && ret);

        r = call(client, timeout, &answer, &reset.text, "Reset", "sss", disk, rung, force);
        if (r < 0)
                return r;
        if (r == CLIENT_ENDED) {
                if (sd_bus_message_read(answer, "ss", &outcome, &text) <= 0)
                        return -EPROTO;
                reset.outcome = strdup(outcome);
                reset.text = strdup(text);
                if (!reset.outcome || !reset.text)
                        return -ENOMEM;
        }
        *ret = reset;
        reset = (struct client_reset) {};
        return r;
}

void client_reset_done(struct client_reset *reset) {
        assert(reset);

        free(reset->outcome);
        free(reset->text);
        *reset = (struct client_reset) {};
}

int client_plan(struct client *client, const char *disk, const char *rung, const char *force,
                usec_t timeout, struct client_plan *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        _cleanup_(client_plan_done) struct client_plan plan = {};
        int r;

        assert(client && disk && rung && force && ret);

        r = call(client, timeout, &answer, &plan.text, "Plan", "sss", disk, rung, force);
        if (r < 0)
                return r;
        if (r == CLIENT_ENDED &&
            (sd_bus_message_read(answer, "ss", &plan.rung, &plan.refusal) <= 0 ||
             sd_bus_message_read_strv(answer, &plan.steps) < 0))
                return -EPROTO;
        plan.answer = TAKE_PTR(answer);
        *ret = plan;
        plan = (struct client_plan) {};
        return r;
}

void client_plan_done(struct client_plan *plan) {
        assert(plan);

        for (size_t i = 0; plan->steps && plan->steps[i]; i++)
                free(plan->steps[i]);
        free(plan->steps);
        free(plan->text);
        (void) sd_bus_message_unref(plan->answer);
        *plan = (struct client_plan) {};
}

int client_suppress(struct client *client, const char *disk, usec_t span, usec_t timeout,
                    struct client_reset *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;

        assert(client && disk && ret);

        *ret = (struct client_reset) {};
        return call(client, timeout, &answer, &ret->text, "Suppress", "st", disk, span);
}
