"""Runs the tests of this folder; a line for each, the last line is `N passed, N failed, N skipped`."""

import pathlib
import sys
import time
import unittest


class Result(unittest.TestResult):
    """Prints as `cargo test` does."""

    def startTest(self, test):
        super().startTest(test)
        self.began, self.before = time.monotonic(), len(self.failures) + len(self.errors)

    def say(self, test, word):
        print(f"test {test.id()} ... {word} ({time.monotonic() - self.began:.1f} s)", flush=True)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        print(f"test {test.id()} ... skipped: {reason}", flush=True)

    def stopTest(self, test):
        super().stopTest(test)
        if any(skipped is test for skipped, _ in self.skipped):
            return
        failed = len(self.failures) + len(self.errors) > self.before
        self.say(test, "FAILED" if failed else "ok")


def main():
    folder = str(pathlib.Path(__file__).parent)
    sys.path.insert(0, folder)
    suite = unittest.defaultTestLoader.discover(folder)
    result = Result()
    suite.run(result)
    wrong = result.failures + result.errors
    for test, trace in wrong:
        print(f"\n--- {test.id()} {test}\n{trace}")
    # a test of several cases may be wrong in several
    failed = len({getattr(test, "test_case", test).id() for test, _ in wrong})
    skipped = len(result.skipped)
    print(f"{result.testsRun - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 1 if wrong else 0


sys.exit(main())
