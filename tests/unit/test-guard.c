/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The guards: each alone, their order, what can be forced, and what each rung is kept from. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "agent/base/macro.h"
#include "agent/decide/guard.h"

/* A disk that hangs, with nothing in the way of any rung. */
static const struct policy willing = {
        .act = 1, .max_acts = 6, .acts_window = USEC_PER_HOUR, .boot_grace = USEC_PER_MINUTE,
        .blast_radius = REACH_DOMAIN, .if_siblings = SIBLINGS_RESET,
};
static const struct circumstances hung = { .hung = true, .up = USEC_PER_MINUTE };

static const enum step rungs[] = {
        STEP_LUN_RESET, STEP_TARGET_RESET, STEP_BUS_RESET, STEP_HOST_RESET, STEP_OFFLINE,
        STEP_CONTROLLER_RESET, STEP_CONTROLLER_FAIL, STEP_CONTROLLER_REMOVE,
};

struct obstacle {
        enum refusal refusal;
        struct policy policy;
        struct circumstances here;
};

/* What brings forth each refusal, and nothing else. */
static struct obstacle obstacle(enum refusal refusal) {
        struct obstacle o = { refusal, willing, hung };

        switch (refusal) {
        case REFUSAL_HELD:
                o.here.held = true;
                break;
        case REFUSAL_RECOVERING:
                o.here.recovering = true;
                break;
        case REFUSAL_SYMPTOM:
                o.here.hung = false;
                break;
        case REFUSAL_POLICY:
                o.policy.act = 0;
                break;
        case REFUSAL_SUPPRESSED:
                o.here.suppressed = true;
                break;
        case REFUSAL_GRACE:
                o.here.up = USEC_PER_MINUTE - 1;
                break;
        case REFUSAL_OWNER:
                o.here.owners = OWNER_BIT(OWNER_SBD);
                break;
        case REFUSAL_RADIUS:
                o.policy.blast_radius = REACH_TARGET;
                o.here.healthy[REACH_DOMAIN] = 1;
                break;
        case REFUSAL_SIBLINGS:
                o.policy.if_siblings = SIBLINGS_REPORT;
                o.here.healthy[REACH_DOMAIN] = 1;
                break;
        case REFUSAL_BUDGET:
                o.here.acts = 6;
                break;
        case REFUSAL_DRY_RUN:
                o.here.dry_run = true;
                break;
        default:
                break;
        }
        return o;
}

static bool can_be_forced(enum refusal refusal) {
        return refusal != REFUSAL_HELD && refusal != REFUSAL_RECOVERING &&
               refusal != REFUSAL_DRY_RUN;
}

static void test_nothing_in_the_way(_unused_ void **state) {
        for (size_t i = 0; i < ELEMENTSOF(rungs); i++)
                assert_int_equal(guard_check(&willing, &hung, rungs[i], 0), REFUSAL_NONE);
}

/* STEP_HOST_RESET is the one rung that all of them are about. */
static void test_each_alone(_unused_ void **state) {
        for (enum refusal r = REFUSAL_NONE + 1; r < _REFUSAL_MAX; r++) {
                struct obstacle o = obstacle(r);

                assert_int_equal(guard_check(&o.policy, &o.here, STEP_HOST_RESET, 0), r);
                /* What is forced is this one and no other. */
                assert_int_equal(guard_check(&o.policy, &o.here, STEP_HOST_RESET, ~BIT(r)), r);
                assert_int_equal(guard_check(&o.policy, &o.here, STEP_HOST_RESET, BIT(r)),
                                 can_be_forced(r) ? REFUSAL_NONE : r);
                assert_int_equal(guard_check(&o.policy, &o.here, STEP_HOST_RESET, UINT32_MAX),
                                 can_be_forced(r) ? REFUSAL_NONE : r);
        }
}

