"""The console script `kinostate`: the same program as the binary."""

import signal
import sys

from ._kinostate import main as _main


def main() -> int:
    """Runs the command line with the arguments of this process and returns its exit code."""
    # What Rust does not catch ends the process at once, as it does the binary.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _main(["kinostate", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
