# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults to plant in what acts on disks: every guard of an act on a controller, and what keeps the
values that are changed for a while. As in planted.py, which takes these in."""

CONTROLLER = "agent/act/controller.c"
UNDO = "agent/act/undo.c"
PREPARE = "agent/act/prepare.c"
SCSI = "agent/act/scsi.c"

MUTANTS = []


def mutant(name, file, old, new, harm):
    MUTANTS.append({"name": name, "file": file, "old": old, "new": new, "harm": harm,
                    "equivalent": None})


# ---- controller.c: what would never return ----

mutant("reset-that-cannot-be-ended", CONTROLLER,
       "if (!c->facts.multipath && c->facts.io_timeout == USEC_INFINITY && !can_end(c))",
       "if (false)", "a reset never returns, and nothing inside the guest can end it")
mutant("lockdown-can-end", CONTROLLER, "return !c->facts.lockdown &&\n               (", "return (",
       "a reset never returns under lockdown, where nothing can end it")
mutant("immovable-can-end", CONTROLLER, "(c->identify >= 0 && has_movable_bar(c))",
       "(c->identify >= 0)", "a reset never returns, for the registers cannot be moved")
mutant("bridge-taken-for-own", CONTROLLER, "(c->facts.own_bridge && c->values[VALUE_BUS].fd >= 0)",
       "(c->values[VALUE_BUS].fd >= 0)", "a reset never returns on a bus that it shares")
mutant("reset-when-not-live", CONTROLLER,
       'if (!is_in_state(c, "live"))\n                return -EBUSY;\n        return trigger',
       "return trigger", "a second reset is asked for while one is under way")
mutant("fail-when-not-live", CONTROLLER,
       'if (r < 0 || strcmp(state, "live") != 0)\n                return -EBUSY;\n        r = fail(c);',
       "r = fail(c);", "the registers go away under a reset, and no reset follows")
mutant("fail-without-bar", CONTROLLER,
       "        if (!has_movable_bar(c))\n                return -EOPNOTSUPP;\n"
       "        r = change(c, VALUE_MAX",
       "        r = change(c, VALUE_MAX", "32 bits behind a BAR are overwritten with the next one's")
mutant("bar-kept", CONTROLLER,
       "return memcmp(now, AWAY, sizeof(now)) == 0 ? 0 : -EOPNOTSUPP;", "return 0;",
       "a plain reset where the registers stay: it may never return")
mutant("retries-kept", CONTROLLER, 'r = change(c, VALUE_MAX_RETRIES, "0");', "r = 0;",
       "with multipath what is in flight hangs on after the controller is dead")
mutant("nothing-put-back", CONTROLLER,
       "r = fail(c);\n        error = put_back(c, c->holder);", "r = fail(c);\n        error = 0;",
       "max_retries stays 0: the next aborted request of any controller is an error")
mutant("end-not-put-back", CONTROLLER, ": end_by_identify(c);\n        error = put_back(c, c->holder);",
       ": end_by_identify(c);\n        error = 0;", "the controller never comes back")
mutant("end-what-is-live", CONTROLLER,
       'if (!is_in_state(c, "resetting") && !is_in_state(c, "connecting"))', "if (false)",
       "a live controller is taken off the bus: remove never returns")
mutant("end-what-is-dead", CONTROLLER, "if (is_given_up(c))\n                return 0;",
       "(void) 0;", "a controller that is dead already is said to be refused")
mutant("remove-first", CONTROLLER,
       "if (c->facts.io_timeout == USEC_INFINITY && !is_given_up(c) &&", "if (false &&",
       "remove never returns, and no reset can follow")
mutant("remove-not-waited-for", CONTROLLER,
       "(!is_being_given_up(c) || !wait_until_given_up(c))", "true",
       "what its driver has let go of stays on the bus, and no rescan finds it")
mutant("remove-that-hangs", CONTROLLER,
       "(!is_being_given_up(c) || !wait_until_given_up(c))",
       "(!is_being_given_up(c) || (wait_until_given_up(c), false))",
       "remove waits for ever behind one that does")
mutant("remove-with-the-bar-away", CONTROLLER,
       "r = controller_restore(c);\n        if (r < 0)\n                return r;\n        if (c->f",
       "r = 0;\n        if (c->f", "remove before the reset with the BAR away never returns")
mutant("remove-though-not-put-back", CONTROLLER,
       "r = controller_restore(c);\n        if (r < 0)\n                return r;\n        if (c->f",
       "(void) controller_restore(c);\n        if (c->f",
       "a controller whose BAR is still away is taken off the bus")
mutant("restore-only-own", CONTROLLER, "error = put_back(c, domain);", "(void) domain;",
       "what a hanging step has changed stays changed")
mutant("rescan-believed", CONTROLLER, "return access(c->function, F_OK) < 0 ? -ENODEV : 0;",
       "return 0;", "a controller that is not back is said to be")
mutant("seven-three-timeout-left", CONTROLLER, "if (c->values[VALUE_ADMIN].fd >= 0) {",
       "if (false) {", "on 7.3 the end takes 60 s more")

# ---- undo.c ----

mutant("baseline-of-another", UNDO, "if (!found->any) {", "if (true) {",
       "a second controller takes the first one's 0 for the value from before")
mutant("restored-under-others", UNDO, "if (!found.others) {", "if (true) {",
       "a controller's max_retries are put back while another is being failed")
mutant("never-restored", UNDO, "if (!found.others) {", "if (false) {",
       "max_retries stays 0")
mutant("dropped-unwritten", UNDO, "if (r < 0 && !has_gone(r))\n                        return r;",
       "(void) 0;", "what could not be put back is forgotten")
mutant("noted-though-refused", UNDO,
       "if (r < 0 && !found.own)\n                (void) write_line(undo, found.free_line, NULL);",
       "(void) 0;", "a value that was never changed is written later")
mutant("unlocked", UNDO, "r = flock(undo->fd, LOCK_EX);", "r = 0;",
       "two executors write one line of the table")
mutant("any-offset", UNDO, "line->offset == value->offset &&", "",
       "one register is taken for another")
mutant("everybody-gone", UNDO, "|| !is_gone(line.holder, userdata)", "",
       "what a living executor has changed is put back under its hands")
mutant("gone-kept", UNDO, "return has_gone(-errno) ? write_line(undo, i, NULL) : -errno;",
       "return 0;", "the table grows for ever")

# ---- prepare.c ----

mutant("hung-queue-written", PREPARE, "if (i == PROGRESS_POLLS)\n                        return -EBUSY;",
       "if (i == PROGRESS_POLLS)\n                        return 0;",
       "since 6.12 the preparer hangs with the disk, and the disk's queue is frozen for good")
mutant("not-joined", PREPARE, "r = undo_join(c->undo, c->holder, value);", "r = 0;",
       "a module's parameter is put back while another disk needs it")
mutant("left-though-hung", PREPARE, "r = moves(c);\n        return r < 0 ? r : see",
       "r = c->wanted == PREPARE_LEAVE ? 0 : moves(c);\n        return r < 0 ? r : see",
       "a hung disk that leaves its policy keeps the preparer")
mutant("written-again", PREPARE, "if (before == wanted * scale) {", "if (false) {",
       "each start of the daemon freezes every queue once")
mutant("own-timeout-taken-for-the-disks", PREPARE,
       "if ((r = undo_put_back(c->undo, c->holder, &value)) < 0 ||\n            (r = read",
       "if ((r = read",
       "a timeout stays that the policy no longer needs")
mutant("timeout-shortened", PREPARE, "if (c->timeout_at_least && ", "if (false && ",
       "a timeout that is longer by itself is shortened")
mutant("own-timeout-put-back", PREPARE, "if (r < 0 || now == c->wanted)", "if (r < 0)",
       "a disk that is prepared again has its own timeout for a moment")
mutant("milliseconds-to-module", PREPARE, "return see_to(c, 1000, dir, name);",
       "return see_to(c, 1, dir, name);", "a module waits a thousand times too long")

# ---- scsi.c ----

mutant("reset-escalates", SCSI, "kind | SG_SCSI_RESET_NO_ESCALATE", "kind",
       "a LUN reset that is refused goes on to the target, the bus and the host")
mutant("lun-for-bus", SCSI, "return reset(disk, SG_SCSI_RESET_DEVICE);",
       "return reset(disk, SG_SCSI_RESET_BUS);", "the whole bus is reset for one LUN")
mutant("reset-through-nothing", SCSI,
       "        if (disk->node < 0)\n                return -EBADF;\n        return disk->door",
       "        return disk->door", "a reset through a file that is closed")
mutant("state-through-nothing", SCSI,
       "        if (fd < 0)\n                return -EBADF;\n        r = disk",
       "        r = disk", "a state is written to a file that is closed")
mutant("ata-by-ioctl", SCSI, 'return disk->scan >= 0 ? write_text(disk, disk->scan, "- - -")\n'
       "                               : reset(disk, SG_SCSI_RESET_HOST);",
       "return reset(disk, SG_SCSI_RESET_HOST);", "a reset that libata does not have is tried")
mutant("offline-without-newline", SCSI, '"offline\\n"', '"offline"',
       "the kernel does not understand the state")
