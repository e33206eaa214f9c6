/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "tests/unit/ladder-world.h"

/* All ways through the machine at once: breadth first, every event in every state that can be
 * reached, until nothing new comes. A deadline is only passed or not passed. What must hold at each
 * step is written down here a second time, from the words of the design and not from the table of
 * ladder.c. */

#define EVENTS_MAX 512
#define NODES_MAX (1U << 16)
#define KEYS (1U << 25)

struct node {
        struct world world;
        uint32_t parent, depth;
        uint16_t event;
        bool good;
};

struct search {
        const struct policy *policy;
        bool can_act;
        struct event events[EVENTS_MAX];
        size_t n_events;
        struct node nodes[NODES_MAX];
        uint32_t n_nodes;
        uint32_t index[KEYS]; /* of the node, plus one */
};

/* ---- events ---- */

static void add_symptoms(struct search *search, struct event event) {
        for (int bits = 0; bits < 4; bits++) {
                event.may_act = bits & 1;
                event.late = bits & 2;
                assert_true(search->n_events < EVENTS_MAX);
                search->events[search->n_events++] = event;
        }
}

/* What lasts while other I/O goes on. */
static void add_others(struct search *search, bool progress) {
        static const enum symptom_kind kinds[] = { SYMPTOM_STUCK_REQUEST, SYMPTOM_SATURATED };
        const struct policy *p = search->policy;

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                for (int reached = 0; reached < 2; reached++)
                        add_symptoms(search, (struct event) {
                                .symptom = { .kind = kinds[i], .reached = reached,
                                             .lasts = reached ? p->stall : p->warn,
                                             .outstanding = 8, .progress = progress },
                        });
}

static void add_observations(struct search *search) {
        const struct policy *p = search->policy;
        const usec_t quiets[] = { 0, p->warn, p->settle, p->stall, p->stall + p->settle };

        for (uint32_t n = 0; n < 2; n++) /* held, with and without work outstanding */
                add_symptoms(search, (struct event) { .symptom = { .held = true,
                                                                   .outstanding = n } });
        for (int reached = 0; reached < 2; reached++)
                add_symptoms(search, (struct event) {
                        .symptom = { .kind = SYMPTOM_CONTROLLER_STUCK, .reached = reached,
                                     .lasts = reached ? p->stall : p->warn, .held = true },
                });
        for (int left = 0; left < 2; left++) /* not the whole window, and the whole */
                add_symptoms(search, (struct event) {
                        .symptom = { .left = p->settle - !left, .outstanding = 8 },
                });
        for (int progress = 0; progress < 2; progress++) {
                add_symptoms(search, (struct event) { .symptom = { .progress = progress } });
                add_others(search, progress);
                for (size_t i = 0; i < ELEMENTSOF(quiets); i++)
                        add_symptoms(search, (struct event) {
                                .symptom = {
                                        .kind = quiets[i] >= p->warn ? SYMPTOM_STALLED
                                                                     : SYMPTOM_NONE,
                                        .reached = quiets[i] >= p->stall,
                                        .lasts = quiets[i] >= p->warn ? quiets[i] : 0,
                                        .quiet = quiets[i],
                                        .outstanding = 8,
                                        .progress = progress,
                                },
                        });
        }
}

static void add(struct search *search, struct event event) {
        assert_true(search->n_events < EVENTS_MAX);
        search->events[search->n_events++] = event;
}

static void add_events(struct search *search) {
        static const int errors[] = { 0, -EIO, -EAGAIN, -EINVAL, -EBUSY, -EPIPE };

        add_observations(search);
        for (int step = STEP_NONE + 1; step < _STEP_MAX; step++)
                for (size_t i = 0; i < ELEMENTSOF(errors); i++)
                        add(search, (struct event) { .kind = KIND_RETURNED,
                                                     .step = (enum step) step,
                                                     .error = errors[i] });
        for (int i = 0; i < 2; i++)
                add(search, (struct event) { .kind = KIND_KILLED, .in_time = i });
        for (int i = FOOTING_NONE; i <= FOOTING_SYSTEM; i++)
                add(search, (struct event) { .kind = KIND_FOOTING, .footing = (enum footing) i });
        add(search, (struct event) { .kind = KIND_REQUEST });
        add(search, (struct event) { .kind = KIND_GIVEN_UP });
        add(search, (struct event) { .kind = KIND_SHIFT });
}

/* ---- failures are told with the way that led to them ---- */

