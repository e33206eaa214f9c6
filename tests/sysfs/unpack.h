/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Makes the tree again that a dump tells of; see README. */

#include <stdio.h>

#include "agent/base/macro.h"

/* Unpacks DUMP below the empty directory ROOT. Nothing is made or led to outside of it, whatever
 * the dump says: no path has "." or ".." in it or goes through a link, no link leads above ROOT.
 * 0; or -1 and *ret_error, a static text, and *ret_line, the number of the line at fault. */
int unpack(FILE *dump, const char *root, const char **ret_error, unsigned *ret_line) _must_check_;
