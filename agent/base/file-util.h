/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Small files of the kernel: read and written through file descriptors that were opened before. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/base/macro.h"

/* Reads a whole attribute from its beginning into BUF, ends it with NUL and cuts the newline. Its
 * length, or a negative errno: -ENODEV when the device is gone, -EMSGSIZE when it does not fit. */
int read_attribute(int fd, char *buf, size_t size);

/* Opens NAME in DIRFD, reads it as above, closes it. */
int read_attribute_at(int dirfd, const char *name, char *buf, size_t size);

/* Reads an attribute that is one number, decimal or with 0x. 0, or a negative errno: as
 * read_attribute(), -EINVAL when it is no number, -ERANGE when it does not fit. */
int read_number(int fd, uint64_t *ret);

/* Writes TEXT into an attribute, at its beginning. 0 or a negative errno. May block as long as the
 * kernel lets it: some attributes act. */
int write_attribute(int fd, const char *text);

/* Writes N bytes at OFFSET, all of them. 0 or a negative errno. */
int pwrite_all(int fd, const void *data, size_t n, off_t offset);

/* Writes into BUF (of SIZE) the text with every space, tab, newline and backslash as \\ooo, as
 * /proc/self/mountinfo does. 0, or -ENOBUFS. */
int escape_octal(char *buf, size_t size, const char *text);

/* Undoes it, in place. */
void unescape_octal(char *text);

/* Writes into NAME (of SIZE) the kernel's name of the block device with this number, "sda1"; SYSFS
 * is where sysfs is mounted. 0, or a negative errno: -ENOENT when there is none, -ENAMETOOLONG. */
int block_device_name(const char *sysfs, dev_t device, char *name, size_t size) _must_check_;
