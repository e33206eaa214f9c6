# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults to plant, each with what it would do to somebody. Their text has to stand in the file once.

EQUIVALENT ones change nothing that can be seen: there the reason stands."""

DETECTOR = "agent/detect/detector.c"
STALL = "agent/detect/stall.c"
WINDOW = "agent/detect/window.c"
WATCH = "agent/watch.c"
LADDER = "agent/decide/ladder.c"
EVENT = "agent/decide/event.c"
BEND = "agent/decide/bend.c"
GUARD = "agent/decide/guard.c"
PLAN = "agent/decide/plan.c"

MUTANTS = []


def mutant(name, file, old, new, harm, equivalent=None):
    MUTANTS.append({"name": name, "file": file, "old": old, "new": new, "harm": harm,
                    "equivalent": equivalent})


# ---- stall.c ----

mutant("completed-is-no-life", STALL,
       "return sample->completed != stall->completed || sample->answered != stall->answered;",
       "return sample->answered != stall->answered;",
       "a busy virtio-blk or NVMe disk is reset after each limit")
mutant("answered-is-no-life", STALL,
       "return sample->completed != stall->completed || sample->answered != stall->answered;",
       "return sample->completed != stall->completed;",
       "a SCSI disk without I/O statistics is reset while it works")
mutant("wrap-is-no-life", STALL,
       "return sample->completed != stall->completed || sample->answered != stall->answered;",
       "return sample->completed > stall->completed || sample->answered > stall->answered;",
       "a disk is reset because a counter wrapped")
mutant("idle-counts", STALL, "return sample->outstanding == 0 &&",
       "return sample->outstanding == UINT32_MAX &&",
       "an idle disk is reset")
mutant("recovery-counts", STALL,
       "                stall->since += sample->at - stall->last;\n"
       "                stall->paused = true;",
       "                stall->paused = true;",
       "the kernel's own recovery is taken for a hang, and reset on top of it")
mutant("recovery-end-counts", STALL,
       "                        stall->since += sample->at - stall->last;\n"
       "                        stall->last",
       "                        stall->last",
       "the last part of a recovery is taken for a hang")
mutant("recovery-end-counts-twice", STALL, "                        stall->last = sample->at;\n", "",
       "a healthy disk is reset at once after the kernel's recovery: time runs below 0")
mutant("no-time-to-settle", STALL, "usec_t latest = policy->stall - room;",
       "usec_t latest = policy->stall;",
       "a disk is reset in the moment in which the kernel has brought it back")
mutant("settle-longer-than-limit", STALL,
       "usec_t room = policy->settle < policy->stall ? policy->settle : policy->stall;",
       "usec_t room = policy->settle;",
       "with SettleSec= above StallSec= a disk is reset just after the kernel brought it back")
mutant("spared-for-ever", STALL, "                stall->spared = true;\n", "",
       "a controller that the kernel resets without end is never told of")
mutant("never-spared", STALL, "latest && !stall->spared", "latest && stall->spared",
       "a disk is reset in the moment in which the kernel has brought it back")
mutant("idle-at-once-after-recovery", STALL, "        stall->resumed = true;\n", "",
       "a reset loop is never told of: nothing in flight after each is taken for idleness")
mutant("never-idle-after-recovery", STALL,
       "                 sample->at - stall->resumed_at < policy->settle);",
       "                 true);",
       "a recovered disk with nothing to do is never said to be well")
mutant("quiet-while-nothing-is-in-flight", STALL,
       "                stall->since += sample->at - stall->last;\n        else",
       "                (void) 0;\n        else",
       "time without work after a recovery is taken for a hang")
mutant("resumed-for-ever", STALL, "                stall->resumed = false;\n", "",
       "a disk that was idle after work counts as one that is not")
mutant("moment-of-idleness-ignored", STALL,
       "if (idle || stall->idle || moved(stall, sample))",
       "if (stall->idle || moved(stall, sample))",
       "time is counted across a moment in which nothing was out")
mutant("counts-from-before-the-work", STALL,
       "if (idle || stall->idle || moved(stall, sample))",
       "if (idle || moved(stall, sample))",
       "time before there was any work is taken for a hang")
mutant("progress-is-forgotten", STALL,
       "begin(stall, sample, stall->progress || idle || moved(stall, sample));",
       "begin(stall, sample, idle || moved(stall, sample));",
       "a cure is not seen when the next work follows it at once")
mutant("idle-is-no-progress", STALL,
       "begin(stall, sample, stall->progress || idle || moved(stall, sample));",
       "begin(stall, sample, stall->progress || moved(stall, sample));",
       "a disk that has ended all is failed after the reset that cured it")
mutant("first-sample-is-progress", STALL, "                begin(stall, sample, false);\n",
       "                begin(stall, sample, true);\n",
       "a reset without any effect is said to be a cure")
mutant("begun-while-recovering", STALL,
       "stall->idle = sample->outstanding == 0 && !sample->recovering;",
       "stall->idle = sample->outstanding == 0;",
       "after an act, nothing in flight in the kernel's recovery is taken for success")
mutant("not-paused-at-first", STALL, "                stall->paused = sample->recovering;\n", "",
       "the time of a recovery that was under way at first is taken for a hang")

mutant("given-up-is-life", STALL,
       "                if (sample->failover)\n                        take_failover(stall, sample);\n",
       "",
       "an NVMe path that is reset for ever, and never completes anything, is never reported")
mutant("heard-of-late-is-life", STALL, "past->known && !moved(stall, sample) &&",
       "!past->known && !moved(stall, sample) &&",
       "the same, where udev is slow")
mutant("taken-back-after-more-came", STALL, "past->known && !moved(stall, sample) &&",
       "past->known &&",
       "the progress of a disk that works is taken back")
mutant("taken-back-for-ever", STALL, "sample->at - past->moved_at <= FAILOVER_LATE",
       "sample->at >= past->moved_at",
       "progress of long ago is taken back, and a disk reported that has just hung")
mutant("taken-back-progress-stays", STALL, "                stall->progress = past->progress;\n", "",
       "after an act, requests that were only given up are taken for a cure")
mutant("taken-back-but-idle", STALL, "                stall->idle = false;\n", "",
       "an NVMe path with nothing out for a moment between two resets is never reported")
mutant("failover-not-rebased", STALL,
       "        stall->completed = sample->completed;\n        stall->answered = sample->answered;\n"
       "}\n\nvoid stall_take",
       "}\n\nvoid stall_take",
       "what is given up at a reset counts as progress after it")

# ---- window.c ----

mutant("fewer-turns", WINDOW, ">= WINDOW_TURNS * (uint64_t) peak", ">= 4 * (uint64_t) peak",
       "a disk that reorders a little is reset")
mutant("turns-of-32-bits", WINDOW, ">= WINDOW_TURNS * (uint64_t) peak",
       ">= (uint32_t) (WINDOW_TURNS * peak)",
       "a garbled count of requests makes any disk overtaken")
mutant("more-than-the-turns", WINDOW, ">= WINDOW_TURNS * (uint64_t) peak",
       "> WINDOW_TURNS * (uint64_t) peak", "one request more than is documented")
mutant("window-from-before-the-request", WINDOW, "if (age <= span)", "if (true)",
       "a disk that was fast and is throttled is reset, in the midst of its load")
mutant("past-that-is-not-known", WINDOW, "        return false;\n}", "        return within && "
       "window_slot_overtaken(within, peak, newest);\n}",
       "a request is called overtaken by what a moment shows")
mutant("peak-of-the-past", WINDOW, "                if (slot->peak > peak)\n"
       "                        peak = slot->peak;\n", "",
       "a deep queue that has just been served is taken for one that was overtaken")
mutant("peak-of-now", WINDOW, "        peak = newest->outstanding;\n", "        peak = 0;\n",
       "a burst of requests makes the one before it overtaken")
mutant("peak-between-slots", WINDOW, "                last->peak = sample->outstanding;\n",
       "                (void) 0;\n",
       "a deep queue between two slots is not seen: its requests are called overtaken")
mutant("step-back-is-millions", WINDOW,
       "return newest->answered > slot->answered ? newest->answered - slot->answered : 0;",
       "return newest->answered - slot->answered;",
       "a counter of 32 bits wraps, and an old request is called overtaken")
mutant("completed-steps-back", WINDOW, "if (newest->completed > slot->completed)",
       "if (newest->completed != slot->completed)",
       "statistics begin anew, and an old request is called overtaken")
mutant("answers-do-not-count", WINDOW,
       "return newest->answered > slot->answered ? newest->answered - slot->answered : 0;",
       "return 0;", "without I/O statistics a stuck request is never found")
mutant("slots-too-close", WINDOW, "if (!last || sample->at - last->at >= step)", "if (true)",
       "the past that is known is too short: a stuck request is never found")
mutant("past-is-forgotten", WINDOW, "                window->n--;\n", "                window->n = 0;\n",
       "a stuck request is found only in some moments")
mutant("window-not-restarted", WINDOW, "        window->n = 0;\n", "",
       "what ended before a recovery makes requests overtaken")

# ---- detector.c ----

mutant("gaps-count", DETECTOR, "               sample->at - d->last.at > GAP_INTERVALS * "
       "detector_interval(policy);", "               false;",
       "after a guest was paused all its disks are reset")
mutant("gaps-a-little-longer", DETECTOR,
       "sample->at - d->last.at > GAP_INTERVALS * detector_interval(policy);",
       "sample->at - d->last.at > 2 * GAP_INTERVALS * detector_interval(policy);",
       "a short pause and a healthy wait make a hang")
mutant("gaps-at-once", DETECTOR,
       "sample->at - d->last.at > GAP_INTERVALS * detector_interval(policy);",
       "sample->at - d->last.at >= GAP_INTERVALS * detector_interval(policy);",
       "an agent that is starved finds no hang")
mutant("time-steps-back", DETECTOR, "return sample->at < d->last.at ||\n              ", "return",
       "a clock that is set back makes a hang of 500000 years",
       equivalent="times are unsigned: one that stepped back is a gap of 500000 years all the same")
mutant("interval-of-a-second", DETECTOR,
       "return min_usec(limit / INTERVALS_PER_LIMIT, INTERVAL_MAX);", "return INTERVAL_MAX;",
       "with a limit of a second what is not seen makes up the limit")
mutant("interval-without-settle", DETECTOR, "limit = min_usec(policy->settle, policy->stall);",
       "limit = policy->stall;", "with a short SettleSec= a disk is failed by one late sample")
mutant("interval-without-inflight", DETECTOR, "limit = min_usec(limit, policy->inflight);",
       "limit = min_usec(limit, USEC_INFINITY);", "a short InflightLimitSec= is met late")
mutant("held-counts", DETECTOR, "                detector_restart(detector);\n                return;",
       "                return;",
       "a reset of one disk, which freezes its host, makes all others hung")
mutant("saturated-again-and-again", DETECTOR,
       ".saturated_spent = detector->saturated_reached || detector->saturated_spent,",
       ".saturated_spent = false,", "a busy disk is reset every few minutes, for ever")
mutant("saturated-by-any-act", DETECTOR,
       ".saturated_spent = detector->saturated_reached || detector->saturated_spent,",
       ".saturated_spent = true,", "too many in flight is never acted on after another act")
mutant("saturated-once-more", DETECTOR,
       ".saturated_spent = detector->saturated_reached || detector->saturated_spent,",
       ".saturated_spent = detector->saturated_reached,",
       "the second act after one that saturation led to is one too many")
mutant("saturated-again-after-a-gap", DETECTOR,
       "*d = (struct detector) { .watching = true, .saturated_spent = spent };",
       "*d = (struct detector) { .watching = true };",
       "a busy disk is reset again after each pause of the guest")
mutant("saturated-lost", DETECTOR, "        if (detector->saturated_fresh)\n", "        if (false)\n",
       "of two saturated disks of a host only one is ever acted on")
mutant("not-acted-forgives-all", DETECTOR, "        if (detector->saturated_fresh)\n", "",
       "an act for another reason that cannot begin makes a saturated disk be reset twice")
mutant("saturated-at-the-limit", DETECTOR, "sample->outstanding > policy->inflight_limit",
       "sample->outstanding >= policy->inflight_limit",
       "a disk that has as many in flight as is allowed is reset")
mutant("saturated-never-over", DETECTOR, "        if (!saturated)\n"
       "                d->saturated_spent = false;\n", "",
       "too many in flight is acted on once, and never again")
mutant("saturated-through-recovery", DETECTOR, "        d->saturated = false;\n}", "}",
       "the time of the kernel's recovery is counted as too many in flight")
mutant("age-from-before-a-gap", DETECTOR,
       "usec_t oldest = min_usec(sample->oldest, sample->at - d->watched);",
       "usec_t oldest = sample->oldest;",
       "a guest that was paused for an hour has requests an hour old: it is reset")
mutant("age-through-recovery", DETECTOR, "        d->watched = sample->at;\n        d->timed_out = 0;",
       "        d->timed_out = 0;",
       "people are told of requests that are as old as the kernel's recovery was long")
mutant("window-through-recovery", DETECTOR,
       "        window_restart(&d->window);\n        d->watched",
       "        d->watched",
       "what completed before the kernel's recovery counts against who waits after it")
mutant("timer-through-recovery", DETECTOR, "        d->timed_out = 0;\n        d->saturated",
       "        d->saturated",
       "a timer that ran out before the kernel ended the request makes it stuck for minutes")
mutant("window-through-idleness", DETECTOR,
       "        if (sample->outstanding == 0) /* then who is out later cannot be older than this */\n"
       "                window_restart(&d->window);\n", "",
       "a timer that runs out just after idleness makes a healthy disk reset")
mutant("old-is-stuck", DETECTOR,
       "        if (!overtaken_in(d, sample, min_usec(age, policy->stall))) {", "        if (false) {",
       "a disk that is throttled to one request a second is reset again and again")
mutant("timer-of-a-slow-disk", DETECTOR, " && was_overtaken(d, policy, sample))", ")",
       "timers ran out on a slow disk, then it is fast, and reset")
mutant("timer-and-what-ended-after-it", DETECTOR,
       "window_overtaken(&d->window, &d->last, policy->stall - unseen);",
       "window_overtaken(&d->window, sample, policy->stall - AGE_SLACK);",
       "what ended after the timer ran out, maybe that very request, is held against it")
mutant("timer-too-short", DETECTOR, "if (more && sample->timeout >= policy->stall &&", "if (more &&",
       "a request of thirty seconds is called stuck for two minutes")
mutant("timer-was-changed", DETECTOR,
       "            sample->at - d->timeout_since >= policy->stall && was", "            was",
       "a timer that was short until now is taken for a long one")
mutant("timer-any-change", DETECTOR, "bool more = sample->timeouts > d->timeouts;",
       "bool more = sample->timeouts != d->timeouts;",
       "a counter that begins anew is a stuck request")
mutant("timer-too-early-forgotten", DETECTOR, "sample->at + sample->timeout + TIMER_SLACK;",
       "sample->at + sample->timeout;",
       "between two times that the timer runs out the report is taken back")
mutant("timer-that-was-seen", DETECTOR, "        d->timeouts = sample->timeouts;\n        if (more",
       "        if (more", "one timer that ran out is a stuck request for ever")
mutant("timer-and-a-list", DETECTOR,
       " || (sample->listed && sample->oldest < policy->stall))", ")",
       "a request is said to be stuck that the list of requests does not know")
mutant("timer-and-idleness", DETECTOR,
       "if (sample->outstanding == 0 || (sample->listed", "if ((sample->listed",
       "a request is said to be stuck on a disk with nothing in flight")
mutant("no-warning-of-old", DETECTOR, "                if (age < policy->warn || "
       "!overtaken_in(d, sample, policy->warn))\n                        return 0;\n",
       "                return 0;\n", "no warning of a request that is overtaken of late")
mutant("warning-acts", DETECTOR, "                age = min_usec(age, policy->stall - 1);\n", "",
       "a disk is reset for what was to be a warning")
mutant("flapping", DETECTOR, "        d->list_at = sample->at;\n        return age;",
       "        return age;", "suspect and healthy in turns, in the log every few seconds")
mutant("list-late", DETECTOR, "min_usec(step, policy->stall - min_usec(oldest,", "max_usec(step, "
       "policy->stall - min_usec(oldest,", "a stuck request is found late")
mutant("list-not-when-quiet", DETECTOR, "d->listed && quiet < policy->warn / 2 ? d->list_at",
       "d->listed ? d->list_at", "a report of a hang cannot tell how old the requests are")
mutant("list-always", DETECTOR, "d->listed && quiet < policy->warn / 2 ? d->list_at : sample->at",
       "sample->at", "each second all requests of all busy disks are listed")
mutant("list-not-at-once", DETECTOR, "        if (d->leftover)\n                d->list_at = sample->at;"
       "\n        else", "", "a request left from before an act is seen to end late")
mutant("others-are-a-cure", DETECTOR, "d->stall.progress && !d->leftover;", "d->stall.progress;",
       "a lost request is said to be cured, because others go on")
mutant("leftover-without-slack", DETECTOR, "sample->at - d->base.at + AGE_SLACK;",
       "sample->at - d->base.at;", "the first requests after an act are taken for those before it")
mutant("leftover-for-ever", DETECTOR, "        if (sample->outstanding == 0)\n"
       "                d->leftover = false;\n", "",
       "a cured disk without lists is never said to be well")
mutant("left-from-the-first-moment", DETECTOR,
       "d->leftover && window_slot_overtaken(&d->base, d->base.peak, sample))",
       "d->leftover)", "a slow disk is failed after its reset, for its queue is long")
mutant("left-without-a-list", DETECTOR, "        if (sample->listed && d->leftover && window",
       "        if (d->leftover && window",
       "a disk is failed for a request that may have ended long ago")
mutant("left-and-the-peak", DETECTOR, "                d->base.peak = sample->outstanding;\n",
       "                (void) 0;\n", "a disk is failed because its queue grew after the reset")
mutant("warning-hides-the-limit", DETECTOR,
       "if (symptom->kind != SYMPTOM_NONE && (symptom->reached || !reached))",
       "if (symptom->kind != SYMPTOM_NONE)",
       "too many in flight is not acted on while there is a warning")
mutant("limit-a-moment-late", DETECTOR, "bool reached = lasts >= limit;",
       "bool reached = lasts > limit;", "an act comes one sample late")
mutant("warn-above-the-limit", DETECTOR, "if (lasts == 0 || lasts < min_usec(warn, limit))",
       "if (lasts == 0 || lasts < warn)", "with WarnSec= above StallSec= nothing is done in time")
mutant("next-is-not-told", DETECTOR,
       "                ask_at(ret, d->stall.since, quiet, policy->warn, policy->stall);",
       "                (void) 0;", "limits are met late")
mutant("next-of-stuck-is-not-told", DETECTOR,
       "                ask_at(ret, sample->at - stuck, stuck, policy->warn, policy->stall);",
       "                (void) 0;", "a stuck request is found up to an interval late")
mutant("recovery-from-another", DETECTOR, "        d->recovering = false;\n        take", "        take",
       "many short recoveries are told as one that does not end")
mutant("recovery-is-not-held", DETECTOR, "        ret->held = true;\n", "",
       "in the midst of the kernel's recovery a suspicion is dropped, or the disk is acted on")
mutant("controller-never-stuck", DETECTOR,
       "        tell(ret, SYMPTOM_CONTROLLER_STUCK, lasts, policy->warn, policy->stall);\n", "",
       "a recovery that comes to no end is told to nobody")

# ---- watch.c, and the watching part of ladder.c ----

mutant("act-in-a-recovery", WATCH, "c->recovering = sample->recovering;", "c->recovering = false;",
       "a disk is reset on top of the kernel's own recovery")
mutant("act-on-a-busy-host", WATCH, "c->held = sample->held;", "c->held = false;",
       "two acts in one fault domain at once")
mutant("act-on-a-watched-disk", PLAN, "return driver->steps & BIT(step);", "return true;",
       "a rung that the driver does not have is tried")
mutant("effect-of-before", WATCH, "        if (!only_watches(before) || !only_watches(watch->ladder.past.state))"
       "\n                detector_restart(&watch->detector);\n", "",
       "what completed before the act is taken for its effect")
mutant("watching-begins-anew", WATCH,
       "        if (!only_watches(before) || !only_watches(watch->ladder.past.state))\n", "",
       "no disk is ever acted on: the suspicion ends itself")
mutant("late-return-is-no-effect", WATCH, "        detector_restart(&watch->detector);\n"
       "        /* An earlier step may return", "        /* An earlier step may return",
       "a reset that returns late is followed by another at once")
mutant("earlier-step-returns", WATCH, "if (step != watch->ladder.step || !watch->begun ||",
       "if (step != watch->ladder.step ||", "a read of before the reset says that the reset cured")
mutant("begun-again-and-again", WATCH, "        watch->begun = r == 0;\n", "",
       "each look begins another reset")
mutant("kept-for-later", WATCH, "if (r == 0 || (r < 0 && is_waited_for(step)))",
       "if (r <= 0)", "a reset is kept for later, and done when the disk is well")
mutant("probe-is-given-up", WATCH, "if (r == 0 || (r < 0 && is_waited_for(step)))",
       "if (r == 0)", "a busy executor of its own is taken for a failed read")
mutant("not-acted-is-an-answer", WATCH, "                detector_not_acted(&watch->detector);\n", "",
       "of two saturated disks of a host only one is ever acted on")
mutant("put-off-for-ever", WATCH, "                watch->renewed = true;\n", "                (void) 0;\n",
       "a controller in a loop of resets stays in settling for ever, and nobody is told")
mutant("never-looked-at-anew", WATCH, "        if (sample->recovering && !watch->renewed)\n",
       "        if (false)\n", "what the kernel's recovery ended is taken for our reset's effect")
mutant("renewed-once-in-a-life", WATCH, "        watch->renewed = false;\n", "",
       "the second act is judged by what the kernel's recovery did")
mutant("suspect-is-not-hurried", WATCH, "                return t / SUSPICION;\n",
       "                return t;\n", "what ends in time is seen late")
mutant("settling-is-not-hurried", WATCH, "                return MIN(t, INTERVAL_SHORT);\n",
       "                return t;\n", "a cure is seen late")
mutant("busy-loop", WATCH, "return MAX(next, looked + WATCH_TICK_MIN);", "return next;",
       "the agent takes a whole processor")
mutant("limits-not-waited-for", WATCH, "        next = earlier(next, watch->symptom.next, looked);\n",
       "", "limits are met late")
mutant("deadlines-not-waited-for", WATCH,
       "        next = earlier(next, watch->ladder.deadline, looked);\n", "", "deadlines are met late")
mutant("lists-never", WATCH, "return now >= watch->symptom.list_at;",
       "return now > watch->symptom.list_at;",
       "no list at the very time it is asked for")

mutant("held-is-clear", EVENT, "return symptom->held ? EVENT_NONE : EVENT_CLEAR;",
       "return EVENT_CLEAR;", "a suspicion is dropped because another disk is being reset")
mutant("warning-is-the-limit", EVENT, "        if (!symptom->reached)\n"
       "                return EVENT_SUSPICION;\n", "", "a disk is reset when it was to be warned of")
mutant("no-leave-to-act", PLAN, "if (leave & BIT(plan->cures[i]))", "if (leave)",
       "a disk is reset that may not be")
mutant("no-leave-to-fail", EVENT, "return step != STEP_NONE && (view->leave & BIT(step));",
       "return step != STEP_NONE;", "a disk is failed that may not be")
mutant("held-and-acted-on", EVENT,
       "        if (symptom->held)\n                return EVENT_REPORT;\n", "",
       "a disk is reset in the midst of the kernel's recovery")
mutant("nothing-is-reported", EVENT, "? EVENT_CONTAIN : EVENT_REPORT;",
       "? EVENT_CONTAIN : EVENT_NONE;",
       "a hang of a disk without acts is told to nobody")
mutant("report-without-suspicion", LADDER,
       "        { INCIDENT_HEALTHY, EVENT_REPORT, INCIDENT_REPORTED },\n", "",
       "a hang is not reported where the warning is as long as the limit")
mutant("report-after-suspicion", LADDER,
       "        { INCIDENT_SUSPECT, EVENT_REPORT, INCIDENT_REPORTED },\n", "",
       "a hang of a disk without acts stays a suspicion")
mutant("reported-for-ever", LADDER,
       "        { INCIDENT_REPORTED, EVENT_CLEAR, INCIDENT_HEALTHY },\n", "",
       "a disk that is well is said to be stuck")
mutant("reported-and-never-acted-on", LADDER,
       "        { INCIDENT_REPORTED, EVENT_LIMIT, INCIDENT_ACTING },\n", "",
       "a disk that the kernel could not recover is never reset")
mutant("reported-and-no-request", LADDER,
       "        { INCIDENT_REPORTED, EVENT_REQUEST, INCIDENT_ACTING },\n", "",
       "nobody can have a reported disk reset by hand")
mutant("left-is-no-failure", EVENT,
       "return view->symptom->quiet >= view->policy->settle ||\n"
       "               view->symptom->left >= view->policy->settle;",
       "return view->symptom->quiet >= view->policy->settle;",
       "a lost request that the reset did not end is never ended")
mutant("uncured-and-held", EVENT, "        if (symptom->held ||\n            !(symptom->reached ||",
       "        if (!(symptom->reached ||",
       "a disk is reset again in the midst of the kernel's recovery")
mutant("uncured-without-a-hang", EVENT, "if (!late || !symptom->reached)", "if (!late)",
       "a disk that is well is reset again, because a reset failed once")
mutant("report-is-acting", LADDER, '[INCIDENT_REPORTED] = { "stuck", STEP_NONE, 0 },',
       '[INCIDENT_REPORTED] = { "stuck", STEP_LUN_RESET, 0 },',
       "a disk without acts is reset")

# ---- event.c: which way the ladder goes ----

mutant("relapse-begins-anew", EVENT, "        if (is_relapse(ladder, view)) {", "        if (false) {",
       "a rung that does not last is taken for ever, and the next one never")
mutant("relapse-for-ever", EVENT, "began < ladder->cured_at + view->policy->stall;", "began < view->now;",
       "a hang of a month later begins with the widest rung")
mutant("relapse-is-never-failed", EVENT,
       "                if (next == STEP_NONE && may(view, plan->fail))\n"
       "                        return STEP_NONE;\n", "",
       "a disk that hangs after each reset is never failed")
mutant("same-cure-again", EVENT,
       "return plan_cure(view->plan, plan_index(view->plan, ladder->past.act) + 1, view->leave);",
       "return plan_cure(view->plan, plan_index(view->plan, ladder->past.act), view->leave);",
       "the rung that had no effect is taken again, and a wider one never")
mutant("cured-by-giving-up", EVENT, "        if (wider_cure(ladder, view) != STEP_NONE)\n"
       "                return EVENT_NEXT;\n        return may(view, view->plan->fail) ? EVENT_GIVE_UP : EVENT_DEADLINE;",
       "        return may(view, view->plan->fail) ? EVENT_GIVE_UP : EVENT_DEADLINE;",
       "a disk is failed that a wider reset would have cured")
mutant("fenced-at-once", EVENT, "view->now - ladder->stuck_since >= view->plan->fence_wait;",
       "view->now >= ladder->stuck_since;", "the machine is given up at the first refusal")
mutant("fenced-without-a-hang", EVENT,
       "ladder->step == STEP_NONE && view->symptom->reached;", "ladder->step == STEP_NONE;",
       "the machine is given up though the disk is well")

# ---- guard.c: what stands in the way ----

for word, condition, harm in (
        ("held", "return c->held;", "two acts in one fault domain at once"),
        ("recovering", "return c->recovering;", "a reset on top of the kernel's own recovery"),
        ("symptom", "return !c->hung;", "a disk is reset by hand that works"),
        ("policy", "return !policy->act;", "a disk is reset that is only to be watched"),
        ("suppressed", "return c->suppressed;", "a disk is reset while somebody works on it"),
        ("grace", "return c->up < policy->boot_grace;", "a disk is reset while the machine boots"),
        ("owner", "return c->owners != 0 && !policy->act_if_owned;",
         "a path is reset under multipathd"),
        ("radius", "return is_over_radius(policy, c, step);", "healthy disks are reset, too"),
        ("siblings", "return is_against_siblings(policy, c, step);",
         "healthy disks stand still with it"),
        ("budget", "return c->acts >= policy->max_acts;", "a disk is reset without end"),
        ("dry-run", "return c->dry_run || policy->dry_run;", "a dry run resets disks")):
    mutant(f"no-guard-{word}", GUARD, condition, "return false;", harm)
mutant("policy-dry-run", GUARD, "return c->dry_run || policy->dry_run;", "return c->dry_run;",
       "DryRun=yes resets disks")
mutant("force-is-all", GUARD, "!(can_be_forced(r) && (force & BIT(r)))",
       "!(can_be_forced(r) && force)", "who takes one guard on takes on all of them")
mutant("force-the-kernel", GUARD, "!(can_be_forced(r) && (force & BIT(r)))", "!(force & BIT(r))",
       "a person can reset a disk in the midst of the kernel's recovery")
mutant("radius-without-anybody", GUARD,
       "return reach > policy->blast_radius && c->healthy[reach] > 0;",
       "return reach > policy->blast_radius;", "a disk alone on its host is not reset")
mutant("siblings-fail-first", GUARD,
       "(policy->if_siblings == SIBLINGS_FAIL_FIRST && step_is_cure(step));", "false;",
       "healthy disks stand still for a cure")
mutant("fence-needs-a-free-host", GUARD,
       "if ((step == STEP_FENCE || step == STEP_CONTROLLER_END) &&",
       "if (step == STEP_CONTROLLER_END &&",
       "a machine whose reset never returns is never fenced")
mutant("end-needs-a-free-controller", GUARD,
       "if ((step == STEP_FENCE || step == STEP_CONTROLLER_END) &&", "if (step == STEP_FENCE &&",
       "a reset that an earlier daemon left in the kernel is waited for without end")
mutant("end-needs-a-recovered-controller", GUARD,
       "if (step == STEP_CONTROLLER_END && refusal == REFUSAL_RECOVERING)", "if (false)",
       "the same: the reset that sticks is what the kernel's recovery looks like")
mutant("shutdown-needs-a-budget", GUARD, "return rung || (refusal != REFUSAL_RADIUS &&",
       "return true || (refusal != REFUSAL_RADIUS &&",
       "new I/O joins the pile because of healthy siblings")

# ---- plan.c: which rungs there are ----

mutant("rungs-not-asked", PLAN, "if (steps_of_rungs[rung] == step)", "if (rung >= 0)",
       "a rung is taken that Rungs= does not name")
mutant("reset-never-returns", PLAN, "        if (can_come_back(facts, plan))\n", "",
       "a controller reset is begun that never returns, and nothing can follow")
mutant("end-is-no-way-back", PLAN,
       "|| facts->io_timeout != USEC_INFINITY || plan->end != STEP_NONE;",
       "|| facts->io_timeout != USEC_INFINITY;", "a controller is failed that a reset would cure")
mutant("locked-down-and-moved", PLAN, "facts->movable_bar && !facts->lockdown) {",
       "facts->movable_bar) {", "the kill switch is begun where its writes are refused")
mutant("unmovable-and-moved", PLAN,
       "may(policy, driver, STEP_CONTROLLER_FAIL) && facts->movable_bar && ",
       "may(policy, driver, STEP_CONTROLLER_FAIL) && ",
       "the kill switch is begun where it cannot work")
mutant("remove-never-ends", PLAN, "STEP_CONTROLLER_FAIL) && finite) {",
       "STEP_CONTROLLER_FAIL)) {", "a removal is begun that never returns")
mutant("end-by-identify-alone", PLAN, "(facts->identify && facts->movable_bar)", "facts->identify",
       "a controller is said to be ended that cannot be")
mutant("end-in-lockdown", PLAN, "if (plan->fail != STEP_NONE && end && !facts->lockdown)",
       "if (plan->fail != STEP_NONE && end)", "the end is begun where its writes are refused")
mutant("nothing-is-put-back", PLAN, "                plan->undo = STEP_CONTROLLER_RESTORE;\n", "",
       "max_retries stays 0 for all controllers when the kill switch does not return")
mutant("no-facts-needed", PLAN, "disk->kind == DISK_NVME && facts)", "disk->kind == DISK_NVME)",
       "the daemon falls over a controller that could not be read")
mutant("contain-what-can-be-reset", PLAN,
       "ret->contain = policy->contain && ret->fail == STEP_NONE && ret->n_cures == 0;",
       "ret->contain = policy->contain;",
       "filesystems are shut down over a disk that a reset would cure")
mutant("fence-unasked", PLAN, "policy->fence ? policy->fence_wait : USEC_INFINITY",
       "policy->fence_wait", "a machine is given up whose policy does not say so")

# ---- bend.c: what the policy and what stands on the disk make of the way ----

mutant("system-unmounted", BEND, "(footing != FOOTING_DATA || plan->on_recovered != ON_RECOVERED_REMOUNT))",
       "plan->on_recovered != ON_RECOVERED_REMOUNT)", "what the system runs from is unmounted")
mutant("check-remounts", BEND, "(footing != FOOTING_DATA || plan->on_recovered != ON_RECOVERED_REMOUNT))",
       "footing != FOOTING_DATA)", "a policy that has it checked has it unmounted")
mutant("checked-unasked", BEND,
       "(footing == FOOTING_NONE ||\n                                          "
       "plan->on_recovered == ON_RECOVERED_NOTHING))",
       "footing == FOOTING_NONE)", "filesystems are written to against the policy")
mutant("unmounted-is-not-mounted", BEND, "if (next == INCIDENT_CHECKING && ladder->failed)",
       "if (false)", "what was unmounted stays so, when the disk came back by another way")
mutant("shut-down-unasked", BEND,
       "if (next == INCIDENT_SHUTTING && plan->on_failed < ON_FAILED_SHUTDOWN)\n"
       "                next = INCIDENT_FAILED;\n        if (next == INCIDENT_UNMOUNTING",
       "if (next == INCIDENT_UNMOUNTING", "OnFailed=nothing shuts down")
mutant("shutdown-resumed-unasked", BEND,
       "if (next == INCIDENT_SHUTTING && plan->on_failed < ON_FAILED_SHUTDOWN)\n"
       "                next = INCIDENT_FAILED;\n        if (next == INCIDENT_CLEARING",
       "if (next == INCIDENT_CLEARING", "OnFailed=nothing shuts down after a restart")
mutant("unmounted-unasked", BEND, "plan->on_failed < ON_FAILED_UNMOUNT", "false",
       "OnFailed=shutdown unmounts")
mutant("mounted-unasked", BEND, "plan->on_failed < ON_FAILED_REMOUNT", "false",
       "OnFailed=unmount mounts again")
mutant("contained-for-good", BEND, "        if (ladder->contained)\n                return next;\n", "",
       "what was shut down over a hung disk is never mounted again")
mutant("revival-resumed-unasked", BEND,
       "if (next == INCIDENT_CLEARING && plan->on_recovered < ON_RECOVERED_REMOUNT)", "if (false)",
       "filesystems are unmounted by a policy that no longer holds")
mutant("revival-not-resumed", BEND,
       "return offline ? INCIDENT_DRAINING : INCIDENT_CLEARING;",
       "return offline ? INCIDENT_DRAINING : INCIDENT_SETTLING;",
       "a filesystem stays unmounted when the daemon is killed in between")
mutant("hang-unseen-in-revival", EVENT,
       "        if (event == EVENT_LIMIT || event == EVENT_GIVE_UP ||\n"
       "            ((event == EVENT_REPORT || event == EVENT_CONTAIN) &&\n"
       "             ladder->past.state == INCIDENT_HELD))\n"
       "                return event;\n", "",
       "a disk that hangs again is left alone for as long as a filesystem is held")
mutant("no-time-to-unmount", PLAN, "if (step == STEP_FS_CLEAR || step == STEP_FS_UMOUNT)", "if (false)",
       "an unmount that hangs is never told")
mutant("no-time-to-mount", PLAN, "if (step == STEP_FS_MOUNT)", "if (false)",
       "a mount that hangs is never told")
mutant("remounted-though-only-watched", PLAN, "return policy->act || policy->on", "return true || policy->on",
       "what somebody reset by hand, on a disk that is to be left alone, is unmounted, too")
mutant("unmounted-forgotten-by-a-cure", BEND,
       "if (next == INCIDENT_RECOVERED && state != INCIDENT_REVIVING)", "if (false)",
       "a filesystem stays unmounted when its disk hangs again while it is being mounted")
mutant("unmounted-forgotten-by-a-refusal", BEND,
       "if (next == INCIDENT_HEALTHY && state != INCIDENT_RECOVERED)", "if (false)",
       "the same, when the next reset is not carried out")
mutant("unmounted-forgotten-by-a-restart", BEND,
       "if (next == INCIDENT_HEALTHY && past->unmounted)", "if (false)",
       "the same, when the daemon is killed while that is only reported")
mutant("failed-and-unmounted-forgotten", LADDER,
       "                ladder->past.unmounted = ladder->contained ||\n"
       "                                         plan->on_failed == ON_FAILED_REMOUNT;\n", "",
       "the same, when the daemon is killed while it fails the disk for the second time")

# ---- bend.c and event.c: what an earlier daemon left in the kernel ----

mutant("dead-controller-drains", BEND,
       "        if (next == INCIDENT_DRAINING && offline && plan->finish != STEP_NONE &&\n"
       "            footing != FOOTING_SYSTEM)\n                next = INCIDENT_FINISHING;\n", "",
       "what waits in the head of a multipath disk waits for ever")
mutant("system-controller-removed", BEND,
       "offline && plan->finish != STEP_NONE &&\n            footing != FOOTING_SYSTEM)",
       "offline && plan->finish != STEP_NONE)", "the machine loses the disk that it runs from")
mutant("left-act-kept-on-the-dead", EVENT,
       "        if (view->symptom->offline)\n                return EVENT_GIVEN_UP;\n", "",
       "a controller that died after a restart is waited for without end")
mutant("left-act-ended-at-once", EVENT,
       "return view->now >= ladder->deadline && may(view, view->plan->end)",
       "return may(view, view->plan->end)", "a reset that would have returned is ended")
mutant("left-act-ended-unasked", EVENT,
       "return view->now >= ladder->deadline && may(view, view->plan->end)",
       "return view->now >= ladder->deadline", "Act=no takes a controller away")
mutant("left-act-for-ever", EVENT,
       "if (ladder->deadline == USEC_INFINITY)\n                return EVENT_NONE;",
       "return EVENT_NONE;", "a reset that sticks is waited for without end after a restart")
mutant("left-act-is-never-over", LADDER,
       "if (ladder->past.state == INCIDENT_SETTLING && !symptom->held && !symptom->offline)",
       "if (false)",
       "a controller is taken away for a recovery of the kernel that only began later")
