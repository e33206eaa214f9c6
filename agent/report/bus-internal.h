/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the sockets of the server (bus.c) and its methods (bus-methods.c) share. */

#include "agent/report/bus.h"

struct sd_bus;
struct sd_bus_message;
struct sd_bus_vtable;
struct sd_event_source;

struct connection {
        struct sd_bus *bus; /* NULL: free */
};

struct bus_call {
        struct sd_bus_message *message; /* NULL: free. Keeps its sd_bus alive, closed or not. */
};

struct bus_server {
        const char *version;
        const struct bus_ops *ops;
        void *userdata;
        sd_event *event;
        struct sd_event_source *listener;
        char *path; /* set once there is a socket to remove */
        int fd;
        struct connection connections[BUS_CONNECTIONS_MAX];
        struct bus_call calls[BUS_CALLS_MAX];
};

/* The methods, for sd_bus_add_object_vtable(); their userdata is the server. */
const struct sd_bus_vtable *bus_methods(void);