static void print_way(const struct search *search, uint32_t node) {
        const struct node *n = search->nodes + node;

        if (node > 0) {
                print_way(search, n->parent);
                print_event(search->events + n->event);
        }
        print_world(&n->world);
}

/* One step of the search, for the checks to speak of. */
struct move {
        const struct search *search;
        uint32_t from;
        const struct world *before, *after;
        const struct event *event;
        bool changed; /* what the ladder said */
};

_Noreturn static void violated(const struct move *m, const char *what) {
        print_way(m->search, m->from);
        print_event(m->event);
        print_world(m->after);
        fail_msg("%s", what);
        abort(); /* not reached */
}

#define must(m, what, expression)               \
        do {                                    \
                if (!(expression))              \
                        violated((m), (what));  \
        } while (0)

/* ---- what must hold ---- */

static enum step owned_step(enum incident_state state) {
        switch (state) {
        case INCIDENT_ACTING:
                return STEP_LUN_RESET;
        case INCIDENT_VERIFYING:
                return STEP_PROBE;
        case INCIDENT_OFFLINING:
                return STEP_OFFLINE;
        case INCIDENT_SHUTTING:
                return STEP_FS_SHUTDOWN;
        case INCIDENT_UNMOUNTING:
                return STEP_FS_UMOUNT;
        case INCIDENT_RETURNING:
                return STEP_RUNNING;
        case INCIDENT_MOUNTING:
                return STEP_FS_MOUNT;
        default:
                return STEP_NONE;
        }
}

static bool is_filesystem_state(enum incident_state s) {
        return s == INCIDENT_SHUTTING || s == INCIDENT_UNMOUNTING || s == INCIDENT_BUSY ||
               s == INCIDENT_MOUNTING;
}

static void check_state(const struct move *m) {
        const struct world *w = m->after;
        const struct ladder *l = &w->ladder;

        must(m, "a step is asked for in the state that owns it, and nowhere else",
             l->step == owned_step(l->state));
        must(m, "only a step can be overdue, and nothing follows by time then",
             !l->overdue || (l->step != STEP_NONE && l->deadline == USEC_INFINITY));
        must(m, "a step has a deadline, until that has passed",
             l->step == STEP_NONE || l->overdue || l->deadline != USEC_INFINITY);
        must(m, "a disk that the system runs from is never failed",
             w->footing != FOOTING_SYSTEM ||
                     (l->state != INCIDENT_OFFLINING && !is_filesystem_state(l->state) &&
                      !w->offline));
        must(m, "where nothing is mounted, nothing is done to filesystems",
             w->footing != FOOTING_NONE || !is_filesystem_state(l->state));
        must(m, "filesystems are ended only after the rung offline, and on an offline disk",
             (l->state != INCIDENT_SHUTTING && l->state != INCIDENT_UNMOUNTING &&
              l->state != INCIDENT_BUSY) || (l->act == STEP_OFFLINE && is_offline(w)));
        must(m, "what is healthy is not offline, and nothing is kept of the incident",
             l->state != INCIDENT_HEALTHY ||
                     (!w->offline && !l->failed && l->backoff == 10 * S));
        must(m, "the wait between tries is from 10 s to 5 min",
             l->backoff >= 10 * S && l->backoff <= 300 * S);
        must(m, "who failed the disk knows it", !w->offline || l->failed);
}

