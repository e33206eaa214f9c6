/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The table of the ladder tells which state follows which, for any disk. What can be done to this
 * one, what its policy allows and what stands on it bend the way. Pure. */

#include "agent/decide/ladder.h"

/* The state that is entered where the table has NEXT. */
enum incident_state ladder_bend(const struct ladder *ladder, const struct plan *plan,
                                enum incident_state next, enum footing footing);

/* The state in which a daemon takes up what an earlier one left. OFFLINE: the disk is so now. */
enum incident_state ladder_bend_resumed(const struct ladder_past *past, const struct plan *plan,
                                        bool offline, enum footing footing);
