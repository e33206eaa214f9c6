#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""mutants.py ROOT COMPILER... [-- NAME]: a fault that is planted in the agent has to be found.

Each fault of planted.py is applied alone to a copy of its source, the unit tests are linked with it,
and one of them at least has to fail. What cannot be found because it changes nothing is in the list
too, with the reason, and must not be found. Prints who found what first."""

import concurrent.futures
import os
import subprocess
import sys
import tempfile

from planted import MUTANTS
from planted_act import MUTANTS as ACT_MUTANTS

MUTANTS = MUTANTS + ACT_MUTANTS

FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-O1", "-w"]
SOURCES = ["agent/detect/detector.c", "agent/detect/stall.c", "agent/detect/window.c",
           "agent/watch.c", "agent/decide/bend.c", "agent/decide/drivers.c",
           "agent/decide/event.c", "agent/decide/guard.c", "agent/decide/ladder.c", "agent/decide/names.c",
           "agent/decide/plan.c",
           "agent/act/controller.c", "agent/act/door.c", "agent/act/prepare.c",
           "agent/act/scsi.c", "agent/act/undo.c",
           "agent/base/file-util.c"]
DETECTOR = ["window", "detector", "detector-request", "failover", "watch", "detector-random"]
LADDER = ["guard", "plan", "ladder", "ladder-fail", "ladder-rungs", "ladder-revival", "watch", "ladder-all"]
ACT = ["controller", "undo", "prepare", "scsi"]
ALL = list(dict.fromkeys(DETECTOR + LADDER + ACT))
TRACES = "400"  # of each property: what needs more luck than that needs a test of its own
SECONDS = 60    # a test that takes longer hangs, which is a failure


def tests_for(source):
    if source.startswith("agent/act/"):
        return ACT
    return LADDER if source.startswith("agent/decide/") else DETECTOR


class Bench:
    def __init__(self, root, compiler, folder):
        self.root, self.compiler, self.folder = root, compiler, folder
        self.objects = {}

    def object(self, name):
        return os.path.join(self.folder, name.replace("/", "-") + ".o")

    def compile(self, path, to):
        run = subprocess.run([*self.compiler, *FLAGS, "-I", self.root, "-c", path, "-o", to],
                             text=True, capture_output=True, check=False)
        return None if run.returncode == 0 else run.stderr

    def prepare(self):
        tests = [f"tests/unit/test-{t}.c" for t in ALL]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for error in pool.map(
                    lambda n: self.compile(os.path.join(self.root, n), self.object(n)),
                    SOURCES + tests):
                assert error is None, error

    def fails(self, test, replaced, by, work):
        """Whether TEST fails when the object of source REPLACED is BY."""
        objects = [by if s == replaced else self.object(s) for s in SOURCES]
        program = os.path.join(work, test)
        subprocess.run([*self.compiler, self.object(f"tests/unit/test-{test}.c"), *objects,
                        "-lcmocka", "-lsgutils2", "-o", program], check=True)
        try:
            run = subprocess.run([program], env={**os.environ, "UNHANG_TRACES": TRACES},
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return True
        return run.returncode != 0

    def found_by(self, mutant):
        """The tests that find it, or what is wrong with it."""
        with open(os.path.join(self.root, mutant["file"]), encoding="utf-8") as f:
            text = f.read()
        if text.count(mutant["old"]) != 1:
            return f"its text is there {text.count(mutant['old'])} times"
        with tempfile.TemporaryDirectory(dir=self.folder) as work:
            source, by = os.path.join(work, "mutant.c"), os.path.join(work, "mutant.o")
            with open(source, "w", encoding="utf-8") as f:
                f.write(text.replace(mutant["old"], mutant["new"]))
            error = self.compile(source, by)
            if error:
                return "it does not compile\n" + error
            return next(([t] for t in tests_for(mutant["file"])
                         if self.fails(t, mutant["file"], by, work)), [])


def judge(mutant, found):
    if isinstance(found, str):
        return found
    if mutant.get("equivalent"):
        return "it is said to change nothing, and is found" if found else None
    return None if found else "SURVIVES"


def main(root, compiler, only):
    bad = 0
    mutants = [m for m in MUTANTS if not only or only in m["name"]]
    names = [m["name"] for m in MUTANTS]
    assert len(set(names)) == len(names), "two mutants have one name"
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(root, compiler, folder)
        bench.prepare()
        for test in ALL:
            assert not bench.fails(test, None, None, folder), f"test-{test} fails without a fault"
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for mutant, found in zip(mutants, pool.map(bench.found_by, mutants)):
                wrong = judge(mutant, found)
                bad += wrong is not None
                print(f"{mutant['name']:34}  {wrong or ' '.join(found) or 'changes nothing'}",
                      flush=True)
    equivalent = sum(1 for m in mutants if m.get("equivalent"))
    print(f"{len(mutants)} mutants, {equivalent} of them change nothing, {bad} wrong")
    return bad > 0


if __name__ == "__main__":
    arguments, _, wanted = " ".join(sys.argv[2:]).partition(" -- ")
    sys.exit(main(sys.argv[1], arguments.split(), wanted))