/* Of two that apply the first is told; when it is forced, the other. */
static void test_order(_unused_ void **state) {
        for (enum refusal a = REFUSAL_NONE + 1; a < _REFUSAL_MAX; a++)
                for (enum refusal b = a + 1; b < _REFUSAL_MAX; b++) {
                        struct obstacle x = obstacle(a), y = obstacle(b);
                        struct policy policy = x.policy;
                        struct circumstances here = x.here;

                        policy.act &= y.policy.act;
                        policy.if_siblings |= y.policy.if_siblings;
                        policy.blast_radius = MIN(x.policy.blast_radius, y.policy.blast_radius);
                        here.held |= y.here.held;
                        here.recovering |= y.here.recovering;
                        here.hung &= y.here.hung;
                        here.suppressed |= y.here.suppressed;
                        here.dry_run |= y.here.dry_run;
                        here.up = MIN(x.here.up, y.here.up);
                        here.owners |= y.here.owners;
                        here.acts |= y.here.acts;
                        here.healthy[REACH_DOMAIN] |= y.here.healthy[REACH_DOMAIN];
                        assert_int_equal(guard_check(&policy, &here, STEP_HOST_RESET, 0), a);
                        if (can_be_forced(a))
                                assert_int_equal(guard_check(&policy, &here, STEP_HOST_RESET,
                                                             BIT(a)),
                                                 b);
                }
}

static void test_limits(_unused_ void **state) {
        struct obstacle o = obstacle(REFUSAL_GRACE);

        o.here.up++;
        assert_int_equal(guard_check(&o.policy, &o.here, STEP_LUN_RESET, 0), REFUSAL_NONE);
        o = obstacle(REFUSAL_BUDGET);
        o.here.acts--;
        assert_int_equal(guard_check(&o.policy, &o.here, STEP_LUN_RESET, 0), REFUSAL_NONE);
        o = obstacle(REFUSAL_OWNER);
        o.policy.act_if_owned = 1;
        assert_int_equal(guard_check(&o.policy, &o.here, STEP_LUN_RESET, 0), REFUSAL_NONE);
        o = obstacle(REFUSAL_NONE);
        o.policy.dry_run = 1;
        assert_int_equal(guard_check(&o.policy, &o.here, STEP_LUN_RESET, 0), REFUSAL_DRY_RUN);
}

/* A rung is too wide when it reaches beyond BlastRadius= and there is somebody. */
static void test_radius(_unused_ void **state) {
        static const struct {
                enum step step;
                enum reach reach;
        } reaches[] = {
                { STEP_LUN_RESET, REACH_DISK }, { STEP_OFFLINE, REACH_DISK },
                { STEP_TARGET_RESET, REACH_TARGET }, { STEP_BUS_RESET, REACH_DOMAIN },
                { STEP_HOST_RESET, REACH_DOMAIN }, { STEP_CONTROLLER_RESET, REACH_DOMAIN },
                { STEP_CONTROLLER_FAIL, REACH_DOMAIN }, { STEP_CONTROLLER_REMOVE, REACH_DOMAIN },
        };

        for (size_t i = 0; i < ELEMENTSOF(reaches); i++)
                for (enum reach allowed = 0; allowed < _REACH_MAX; allowed++)
                        for (unsigned who = 0; who < 4; who++) {
                                struct obstacle o = obstacle(REFUSAL_NONE);
                                bool target = who & 1, domain = who != 0;
                                bool somebody = reaches[i].reach == REACH_TARGET ? target : domain;

                                o.policy.blast_radius = allowed;
                                o.here.healthy[REACH_TARGET] = target;
                                o.here.healthy[REACH_DOMAIN] = domain;
                                assert_int_equal(
                                        guard_check(&o.policy, &o.here, reaches[i].step, 0),
                                        reaches[i].reach > allowed && somebody ? REFUSAL_RADIUS
                                                                               : REFUSAL_NONE);
                        }
}

static void test_siblings(_unused_ void **state) {
        static const struct {
                uint64_t policy;
                enum refusal cure, fail;
        } orders[] = {
                { SIBLINGS_RESET, REFUSAL_NONE, REFUSAL_NONE },
                { SIBLINGS_FAIL_FIRST, REFUSAL_SIBLINGS, REFUSAL_NONE },
                { SIBLINGS_REPORT, REFUSAL_SIBLINGS, REFUSAL_SIBLINGS },
        };

        for (size_t i = 0; i < ELEMENTSOF(orders); i++)
                for (size_t k = 0; k < ELEMENTSOF(rungs); k++) {
                        struct obstacle o = obstacle(REFUSAL_NONE);
                        bool fails = rungs[k] == STEP_OFFLINE ||
                                     rungs[k] == STEP_CONTROLLER_FAIL ||
                                     rungs[k] == STEP_CONTROLLER_REMOVE;

                        o.policy.if_siblings = orders[i].policy;
                        assert_int_equal(guard_check(&o.policy, &o.here, rungs[k], 0),
                                         REFUSAL_NONE);
                        o.here.healthy[REACH_DOMAIN] = 1;
                        assert_int_equal(guard_check(&o.policy, &o.here, rungs[k], 0),
                                         fails ? orders[i].fail : orders[i].cure);
                }
}

