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

#include "agent/report/bus-internal.h"

/* Answers that wait for a client to read. One who asks without reading fills this and is dropped;
 * sd-bus by itself would keep 393216 of them. */
#define QUEUE_MAX 32

/* The sampler comes first, however busy the clients are. */
#define PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

/* accept() that fails for want of fds leaves the socket readable: this keeps that from becoming a
 * busy loop, and bounds what a client that connects without end can cost. */
#define ACCEPT_BURST 64

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
        r = sd_bus_add_object_vtable(bus, NULL, BUS_PATH, BUS_INTERFACE, bus_methods(), server);
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
