# SPDX-License-Identifier: LGPL-2.1-or-later
"""What every style check needs: the files of the tree, C seen as a lexer sees it, the objects."""

import json
import os
import re
import subprocess
import sys

SKIP = 77  # what meson reads as "skipped"
C_FOLDERS = ("agent", "include", "tests")


def files(root):
    """Every file of the project, relative to the top, as git sees it (or, outside git, as the
    disk does): a file that is ignored is not ours, one that is not yet added is."""
    if os.path.exists(os.path.join(root, ".git")):
        git = subprocess.run(
            ["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z", "--cached", "--others",
             "--exclude-standard"], capture_output=True, check=False)
        if git.returncode == 0:
            names = {name for name in git.stdout.decode().split("\0") if name}
            return sorted(name for name in names if os.path.isfile(os.path.join(root, name)))
    found = []
    for folder, folders, names in os.walk(root):
        # A build directory is known by what meson leaves in it, whatever its name.
        folders[:] = [f for f in folders if f not in (".git", "__pycache__")
                      and not os.path.exists(os.path.join(folder, f, "meson-private"))]
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    return sorted(found)


def c_files(root, folders=("agent", "include")):
    return [f for f in files(root) if f.endswith((".c", ".h")) and f.split("/")[0] in folders]


def read(root, name):
    with open(os.path.join(root, name), "rb") as f:
        return f.read().decode("utf-8", "replace")


# One alternative per thing whose inside is not code.
_NOT_CODE = re.compile(
    r"""//(?:\\\r?\n|[^\n])*            # a line comment, also one continued by a backslash
      | /\*.*?(?:\*/|\Z)                # a comment
      | "(?:\\.|[^"\\\n])*(?:"|$)       # a string
      | '(?:\\.|[^'\\\n])*(?:'|$)       # a character
    """, re.S | re.X | re.M)
_DIRECTIVE = re.compile(r"^[ \t]*\#(?:\\\r?\n|[^\n])*", re.M)


def _blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def without_comments(text):
    """TEXT with comments blanked out; what is left stands in the same line and column."""
    return _NOT_CODE.sub(lambda m: _blank(m) if m.group().startswith("/") else m.group(), text)


def code_only(text):
    """TEXT without comments, strings, characters and preprocessor lines, in the same places."""
    return _DIRECTIVE.sub(_blank, _NOT_CODE.sub(_blank, text))


_ATTRIBUTE = re.compile(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)")
_CALL = re.compile(r"([A-Za-z_]\w*)\s*\($")


def _function_name(head):
    """The name that the head of a block at file level declares, and where in HEAD it stands;
    None when the block is no function body but a type or an initializer."""
    head = _ATTRIBUTE.sub(_blank, head)
    depth, name, last_close = 0, None, -1
    for i, c in enumerate(head):
        if c == "(":
            if depth == 0:
                name = _CALL.search(head[:i + 1]) or name
            depth += 1
        elif c == ")":
            depth -= 1
            last_close = i
        elif c == "=" and depth == 0:
            return None
    # After the parameters come only words such as attribute macros, never a new declarator.
    if not name or depth != 0 or not re.fullmatch(r"[\w\s]*", head[last_close + 1:]):
        return None
    return name.group(1), name.start(1)


def functions(text):
    """(name, first line, last line) of every function body, from the name to the closing brace."""
    code, found, depth, start = code_only(text), [], 0, 0
    opened = None
    for i, c in enumerate(code):
        if c == "{":
            if depth == 0:
                opened = _function_name(code[start:i])
                head = start
            depth += 1
        elif c == "}":
            depth = max(0, depth - 1)
            if depth == 0:
                if opened:
                    first = code.count("\n", 0, head + opened[1]) + 1
                    found.append((opened[0], first, code.count("\n", 0, i) + 1))
                opened, start = None, i + 1
        elif c == ";" and depth == 0:
            start = i + 1
    return found


def objects(root, build, *folders):
    """{source relative to the top: [its object files]} for what was compiled from FOLDERS, read
    from the compilation database that meson leaves in BUILD. A source may be compiled twice."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
        database = json.load(f)
    found = {}
    for entry in database:
        source = os.path.relpath(
            os.path.realpath(os.path.join(entry["directory"], entry["file"])),
            os.path.realpath(root))
        output = os.path.join(entry["directory"], entry.get("output", ""))
        if source.startswith(tuple(f + "/" for f in folders)) and os.path.isfile(output):
            found.setdefault(source, []).append(output)
    return found


_SYMBOL = re.compile(r"^[0-9a-f]+ (.{7}) (\S+)\t[0-9a-f]+ +(?:\.hidden )?(\S+)$")


def symbols(path):
    """(name, section, is it global) of every symbol in an object file or a static library."""
    dump = subprocess.run(["objdump", "-t", path], capture_output=True, check=True, text=True)
    if "__gnu_lto_slim" in dump.stdout:
        print("the objects hold no code, only what link-time optimization wants: skipped")
        sys.exit(SKIP)
    for line in dump.stdout.splitlines():
        match = _SYMBOL.match(line)
        if match:
            yield match.group(3), match.group(2), "g" in match.group(1) or "u" in match.group(1)


def finish(violations, checked):
    """Prints the violations and ends the check. Nothing checked is a failure as well: a check
    that looks at the wrong place must not pass for ever."""
    for violation in violations:
        print(violation)
    if checked == 0:
        print("nothing was found to check")
    print(f"{checked} checked, {len(violations)} violations")
    sys.exit(1 if violations or checked == 0 else 0)
