# SPDX-License-Identifier: MIT
"""What a program of cases says: a line for each of them, status, name and diagnostic, separated
by tabs, which cases.sh makes lines of TAP of."""
import time

# What a busy machine may take for what is done at once on an idle one, in seconds: whoever
# waits for a condition gives up after it, and nobody waits for it who is right.
SLACK = 20


def say(good, name, why=""):
    print(0 if good else 1, name, str(why).replace("\n", " "), sep="\t", flush=True)


def is_equal(got, want, name):
    say(got == want, name, f"got {got}, want {want}")


def until(what, within=SLACK):
    """True as soon as what() is."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.01)
    return False
