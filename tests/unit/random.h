/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/* Numbers that look random and come again with the same seed (splitmix64, Steele et al. 2014). */
struct random {
        uint64_t state;
};

static inline uint64_t random_u64(struct random *random) {
        uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        return z ^ z >> 31;
}

/* From MIN to MAX, both included. */
static inline uint64_t random_between(struct random *random, uint64_t min, uint64_t max) {
        uint64_t n = max - min + 1;

        return n > 0 ? min + random_u64(random) % n : random_u64(random);
}
