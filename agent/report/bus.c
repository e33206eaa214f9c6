/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One listening socket; per client one sd_bus that speaks as a server. The rule for all of it: the
 * daemon owes a client nothing. Where sd-bus could wait for a client (flush, exit) or read about it
 * (credentials from /proc, which can hang on a process in D), it is told not to. */

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "agent/report/bus-append.h"
#include "agent/report/bus.h"

/* Answers that wait for a client to read. One who asks without reading fills this and is dropped;
 * sd-bus by itself would keep 393216 of them. */
#define QUEUE_MAX 32

/* The sampler comes first, however busy the clients are. */
#define PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

/* accept() that fails for want of fds leaves the socket readable: this keeps that from becoming a
 * busy loop, and bounds what a client that connects without end can cost. */
#define ACCEPT_BURST 64

struct connection {
        sd_bus *bus; /* NULL: free */
};

struct bus_call {
        sd_bus_message *message; /* NULL: free. Keeps its sd_bus alive, closed or not. */
};

struct bus_status {
        sd_bus_message *reply;
        int error;   /* the first one */
        bool show;   /* the answer to Show(): one disk, then its signals */
        bool opened; /* the array at its end is: what is in that may follow */
};

struct bus_server {
        const char *version;
        const struct bus_ops *ops;
        void *userdata;
        sd_event *event;
        sd_event_source *listener;
        char *path; /* set once there is a socket to remove */
        int fd;
        struct connection connections[BUS_CONNECTIONS_MAX];
        struct bus_call calls[BUS_CALLS_MAX];
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
        assert(status->opened);

