#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""check-includes.py ROOT: the rule of inclusion, and one door per library.

A file includes its own folder, agent/base/ and include/; only the files directly in agent/ include
the folders; base/ sees only itself and include/; include/ only itself. Each external library is
included by the files in DOORS and nowhere else; a library that is not named there by nobody."""

import os
import re
import sys

import tree

WIRING = r"agent/[^/]+"

# What may be included -> by which files.
DOORS = [
    (r"libudev\.h", r"agent/observe/udev\.c"),
    (r"scsi/sg_(lib|pt|cmds|unaligned|pr2serr|json).*\.h", r"agent/act/scsi\.c"),
    (r"libnvme\.h|nvme/.*", r"agent/act/nvme\.c"),
    (r"(libmount/)?libmount\.h", r"agent/observe/mounts\.c"),
    (r"ini\.h", r"agent/conf/reader\.c"),
    (r"systemd/sd-bus\.h", r"agent/report/bus(-append|-methods)?\.c|agent/ctl/client\.c|agent/act/manager\.c"),
    (r"systemd/sd-event\.h", WIRING + r"|agent/report/bus\.c"),
]

# The C library, and the kernel's interface as libc and linux-libc-dev bring it.
LIBC = set("""
alloca.h arpa/inet.h assert.h byteswap.h complex.h cpio.h ctype.h dirent.h dlfcn.h elf.h endian.h
err.h errno.h error.h execinfo.h fcntl.h features.h fenv.h float.h fnmatch.h ftw.h getopt.h glob.h
grp.h iconv.h ifaddrs.h inttypes.h iso646.h langinfo.h libgen.h limits.h link.h locale.h malloc.h
math.h mntent.h mqueue.h netdb.h net/if.h netinet/in.h netinet/tcp.h paths.h poll.h printf.h
pthread.h pty.h pwd.h regex.h sched.h scsi/scsi.h scsi/scsi_ioctl.h scsi/sg.h search.h semaphore.h
setjmp.h signal.h spawn.h stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h
stdlib.h stdnoreturn.h string.h strings.h syslog.h termios.h threads.h time.h uchar.h ucontext.h
unistd.h utime.h utmpx.h values.h wchar.h wctype.h wordexp.h
""".split())
KERNEL = re.compile(r"(sys|linux|asm|asm-generic)/[\w/.-]+\.h")

PURE = ("agent/detect", "agent/decide")
PURE_LIBC = {"stdbool.h", "stdint.h", "stddef.h", "assert.h", "string.h", "limits.h", "errno.h"}

INCLUDE = re.compile(r"^[ \t]*#[ \t]*(include\w*|import)[ \t]*(.*?)[ \t]*$", re.M)


def judge_ours(name, target):
    """Why NAME may not include the project's TARGET, or None."""
    folder, wanted = os.path.dirname(name), os.path.dirname(target)
    if os.path.normpath(target) != target or not target.startswith(("agent/", "include/")):
        return "is not written relative to the top"
    if wanted == "include":
        return None
    if folder == "include":
        return "include/ includes only include/"
    if folder == "agent" or wanted in (folder, "agent/base"):
        return None
    if folder == "agent/base":
        return "base/ includes only itself and include/"
    return f"{folder}/ includes only itself, agent/base/ and include/"


def judge_theirs(name, target):
    """Why NAME may not include the external TARGET, or None."""
    if os.path.dirname(name) in PURE:
        return None if target in PURE_LIBC else "detect/ and decide/ are pure"
    for header, allowed in DOORS:
        if re.fullmatch(header, target):
            return None if re.fullmatch(allowed, name) else f"its only door is {allowed}"
    if target in LIBC or KERNEL.fullmatch(target):
        return None
    return "is a library without a door"


def judge(name, directive, operand):
    match = re.fullmatch(r'"([^"]+)"|<([^>]+)>', operand)
    if directive != "include" or not match:
        return "is no plain #include"
    return judge_ours(name, match.group(1)) if match.group(1) else judge_theirs(name, match.group(2))


def main(root):
    violations, names = [], tree.c_files(root)
    for name in names:
        text = tree.without_comments(tree.read(root, name))
        for match in INCLUDE.finditer(text):
            reason = judge(name, match.group(1), match.group(2))
            if reason:
                line = text.count("\n", 0, match.start(1)) + 1
                violations.append(f"{name}:{line}: #{match.group(1)} {match.group(2)}: {reason}")
    tree.finish(violations, len(names))


main(sys.argv[1])