static void check_acts(const struct move *m) {
        const struct ladder *l = &m->after->ladder;
        const struct event *e = m->event;
        enum incident_state from = m->before->ladder.state;

        if (l->state == from)
                return;
        if (from == INCIDENT_ACTING || from == INCIDENT_OFFLINING || from == INCIDENT_SHUTTING ||
            from == INCIDENT_UNMOUNTING)
                must(m, "nothing follows such a step before it has returned",
                     (e->kind == KIND_RETURNED && e->step == owned_step(from)) ||
                             e->kind == KIND_KILLED);
        if (l->state == INCIDENT_ACTING)
                must(m, "a LUN reset needs a standing symptom and leave, or a request",
                     e->kind == KIND_REQUEST ||
                             (e->kind == KIND_OBSERVE && e->symptom.kind != SYMPTOM_NONE &&
                              e->symptom.reached && !e->symptom.held && e->may_act));
        if (l->state == INCIDENT_ACTING || l->state == INCIDENT_OFFLINING)
                must(m, "no second reset before the effect of the first has been looked at",
                     !m->after->look_due);
        if (l->state == INCIDENT_OFFLINING && from == INCIDENT_SETTLING)
                must(m, "offline needs a whole window without an effect, or to be true already",
                     e->kind == KIND_OBSERVE && !e->symptom.held && e->may_act &&
                             (is_offline(m->before) ||
                              (!e->symptom.progress &&
                               (e->symptom.quiet >= m->search->policy->settle ||
                                e->symptom.left >= m->search->policy->settle))));
        if (l->state == INCIDENT_SHUTTING)
                must(m, "filesystems are shut down only when the disk has drained",
                     (e->kind == KIND_OBSERVE && e->symptom.progress &&
                      e->symptom.outstanding == 0) ||
                             (e->kind == KIND_KILLED && is_offline(m->before) &&
                              is_filesystem_state(from)));
        if (l->state == INCIDENT_RECOVERED)
                must(m, "recovered needs a read that came back",
                     e->kind == KIND_RETURNED && e->error == 0 && !is_offline(m->after) &&
                             (e->step == STEP_PROBE || e->step == STEP_FS_MOUNT ||
                              e->step == STEP_RUNNING));
        if (l->state == INCIDENT_FAILED)
                must(m, "failed: nothing is mounted any more",
                     m->before->footing == FOOTING_NONE || e->kind == KIND_KILLED ||
                             (e->kind == KIND_RETURNED && (e->step == STEP_FS_UMOUNT ||
                                                           e->step == STEP_FS_MOUNT)));
}

static bool only_watches(enum incident_state s) {
        return s == INCIDENT_HEALTHY || s == INCIDENT_SUSPECT || s == INCIDENT_REPORTED;
}

/* As long as nothing has been done. */
static void check_watch(const struct move *m) {
        enum incident_state from = m->before->ladder.state, to = m->after->ladder.state;
        const struct event *e = m->event;
        const struct symptom *s = &e->symptom;

        must(m, "a disk without acts is never acted on",
             m->before->can_act || (only_watches(to) && m->after->ladder.step == STEP_NONE));
        if (e->kind != KIND_OBSERVE || !only_watches(from))
                return;
        if (s->kind != SYMPTOM_NONE && s->reached)
                must(m, "no lost alarm: what has reached its limit is acted on, or reported",
                     to == (e->may_act && m->before->can_act && !s->held ? INCIDENT_ACTING
                                                                         : INCIDENT_REPORTED));
        if (s->kind != SYMPTOM_NONE && !s->reached)
                must(m, "a warning is suspect, and takes no report back",
                     to == (from == INCIDENT_REPORTED ? INCIDENT_REPORTED : INCIDENT_SUSPECT));
        if (s->kind == SYMPTOM_NONE && !s->held)
                must(m, "what was said is over when the symptom is", to == INCIDENT_HEALTHY);
        if (s->kind == SYMPTOM_NONE && s->held)
                must(m, "what nobody can see changes nothing", to == from);
}

/* Field by field: what lies between them may be anything. */
static bool same_ladder(const struct ladder *a, const struct ladder *b) {
        return a->state == b->state && a->step == b->step && a->overdue == b->overdue &&
               a->since == b->since && a->deadline == b->deadline && a->backoff == b->backoff &&
               a->failed == b->failed && a->probes == b->probes && a->act == b->act &&
               a->outcome == b->outcome && a->acted_at == b->acted_at;
}

static void check_answer(const struct move *m) {
        const struct ladder *b = &m->before->ladder, *a = &m->after->ladder;
        bool same = same_ladder(a, b);

        if (m->event->kind == KIND_OBSERVE || m->event->kind == KIND_RETURNED ||
            m->event->kind == KIND_REQUEST)
                must(m, "it says whether it changed", m->changed == !same);
        if (m->event->kind == KIND_RETURNED && m->event->step != b->step)
                must(m, "a step that is not wanted changes nothing", same);
        if (m->event->kind == KIND_OBSERVE && b->overdue)
                must(m, "nothing follows while a step is overdue", same);
}

/* ---- the search ---- */

static uint32_t key_of(const struct world *w) {
        const struct ladder *l = &w->ladder;
        uint32_t key = (uint32_t) l->state;

        key = key << 1 | l->overdue;
        key = key << 1 | (l->deadline == USEC_INFINITY);
        key = key << 5 | (uint32_t) (l->backoff / (10 * S));
        key = key << 1 | l->failed;
        key = key << 2 | l->probes;
        key = key << 2 | (uint32_t) l->act;
        key = key << 3 | (uint32_t) l->outcome;
        key = key << 2 | (uint32_t) w->footing; /* can_act is one for the whole search */
        key = key << 1 | w->offline;
        key = key << 1 | w->given_up;
        return key << 1 | w->look_due;
}

