"""Adds up what `cargo test` says of each test binary (standard input) and what other checks said (arguments).

summary.py PASSED FAILED SKIPPED EXIT_CODE: the counts of the other checks, and how `cargo test` ended. Prints which tests failed and,
as the last line, `N passed, N failed, N skipped`; ends with 1 if anything failed.
"""

import re
import sys

RESULT = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;")
NAMED = re.compile(r"^test (.+) \.\.\. FAILED$")
# A binary that died, or did not compile, has no result line.
DEAD = re.compile(r"^error: (?:test failed, to rerun pass|could not compile) .*")


def main():
    passed, failed, skipped, ended = map(int, sys.argv[1:])
    before, names, dead = failed, [], []
    failed_binaries = 0
    for line in sys.stdin:
        line = line.rstrip("\n")
        if found := RESULT.match(line):
            counts = [int(count) for count in found.groups()]
            passed, failed, skipped = passed + counts[0], failed + counts[1], skipped + counts[2]
            failed_binaries += counts[1] > 0
        elif found := NAMED.match(line):
            names.append(found[1])
        elif DEAD.match(line):
            dead.append(line)
    lost = max(len(dead) - failed_binaries, 0)
    if ended != 0 and failed == before and lost == 0:
        lost = 1
    print()
    for line in names + (dead if lost else []):
        print(f"failed: {line}")
    if lost:
        print(f"{lost} test binaries did not compile or died before they could tell; each counts as one failure")
    print(f"{passed} passed, {failed + lost} failed, {skipped} skipped")
    sys.exit(1 if failed + lost or ended else 0)


main()