/* A reset that never returns holds the domain, and is a reason for the fence; a shutdown of
 * filesystems freezes nobody and is no rung. */
static void test_no_rungs(_unused_ void **state) {
        for (enum refusal r = REFUSAL_NONE + 1; r < _REFUSAL_MAX; r++) {
                struct obstacle o = obstacle(r);
                bool rungs_only = r == REFUSAL_RADIUS || r == REFUSAL_SIBLINGS ||
                                  r == REFUSAL_BUDGET;

                assert_int_equal(guard_check(&o.policy, &o.here, STEP_FENCE, 0),
                                 rungs_only || r == REFUSAL_HELD || r == REFUSAL_SYMPTOM
                                         ? REFUSAL_NONE
                                         : r);
                assert_int_equal(guard_check(&o.policy, &o.here, STEP_FS_SHUTDOWN, 0),
                                 rungs_only ? REFUSAL_NONE : r);
        }
}

static void test_leave(_unused_ void **state) {
        const struct plan plan = {
                .cures = { STEP_LUN_RESET, STEP_TARGET_RESET, STEP_HOST_RESET }, .n_cures = 3,
                .fail = STEP_OFFLINE,
        };
        const struct plan none = {}, nvme = { .end = STEP_CONTROLLER_END };
        struct obstacle o = obstacle(REFUSAL_RADIUS);
        uint32_t rest = BIT(STEP_OFFLINE) | BIT(STEP_FS_SHUTDOWN) | BIT(STEP_FENCE);

        assert_int_equal(guard_leave(&willing, &plan, &hung),
                         rest | BIT(STEP_LUN_RESET) | BIT(STEP_TARGET_RESET) |
                                 BIT(STEP_HOST_RESET));
        assert_int_equal(guard_leave(&o.policy, &plan, &o.here),
                         rest | BIT(STEP_LUN_RESET) | BIT(STEP_TARGET_RESET));
        o = obstacle(REFUSAL_SIBLINGS);
        o.policy.if_siblings = SIBLINGS_FAIL_FIRST;
        assert_int_equal(guard_leave(&o.policy, &plan, &o.here), rest);
        o = obstacle(REFUSAL_HELD);
        assert_int_equal(guard_leave(&o.policy, &plan, &o.here), BIT(STEP_FENCE));
        o = obstacle(REFUSAL_DRY_RUN);
        assert_int_equal(guard_leave(&o.policy, &plan, &o.here), 0);
        assert_int_equal(guard_leave(&willing, &none, &hung),
                         BIT(STEP_FS_SHUTDOWN) | BIT(STEP_FENCE));

        /* What a reset that does not return holds up is no reason to leave that as it is. */
        o = obstacle(REFUSAL_HELD);
        o.here.recovering = true;
        o.here.hung = false;
        assert_true(guard_leave(&o.policy, &nvme, &o.here) & BIT(STEP_CONTROLLER_END));
        o.here.suppressed = true;
        assert_false(guard_leave(&o.policy, &nvme, &o.here) & BIT(STEP_CONTROLLER_END));
        o = obstacle(REFUSAL_POLICY);
        assert_false(guard_leave(&o.policy, &nvme, &o.here) & BIT(STEP_CONTROLLER_END));
}

static void test_names(_unused_ void **state) {
        for (enum refusal r = REFUSAL_NONE; r < _REFUSAL_MAX; r++) {
                const char *name = refusal_to_string(r);

                assert_true(strlen(refusal_to_text(r)) > 0);
                if (r != REFUSAL_NONE && can_be_forced(r))
                        assert_int_equal(refusal_from_string(name), r);
                else
                        assert_string_equal(name, "-");
        }
        assert_int_equal(refusal_from_string("-"), -EINVAL);
        assert_int_equal(refusal_from_string(""), -EINVAL);
        assert_int_equal(refusal_from_string("held"), -EINVAL);
        assert_int_equal(refusal_from_string("dry-run"), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing_in_the_way),
                cmocka_unit_test(test_each_alone),
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_radius),
                cmocka_unit_test(test_siblings),
                cmocka_unit_test(test_no_rungs),
                cmocka_unit_test(test_leave),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
