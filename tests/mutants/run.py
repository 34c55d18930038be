#!/usr/bin/env python3
"""Applies one-line mutations to a copy of the tree and expects the test that each names to fail.

run.py --check              every mutation applies to exactly one place, and says which test kills it
run.py FOLDER [NAME..]      runs them (all without NAME) in a copy of the tree below FOLDER

A mutation that does not apply, does not compile, or survives fails the run. So does a test that fails without it.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "mutants"
# No test that a mutation names takes longer without one.
TEST_SECONDS_MAX = 300
FIELDS = {"file", "old", "new", "why", "package", "target", "test"}


class Mutant:
    """One mutation: `old` becomes `new` in `file`, and `test` of `target` in `package` must notice."""

    def __init__(self, path):
        self.name = path.stem
        table = tomllib.loads(path.read_text())
        if set(table) != FIELDS:
            raise ValueError(f"{path.name}: needs exactly {', '.join(sorted(FIELDS))}")
        for field in FIELDS:
            setattr(self, field, table[field])

    def problem(self):
        """Why it cannot be applied, if so."""
        text = (ROOT / self.file).read_text()
        found = text.count(self.old)
        if found != 1:
            return f"{self.name}: `{self.old}` occurs {found} times in {self.file}"
        if len(self.new.splitlines()) > len(self.old.splitlines()) + 1:
            return f"{self.name}: it is more than one line"
        return None

    def apply(self, tree):
        path = tree / self.file
        path.write_text(path.read_text().replace(self.old, self.new))

    def restore(self, tree):
        (tree / self.file).write_text((ROOT / self.file).read_text())

    def command(self, *rest):
        target = ["--lib"] if self.target == "lib" else ["--test", self.target]
        # The same features for everything, so that dependencies are built once. Features belong to the root package.
        features = ["--features", "faults"] if self.package == "forgetd" else []
        return ["cargo", "test", "--locked", "--quiet", "-p", self.package, *target, *features, *rest]


def run(command, tree, seconds=None):
    """Exit status and output; a status of None means that it ran out of time."""
    try:
        done = subprocess.run(
            command, cwd=tree, timeout=seconds, text=True, errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as late:
        return None, (late.stdout or b"").decode(errors="replace")
    return done.returncode, done.stdout


def run_test(mutant, tree):
    """The test's exit status, whether exactly that test ran, and its output."""
    exact = [] if mutant.target == "crash" else ["--exact"]
    status, output = run(mutant.command("--", mutant.test, *exact), tree, TEST_SECONDS_MAX)
    counts = re.findall(r"test result: \w+\. (\d+) passed; (\d+) failed", output)
    ran = sum(int(passed) + int(failed) for passed, failed in counts)
    return status, ran, output


def copy_tree(folder):
    """A copy with the same times, so that what did not change since the last copy is not built again."""
    tree = folder / "tree"
    tree.mkdir(parents=True, exist_ok=True)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, text=True,
        stdout=subprocess.PIPE,
    ).stdout.splitlines()
    wanted = {name for name in listed if (ROOT / name).is_file()}
    for path in [path for path in tree.rglob("*") if path.is_file()]:
        if str(path.relative_to(tree)) not in wanted:
            path.unlink()
    for name in wanted:
        source, copy = ROOT / name, tree / name
        if copy.exists() and copy.read_bytes() == source.read_bytes():
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
        shutil.copymode(source, copy)
    return tree


def survives(mutant, tree):
    """Why the mutation did not end as it must, if so."""
    mutant.apply(tree)
    try:
        status, output = run(mutant.command("--no-run"), tree)
        if status != 0:
            return f"does not compile\n{output}"
        status, ran, output = run_test(mutant, tree)
        if status is None:
            return f"{mutant.test} ran out of time"
        if status == 0:
            return f"SURVIVED {mutant.test}"
        if ran != 1:
            return f"{mutant.test} did not run\n{output}"
        return None
    finally:
        mutant.restore(tree)


def main(arguments):
    mutants = [Mutant(path) for path in sorted(HERE.glob("*.toml"))]
    problems = [problem for problem in (mutant.problem() for mutant in mutants) if problem]
    if problems or not mutants:
        print("\n".join(problems) or "no mutants")
        return 1
    if arguments == ["--check"]:
        print(f"note: {len(mutants)} mutants apply")
        return 0
    folder, names = pathlib.Path(arguments[0]), arguments[1:]
    unknown = set(names) - {mutant.name for mutant in mutants}
    if unknown:
        print(f"no mutant is called {', '.join(sorted(unknown))}")
        return 1
    chosen = [mutant for mutant in mutants if not names or mutant.name in names]
    tree = copy_tree(folder)
    tests = {(mutant.package, mutant.target, mutant.test): mutant for mutant in chosen}
    for mutant in tests.values():
        # Built first: the time limit is the test's alone.
        status, output = run(mutant.command("--no-run"), tree)
        if status != 0:
            print(f"{mutant.name}: does not compile without the mutation\n{output}")
            return 1
        status, ran, output = run_test(mutant, tree)
        if status != 0 or ran != 1:
            print(f"{mutant.name}: {mutant.test} must pass without the mutation; {ran} ran\n{output}")
            return 1
    survived = 0
    for mutant in chosen:
        why = survives(mutant, tree)
        survived += why is not None
        print(f"{mutant.name}: {why or 'killed'}", flush=True)
    print(f"mutants={len(chosen)} killed={len(chosen) - survived} survived={survived}")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
