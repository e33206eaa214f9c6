/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <sys/uio.h>

/* Datagrams to another daemon's socket that never wait: libsystemd's own senders (sd_journal_send,
 * sd_notify) call sendmsg() without MSG_DONTWAIT and block when the receiver, stuck on the disk we
 * attend to, no longer reads (net.unix.max_dgram_qlen). */

/* Connects to the datagram socket at PATH; "@..." is an abstract one. Returns a file descriptor
 * that the caller owns, or a negative errno: -ENOENT, -ECONNREFUSED when nobody listens, -EINVAL
 * when the path does not fit. */
int dgram_connect(const char *path);

/* Sends one datagram. 0, or a negative errno: -EAGAIN when the receiver's queue is full, -ENOBUFS,
 * -EMSGSIZE, -ECONNREFUSED when the receiver went away (connect again). */
int dgram_send(int fd, const struct iovec *iov, size_t n);
