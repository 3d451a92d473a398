"""Make the demo corpus again: `python -m semiser.demo [--output data/01_raw/demo]`, in one to two minutes.

It needs the extra `demo` (`pip install 'semiser[demo]'`). The speech is spoken in fresh processes and every draw is
seeded, so a second run with the same versions of the libraries writes the same bytes. A README.md in the folder stays
as it is; files of an older corpus that have no successor stay too, so start from an empty folder when names change.
"""

import argparse
from pathlib import Path

from semiser.demo.corpus import write_demo


def main(arguments: list[str] | None = None) -> None:
    """Write the corpus to the folder of the command line."""
    parser = argparse.ArgumentParser(prog="python -m semiser.demo", description="Make the demo corpus again.")
    parser.add_argument("--output", type=Path, default=Path("data/01_raw/demo"), help="folder (default: %(default)s)")
    write_demo(parser.parse_args(arguments).output)


if __name__ == "__main__":
    main()
