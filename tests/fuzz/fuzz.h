/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a fuzzer is made of. Built with libFuzzer it runs by itself; built with fuzz-main.c it runs
 * the files that are given to it, which is how the corpus becomes a test. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Ends the run, with NDEBUG too, when what must hold does not. */
#define demand(what)                                                                     \
        do {                                                                             \
                if (!(what)) {                                                           \
                        (void) fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
                        abort();                                                         \
                }                                                                        \
        } while (0)

/* Tries one input; always returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