        r = sd_bus_message_append(status->reply, "(" BUS_SIGNAL_TYPE ")",
                                  clean_text(signal->name, t[0]), clean_text(signal->text, t[1]),
                                  (int) signal->missing);
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

static int reply_no_such_disk(sd_bus_message *m) {
        return sd_bus_reply_method_errorf(m, BUS_ERROR_NO_SUCH_DISK,
                                          "no disk of that name is guarded");
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
        if (r == -ENODEV)
                return reply_no_such_disk(m);
        if (r < 0)
                return r;
        if (status.error < 0)
                return status.error;

        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        return sd_bus_send(NULL, reply, NULL);
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
        if (r == -ENODEV)
                return reply_no_such_disk(m);
        if (r < 0)
                return r;
        if (status.error < 0)
                return status.error;

        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        return sd_bus_send(NULL, reply, NULL);
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
        if (r == -ENODEV)
                return reply_no_such_disk(m);
        if (r < 0 || status.error < 0)
                return r < 0 ? r : status.error;
        return sd_bus_send(NULL, reply, NULL);
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

static int reply_refused(sd_bus_message *m, const char *reason) {
        char t[TEXT_MAX];

        return sd_bus_reply_method_errorf(m, BUS_ERROR_REFUSED, "%s", clean_text(reason, t));
}

static int method_reset(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *reterr) {
        struct bus_server *server = userdata;
        const char *disk, *reason = "refused";
        struct bus_call *call;
        int force, r;

        r = sd_bus_message_read(m, "sb", &disk, &force);
        if (r < 0)
                return r;

        call = call_begin(server, m);
        if (!call)
                return reply_refused(m, "too many resets are under way already");

        r = server->ops->reset(server->userdata, disk, force, call, &reason);
        if (r >= 0)
                return 1; /* Answered later: bus_call_done(). */

        call->message = sd_bus_message_unref(call->message);
        switch (r) {

        case -ENODEV:
                return reply_no_such_disk(m);

        case -EBUSY:
        case -EPERM:
                return reply_refused(m, reason);

        default:
                return r;
        }
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
                                              "a(" BUS_SIGNAL_TYPE ")", signals),
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
        SD_BUS_METHOD_WITH_ARGS("Reset", SD_BUS_ARGS("s", disk, "b", force),
                                SD_BUS_RESULT("s", outcome, "s", text),
                                method_reset, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static void connection_close(struct connection *c) {
        /* Not the flush that usually goes before: it would wait for a client that does not read. */
        c->bus = sd_bus_close_unref(c->bus);
}

/* Sees every message before anybody answers it, also those that sd-bus answers by itself. */
static int on_message(_unused_ sd_bus_message *m, void *userdata, _unused_ sd_bus_error *reterr) {
        struct connection *c = userdata;
        uint64_t n;

        if (sd_bus_get_n_queued_write(c->bus, &n) >= 0 && n <= QUEUE_MAX)
                return 0;

        connection_close(c);
        return 1;
}

static int on_disconnected(_unused_ sd_bus_message *m, void *userdata,
                           _unused_ sd_bus_error *reterr) {
        connection_close(userdata);
        return 0;
}

static int connection_attach(struct connection *c, struct bus_server *server, sd_bus *bus) {
        int r;

        r = sd_bus_match_signal(bus, NULL, "org.freedesktop.DBus.Local",
                                "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                "Disconnected", on_disconnected, c);
        if (r < 0)
                return r;
        r = sd_bus_add_filter(bus, NULL, on_message, c);
        if (r < 0)
                return r;
        r = sd_bus_add_object_vtable(bus, NULL, BUS_PATH, BUS_INTERFACE, vtable, server);
        if (r < 0)
                return r;
        return sd_bus_attach_event(bus, server->event, PRIORITY);
}

/* Takes *fd over on success. */
static int connection_open(struct connection *c, struct bus_server *server, int *fd) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        sd_id128_t id;
        int r;

        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_id128_randomize(&id);
        if (r < 0)
                return r;
        r = sd_bus_set_server(bus, true, id);
        if (r < 0)
                return r;
        /* Descriptors sent along would be kept open by us. */
        r = sd_bus_negotiate_fds(bus, false);
        if (r < 0)
                return r;
        /* On exit of the loop sd-bus would flush, and so wait. */
        r = sd_bus_set_close_on_exit(bus, false);
        if (r < 0)
                return r;
        r = sd_bus_set_fd(bus, *fd, *fd);
        if (r < 0)
                return r;
        (void) take_fd(fd);

        r = sd_bus_start(bus);
        if (r < 0)
                return r;
        r = connection_attach(c, server, bus);
        if (r < 0)
                return r;

        c->bus = TAKE_PTR(bus);
        return 0;
}

/* The mode of the socket says it already, unless somebody changed it. Our own uid is root's but in
 * tests. */
static bool peer_allowed(int fd) {
        struct ucred peer;
        socklen_t n = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
                return false;
        return peer.uid == 0 || peer.uid == geteuid();
}

static struct connection *connection_find_free(struct bus_server *server) {
        for (size_t i = 0; i < ELEMENTSOF(server->connections); i++)
                if (!server->connections[i].bus)
                        return &server->connections[i];
        return NULL;
}

/* Never fails: sd-event would switch the listener off for good. Who is not let in finds the
 * connection closed. */
static int on_connect(_unused_ sd_event_source *source, int fd, _unused_ uint32_t revents,
                      void *userdata) {
        struct bus_server *server = userdata;
        struct connection *c;
        _cleanup_close_ int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (client < 0 || !peer_allowed(client))
                return 0;

        c = connection_find_free(server);
        if (c)
                (void) connection_open(c, server, &client);
        return 0;
}

static int socket_bind(int fd, const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);

        /* Whether anybody answers there is not asked: a stuck executor of a daemon that died may
         * still hold the old socket, and must not keep us from starting. */
        if (unlink(path) < 0 && errno != ENOENT)
                return -errno;

        /* On the descriptor and before bind(): never a moment with more rights than these. */
        if (fchmod(fd, 0600) < 0)
                return -errno;
        if (bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        return 0;
}

static int server_listen(struct bus_server *server, const char *path) {
        int r;

        server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (server->fd < 0)
                return -errno;
        r = socket_bind(server->fd, path);
        if (r < 0)
                return r;
        server->path = strdup(path);
        if (!server->path) {
                (void) unlink(path);
                return -ENOMEM;
        }
        if (listen(server->fd, SOMAXCONN) < 0)
                return -errno;

        r = sd_event_add_io(server->event, &server->listener, server->fd, EPOLLIN, on_connect,
                            server);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(server->listener, "bus-listener");
        r = sd_event_source_set_priority(server->listener, PRIORITY);
        if (r < 0)
                return r;
        return sd_event_source_set_ratelimit(server->listener, USEC_PER_SEC, ACCEPT_BURST);
}

int bus_server_new(sd_event *event, const struct bus_config *config, struct bus_server **ret) {
        _cleanup_(bus_server_freep) struct bus_server *server = NULL;
        int r;

        assert(event && config && ret);
        assert(config->path && config->version && config->ops);

        server = calloc(1, sizeof(*server));
        if (!server)
                return -ENOMEM;
        server->fd = -EBADF;
        server->version = config->version;
        server->ops = config->ops;
        server->userdata = config->userdata;
        server->event = sd_event_ref(event);

        r = server_listen(server, config->path);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(server);
        return 0;
}

struct bus_server *bus_server_free(struct bus_server *server) {
        if (!server)
                return NULL;

        for (size_t i = 0; i < ELEMENTSOF(server->calls); i++)
                (void) sd_bus_message_unref(server->calls[i].message);
        for (size_t i = 0; i < ELEMENTSOF(server->connections); i++)
                connection_close(&server->connections[i]);
        (void) sd_event_source_disable_unref(server->listener);
        (void) sd_event_unref(server->event);
        (void) safe_close(server->fd);
        if (server->path)
                (void) unlink(server->path);
        free(server->path);
        free(server);
        return NULL;
}