static uint32_t enter(struct search *search, const struct world *w, uint32_t parent, size_t event) {
        uint32_t key = key_of(w);

        assert_true(key < KEYS);
        if (search->index[key] == 0) {
                assert_true(search->n_nodes < NODES_MAX);
                search->nodes[search->n_nodes] = (struct node) {
                        .world = *w,
                        .parent = parent,
                        .depth = search->n_nodes == 0 ? 0 : search->nodes[parent].depth + 1,
                        .event = (uint16_t) event,
                };
                search->index[key] = ++search->n_nodes;
        }
        return search->index[key] - 1;
}

static void check_move(struct search *search, uint32_t from, size_t event,
                       const struct world *after, bool changed) {
        struct move m = {
                .search = search,
                .from = from,
                .before = &search->nodes[from].world,
                .after = after,
                .event = search->events + event,
                .changed = changed,
        };

        check_answer(&m);
        check_state(&m);
        check_acts(&m);
        check_watch(&m);
}

/* Ends told in the brief of this machine: all is well, all is over, or all waits for a step. */
static bool is_end(const struct world *w) {
        return w->ladder.state == INCIDENT_HEALTHY || w->ladder.state == INCIDENT_FAILED ||
               w->ladder.overdue;
}

static void check_ends_are_reached(struct search *search) {
        bool more = true;

        for (uint32_t i = 0; i < search->n_nodes; i++)
                search->nodes[i].good = is_end(&search->nodes[i].world);
        while (more) {
                more = false;
                for (uint32_t i = 0; i < search->n_nodes; i++)
                        for (size_t e = 0; e < search->n_events && !search->nodes[i].good; e++) {
                                struct world w = search->nodes[i].world;
                                bool changed;

                                if (!apply(&w, search->policy, search->events + e, &changed))
                                        continue;
                                rebase(&w.ladder);
                                if (search->nodes[enter(search, &w, i, e)].good)
                                        search->nodes[i].good = more = true;
                        }
        }
        for (uint32_t i = 0; i < search->n_nodes; i++)
                if (!search->nodes[i].good) {
                        print_way(search, i);
                        fail_msg("no end can be reached from here");
                }
}

/* The disk is well from here on: every step does what it should, all I/O ends. Then all must be
 * well again before long, with a disk that runs; but nobody sets a disk that the system runs from
 * offline, and so nobody sets it running, if the kernel has given it up. */
static void check_recovers(const struct search *search, uint32_t node) {
        struct world w = search->nodes[node].world;
        usec_t now = NOW;

        if (w.given_up && w.footing == FOOTING_SYSTEM)
                return;

        for (int i = 0; i < 100; i++) {
                struct ladder *l = &w.ladder;
                struct symptom symptom = { .progress = true, .offline = is_offline(&w) };
                struct event e = { .step = l->step };

                if (l->state == INCIDENT_HEALTHY && !w.offline)
                        return;
                if (l->step != STEP_NONE) {
                        e.error = l->step == STEP_PROBE && is_offline(&w) ? -EIO : 0;
                        effect_of_return(&w, &e);
                        (void) ladder_returned(l, e.step, e.error, w.footing, now);
                        continue;
                }
                now = l->deadline == USEC_INFINITY ? now + S : MAX(now + S, l->deadline);
                (void) ladder_observe(l, search->policy, &symptom, w.can_act, w.footing, now);
        }
        print_way(search, node);
        print_error("...after 100 more rounds with a healthy disk");
        print_world(&w);
        fail_msg("a disk that is well again does not become healthy");
}

/* The disk is dead from here on: resets return, but no I/O ever ends and no read comes back. Then
 * people must come to know, before long, that it is stuck or failed. */
