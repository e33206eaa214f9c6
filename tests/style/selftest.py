#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""selftest.py CHECK COMPILER...: proves that check-CHECK.py can fail.

Plants a small tree in a temporary directory, with a fault in every way the check knows of and a
harmless look-alike beside each; every fault must be reported, and nothing else. Without its
faulty files, the same tree must pass."""

import json
import os
import re
import subprocess
import sys
import tempfile

LICENCE = "/* SPDX-License-Identifier: LGPL-2.1-or-later */\n"
C = LICENCE
H = LICENCE + "#pragma once\n"


def function(name, lines):
    return f"static inline void\n{name}(void) {{\n" + "        ;\n" * (lines - 2) + "}\n"


# CHECK -> (harmless files, faulty files, what must be reported); a file is its text, or that and
# its mode
CASES = {
    "includes": ({
        "agent/main.c": C + '#include <systemd/sd-event.h>\n#include "agent/act/scsi.h"\n',
        "agent/conf/reader.c": C + '#include <ini.h>\n#include <linux/fs.h>\n',
        "agent/act/scsi.c": C + '#include <scsi/sg_lib.h>\n#include "agent/act/scsi.h"\n'
                                '#include "agent/base/macro.h"\n#include "include/step.h"\n'
                                '// #include <libudev.h>\n/*\n#include <libudev.h>\n*/\n',
        "agent/act/scsi.h": H, "agent/base/macro.h": H, "include/step.h": H,
        "agent/detect/stall.c": C + '#include <string.h>\n#include "include/step.h"\n',
        "agent/ctl/client.c": C + '#  include  <systemd/sd-bus.h> /* the door */\n',
        "tests/unit/test-a.c": C + '#include <cmocka.h>\n',
    }, {
        "agent/act/bad.c": C + '#include "agent/decide/ladder.h"\n#include "agent/agent.h"\n'
                               '#include "../base/macro.h"\n#include "scsi.h"\n'
                               '#include <libudev.h>\n#include <scsi/sg_cmds_basic.h>\n'
                               '#include <systemd/sd-event.h>\n#include <glib.h>\n',
        "agent/agent.c": C + '#include <systemd/sd-bus.h>\n#include <systemd/sd-journal.h>\n'
                             '#include <libmount/libmount.h>\n#include <ini.h>\n',
        "agent/base/bad.h": H + '#include "agent/agent.h"\n#include <libnvme.h>\n',
        "include/bad.h": H + '#include "agent/base/macro.h"\n',
        "agent/ctl/bad.c": C + '#include "agent/report/bus.h"\n#include HEADER\n'
                               '#include_next <stdio.h>\n',
        "agent/decide/bad.c": C + '#include <stdio.h>\n#include <time.h>\n',
    }, [
        "agent/act/bad.c:2:", "agent/act/bad.c:3:", "agent/act/bad.c:4:", "agent/act/bad.c:5:",
        "agent/act/bad.c:6:", "agent/act/bad.c:7:", "agent/act/bad.c:8:", "agent/act/bad.c:9:",
        "agent/agent.c:2:", "agent/agent.c:3:", "agent/agent.c:4:", "agent/agent.c:5:",
        "agent/base/bad.h:3:", "agent/base/bad.h:4:", "include/bad.h:3:",
        "agent/ctl/bad.c:2:", "agent/ctl/bad.c:3:", "agent/ctl/bad.c:4:",
        "agent/decide/bad.c:2:", "agent/decide/bad.c:3:",
    ]),
    "pure": ({
        "agent/detect/stall.c": C + "#include <assert.h>\n#include <string.h>\nint help(int);\n"
                                    "int stall(char *p, int n, int (*cb)(int));\n"
                                    "int stall(char *p, int n, int (*cb)(int)) {\n"
                                    "assert(p); memset(p, 0, n); return help(n) + cb(n); }\n",
        "agent/detect/help.c": C + "int help(int n);\nint help(int n) { return n / 3; }\n",
        "agent/act/scsi.c": C + "#include <unistd.h>\nint act(void);\n"
                                "int act(void) { return getpid(); }\n",
    }, {
        "agent/detect/bad.c": C + "#include <time.h>\n#include <stdlib.h>\nvoid *now(void);\n"
                                  "void *now(void) { time(NULL); return malloc(3); }\n",
        "agent/decide/bad.c": C + "#include <stdio.h>\nint log_line(int);\nint help(int);\n"
                                  "int decide(int n);\nint decide(int n) {\n"
                                  "puts(\"x\"); return log_line(n) + help(n); }\n",
        "agent/decide/forgotten.c": C + "int forgotten;\n",
    }, [
        "agent/detect/bad.c: needs time()", "agent/detect/bad.c: needs malloc()",
        "agent/decide/bad.c: needs puts()", "agent/decide/bad.c: needs log_line()",
        "agent/decide/bad.c: needs help()", "agent/decide/forgotten.c: was not compiled",
    ]),
    "globals": ({
        "agent/main.c": C + "static int arg_level = 1;\nint *level(void);\n"
                            "int *level(void) { return &arg_level; }\n",
        "agent/base/log.c": C + "static int target = -1;\nint *fd(void);\n"
                                "int *fd(void) { return &target; }\n",
        "agent/act/table.c": C + "static const char *const names[] = { \"a\", \"b\" };\n"
                                 "static const struct { const char *n; int v; } table[] = {\n"
                                 "{ \"a\", 1 }, { \"b\", 2 } };\n"
                                 "const char *name(int i, int *);\n"
                                 "const char *name(int i, int *v) {\n"
                                 "static const int values[] = { 1, 2, 3 };\n"
                                 "*v = table[i].v + values[i]; return names[i]; }\n",
    }, {
        "agent/act/bad.c": C + "static int counter;\nstatic int preset = 3;\nint common;\n"
                               "static _Thread_local int mine;\n"
                               "static const char *names[] = { \"not\", \"const\" };\n"
                               "int *arg_of_act(int i);\nint *arg_of_act(int i) {\n"
                               "static int calls; names[i] = 0; *names[0]; counter++;\n"
                               "int *all[] = { &counter, &preset, &mine, &calls };\n"
                               "return all[i]; }\n",
        "agent/agent.c": C + "static int arg_level = 1;\nint *level2(void);\n"
                             "int *level2(void) { return &arg_level; }\n",
        "agent/forgotten.c": C + "int forgotten;\n",
    }, [
        "agent/act/bad.c: counter ", "agent/act/bad.c: preset ", "agent/act/bad.c: common ",
        "agent/act/bad.c: mine ", "agent/act/bad.c: names ", "calls ",
        "agent/agent.c: arg_level ", "agent/forgotten.c: was not compiled",
    ]),
    "headers": ({
        "include/good.h": H + "#include <stddef.h>\nstruct good { size_t n; };\n",
        "agent/act/good.h": H + '#include "include/good.h"\n'
                                "static inline size_t n(struct good *g) { return g->n; }\n",
    }, {
        "include/bad.h": H + "struct bad { size_t n; };\n",
        "agent/act/bad.h": H + "int bad(usec_t now);\n",
        "agent/ctl/bad.h": LICENCE + "struct twice { int n; };\n",
    }, ["include/bad.h: ", "agent/act/bad.h: ", "agent/ctl/bad.h: "]),
    "size": ({
        "agent/good.c": C + "#define QUOTE '\"'\n" + function("longest", 100) +
                        "static const struct s { int a; } t[] = {\n" + "        { 1 },\n" * 120 +
                        "};\n"
                        "struct __attribute__((packed)) wide {\n" + "        int a;\n};\n"
                        'static const char *brace = "}{\\"{";  /* { */ // {\n' +
                        function("a", 3) + function("b", 3),
        "agent/good.h": H + "/*\n" + " * x\n" * 96 + " */\n",
        "agent/edge.c": C + "//" + "x" * 98 + "\n" + "\n" * 598,
        "tests/unit/long.c": C + function("story", 150) + "\n" * 600,
    }, {
        "agent/bad.c": C + "int x __attribute__((unused));\n" + function("fine", 99) +
                       function("too_long", 101) + "/* \u00e4 */\tint y;\nint z; \n",
        "agent/ctl/bad.c": "\n" + C + "\n" * 599 + "//" + "x" * 99,
        "agent/bad.h": H + "\n" * 99,
        "agent/bad2.h": LICENCE,
        "tests/fuzz/bad.c": C + "\tint x;\n",
        "agent/median.c": C + "".join(function(f"f{i}", 20) for i in range(6)),
    }, [
        "agent/bad.c:104: too_long() has 101", "agent/bad.c:205: has a tab",
        "agent/bad.c:206: ends with blanks", "agent/ctl/bad.c:1: does not begin",
        "agent/ctl/bad.c:602: is 101 columns", "agent/ctl/bad.c:602: has no newline",
        "agent/ctl/bad.c: has 601 lines", "agent/bad.h: has 101 lines",
        "agent/bad2.h:1: has no #pragma once", "tests/fuzz/bad.c:2: has a tab",
        "the median function has 20 lines",
    ]),
    "leftovers": ({
        "README.md": "see /var/lib/ro" "ot/er, mkstemp(\"/tmp/aX" "XXXXX\"), TO" "DOS, a fra"
                     "mework/x, https://www.example.org/a/debian\n",
        "LICENSE": "TO" "DO\n",
    }, {
        "agent/bad.c": "/* TO" "DO: */\n// FIX" "ME\n// X" "XX: why\n",
        "tests/vm/run.sh": "cd /ho" "me/me\nls /ro" "ot/x\nhttp://mirror.example:3142/deb" "ian\n",
    }, [
        "agent/bad.c:1: ", "agent/bad.c:2: ", "agent/bad.c:3: ",
        "tests/vm/run.sh:1: ", "tests/vm/run.sh:2: ", "tests/vm/run.sh:3: ",
    ]),
    "scripts": ({
        "tests/run": ("#!/bin/sh\n", 0o755),
        "tests/vm/guest.py": "import os  # not #!/bin/sh\n",
        "tests/empty": "",
    }, {
        "tests/vm/times.py": "#!/usr/bin/env python3\n",
        "rules/99.rules": ("# a rule\n", 0o755),
    }, ["tests/vm/times.py: ", "rules/99.rules: "]),
}


def plant(top, files):
    for name, text in files.items():
        text, mode = text if isinstance(text, tuple) else (text, 0o644)
        path = os.path.join(top, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)


def compile_all(top, files, compiler):
    """What meson would have left behind; a file called forgotten.c is not in any target."""
    build, database = os.path.join(top, "build"), []
    os.makedirs(os.path.join(build, "meson-private"))
    for name in files:
        if name.endswith(".c") and not name.endswith("forgotten.c"):
            output = name.replace("/", "_") + ".o"
            subprocess.run([*compiler, "-w", "-O0", "-c", "-o", os.path.join(build, output),
                            os.path.join(top, name)], check=True)
            database.append({"directory": build, "file": "../" + name, "output": output})
    with open(os.path.join(build, "compile_commands.json"), "w", encoding="utf-8") as f:
        json.dump(database, f)
    return build


def run(check, files, compiler):
    """(exit status, reported lines) of the check over a tree of FILES."""
    with tempfile.TemporaryDirectory() as top:
        plant(top, files)
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"check-{check}.py")
        arguments = [top]
        if check in ("pure", "globals"):
            arguments.append(compile_all(top, files, compiler))
        elif check == "headers":
            arguments += compiler
        result = subprocess.run([sys.executable, script, *arguments], text=True,
                                capture_output=True, check=False)
        print(result.stdout + result.stderr)
        return result.returncode, result.stdout


def main(check, compiler):
    good, bad, expected = CASES[check]

    status, _ = run(check, good, compiler)
    assert status == 0, "harmless files were reported"

    status, report = run(check, {**good, **bad}, compiler)
    assert status == 1, f"ended with {status} in spite of the faults"
    for fault in expected:
        assert any(fault in line for line in report.split("\n")), f"not reported: {fault}"
    count = int(re.search(r"(\d+) violations$", report.strip()).group(1))
    assert count == len(expected), f"{count} reports for {len(expected)} faults"

    status, _ = run(check, {}, compiler)
    assert status == 1, "an empty tree passed"


main(sys.argv[1], sys.argv[2:])
