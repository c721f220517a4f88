"""Become another program that ends when its parent ends. Run as a script of its own:

    python -I -S tether.py SIGNAL PARENT UID GID PROGRAM [ARGUMENT…]

On Linux the kernel sends SIGNAL (a number) to PROGRAM once the thread that started it is gone, so a killed
supervisor leaves nothing behind. UID and GID are those to run PROGRAM as, or -1 to keep the present ones. They
are dropped here, after the interpreter has started, because the account need not be able to reach the interpreter;
and before prctl, because a change of user forgets it. This is a program rather than subprocess's `preexec_fn`, which
is unsafe in a process with threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Never returns: becomes the program, or exits 1 with the reason on stderr."""
    death_signal, parent, uid, gid = (int(argument) for argument in arguments[:4])
    program = arguments[4:]
    if uid != -1:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        sys.exit(0)
    for inherited in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(inherited, signal.SIG_DFL)
    try:
        os.execv(program[0], program)  # noqa: S606 - the arguments are the supervisor's own, and no shell is wanted
    except OSError as error:
        sys.exit(f"cannot run {program[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