static void check_told(const struct search *search, uint32_t node) {
        const struct policy *policy = search->policy;
        struct world w = search->nodes[node].world;
        usec_t now = NOW;

        for (int i = 0; i < 100; i++) {
                struct ladder *l = &w.ladder;
                const char *word = ladder_state_for_people(l);
                struct symptom symptom = { .kind = SYMPTOM_STALLED, .outstanding = 8,
                                           .reached = true,
                                           .lasts = policy->stall + policy->settle,
                                           .quiet = policy->stall + policy->settle,
                                           .offline = is_offline(&w) };
                struct event e = { .step = l->step };

                if (strcmp(word, "stuck") == 0 || strcmp(word, "failed") == 0 ||
                    l->state == INCIDENT_BUSY)
                        return;
                if (l->step != STEP_NONE) {
                        e.error = l->step == STEP_LUN_RESET || l->step == STEP_OFFLINE ? 0 : -EIO;
                        effect_of_return(&w, &e);
                        (void) ladder_returned(l, e.step, e.error, w.footing, now);
                        continue;
                }
                now = l->deadline == USEC_INFINITY ? now + S : MAX(now + S, l->deadline);
                (void) ladder_observe(l, policy, &symptom, w.can_act, w.footing, now);
        }
        print_way(search, node);
        print_error("...after 100 more rounds with a dead disk");
        print_world(&w);
        fail_msg("a disk that is dead is never said to be stuck or failed");
}

static void explore(struct search *search) {
        struct world start = { .footing = FOOTING_NONE, .can_act = search->can_act };

        add_events(search);
        ladder_init(&start.ladder, NOW);
        rebase(&start.ladder);
        (void) enter(search, &start, 0, 0);
        for (uint32_t i = 0; i < search->n_nodes; i++)
                for (size_t e = 0; e < search->n_events; e++) {
                        struct world w = search->nodes[i].world;
                        bool changed;

                        if (!apply(&w, search->policy, search->events + e, &changed))
                                continue;
                        check_move(search, i, e, &w, changed);
                        rebase(&w.ladder);
                        (void) enter(search, &w, i, e);
                }
}

/* The limits in each order that a configuration can put them in. */
static const struct policy policies[] = {
        { .warn = 2 * S, .settle = 3 * S, .stall = 5 * S },
        { .settle = 1 * S, .warn = 2 * S, .stall = 5 * S },
        { .warn = 2 * S, .stall = 5 * S, .settle = 9 * S },
        { .warn = 5 * S, .stall = 5 * S, .settle = 5 * S },
};

static struct search *explored(size_t i, bool can_act) {
        struct search *search = calloc(1, sizeof(*search));

        assert_non_null(search);
        search->policy = policies + i;
        search->can_act = can_act;
        explore(search);
        return search;
}

static bool is_reached(const struct search *search, enum incident_state state) {
        for (uint32_t k = 0; k < search->n_nodes; k++)
                if (search->nodes[k].world.ladder.state == state)
                        return true;
        return false;
}

static void test_invariants(void **state) {
        for (size_t i = 0; i < 2 * ELEMENTSOF(policies); i++) {
                bool can_act = i % 2 == 0;
                _cleanup_free_ struct search *search = explored(i / 2, can_act);

                print_message("policy %zu, %s: %u states, %zu events each, all of them within %u "
                              "steps\n",
                              i / 2, can_act ? "acted on" : "watched only", search->n_nodes,
                              search->n_events, search->nodes[search->n_nodes - 1].depth);
                /* A machine that leads nowhere would pass all checks. */
                for (int s = 0; s < _INCIDENT_STATE_MAX; s++)
                        if (!is_reached(search, (enum incident_state) s) &&
                            (can_act || only_watches((enum incident_state) s)))
                                fail_msg("%s is never reached",
                                         incident_state_to_string((enum incident_state) s));
        }
}

static void test_ends_are_reached(void **state) {
        _cleanup_free_ struct search *search = explored(0, true);

        check_ends_are_reached(search);
}

static void test_a_disk_that_is_well_becomes_healthy(void **state) {
        for (int can_act = 0; can_act < 2; can_act++) {
                _cleanup_free_ struct search *search = explored(0, can_act);

                for (uint32_t i = 0; i < search->n_nodes; i++)
                        check_recovers(search, i);
        }
}

static void test_a_disk_that_is_dead_is_told_of(void **state) {
        for (int can_act = 0; can_act < 2; can_act++) {
                _cleanup_free_ struct search *search = explored(0, can_act);

                for (uint32_t i = 0; i < search->n_nodes; i++)
                        check_told(search, i);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_invariants),
                cmocka_unit_test(test_ends_are_reached),
                cmocka_unit_test(test_a_disk_that_is_well_becomes_healthy),
                cmocka_unit_test(test_a_disk_that_is_dead_is_told_of),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
