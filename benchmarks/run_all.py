"""Run every benchmark, one after the other, and write what they print to one page, its ratios in a table at the top.

    python benchmarks/run_all.py [--casia <folder>] [--clips <folder of videos>] [--only is10 began_step] [--device cpu]
        [--page build/benchmarks.md]
    python benchmarks/run_all.py --quick [--renew]

Every figure is printed by the program that measures it, as a ratio against a reference that runs beside it; this only
collects them, with the machine and the versions. Benchmarks that need a real corpus or clips are left out where no
folder is given, and the page says so. Give the machine nothing else to do meanwhile. The programs `select_*.py` choose
options and measure no speed.

`--quick` takes the training steps alone, in short, and compares their ratios with those of `ratios.json`: where one is
more than 1.5 times the kept one, the exit code is 1. `--renew` keeps what it finds instead.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
LIBRARIES = ("numpy", "scipy", "pyarrow", "torch", "opensmile", "soundfile", "soxr", "av", "opencv-python-headless")
# Name -> arguments; {casia}, {clips} and {device} stand for what was given.
BENCHMARKS = {
    "is10": "--root {casia}",
    "audio_features": "--root {casia}",
    "features_memory": "--root {casia}",
    "family_costs": "--root {casia}",
    "scaling": "--root {casia} --times 1 10",
    "millions": "--root {casia}",
    "engines": "--root {casia}",
    "pitch": "--root {casia}",
    "proxy_labels": "--casia {casia}",
    "face_track": "{clips}",
    "word2vec": "",
    "paired_tests": "",
    "mmmd_step": "--device {device}",
    "mmmd_stream": "--device {device}",
    "device": "--device {device} --steps 10",
    "threads": "",
    "device_memory": "",
    "avspnet_pretrain": "",
    "began_step": "--device {device}",
    "mssgan_step": "--device {device} --small",
    "cmkt_step": "--device {device}",
    "training_memory": "",
    "half_shards": "--root {casia}",
    "viz": "",
}
# The short form: lower is better in each.
QUICK = {
    "mmmd_step": "--steps 5",
    "cmkt_step": "--steps 20",
    "avspnet_pretrain": "--batch 4 --rounds 3",
    "began_step": "--steps 2",
    "mssgan_step": "--small --features fbank --steps 3",
}
KEPT = HERE / "ratios.json"
WORSE = 1.5  # times the kept ratio
# "step / floor = 1.23", "ratio, median of rounds 1.23"
RATIO = re.compile(r"(?P<what>[^,;:|=]*\bratio|[^,;:|=]*\S / [^=]*)[^\d=]*=?\s*(?P<value>\d+\.\d+)")


def main() -> None:
    """Run and write, or compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--casia", type=Path, help="folder of CASIA, or of any corpus for all but is10 and engines")
    parser.add_argument("--clips", type=Path, help="folder of mp4 files with faces")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--page", type=Path, default=Path("build/benchmarks.md"))
    parser.add_argument("--quick", action="store_true", help="the steps alone, against the ratios that are kept")
    parser.add_argument("--renew", action="store_true", help="keep the ratios of --quick")
    arguments = parser.parse_args()
    if arguments.quick:
        sys.exit(quick(arguments.renew))
    arguments.page.parent.mkdir(parents=True, exist_ok=True)
    given = {"casia": arguments.casia, "clips": arguments.clips, "device": arguments.device}
    sections, ratios = [], []
    for name in arguments.only:
        text, printed = section(name, given)
        sections.append(text)
        ratios += [(name, *found) for found in ratios_of(printed)]
        page = machine() + table(ratios) + "".join(sections)
        arguments.page.write_text(page, encoding="utf-8")  # after each: what is done is kept
    print(f"written: {arguments.page}")


def quick(renew: bool) -> int:
    """Run the steps in short and compare their ratios with those that are kept; the exit code."""
    found = {}
    for name, words in QUICK.items():
        code, printed, _ = run(name, words.split())
        if code:
            print(printed)
            return code
        found |= {f"{name}: {what}": value for what, value, _ in ratios_of(printed)}
    if renew:
        KEPT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        return 0
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    worse = [name for name, value in kept.items() if found.get(name, float("inf")) > WORSE * value]
    for name, value in found.items():
        verdict = f"kept: {kept[name]:.2f}" if name in kept else "not kept: run with --renew"
        print(f"{name} {value:.2f}, {verdict}{', WORSE' if name in worse else ''}")
    for name in worse:
        print(f"{name}: more than {WORSE} times what is kept, or not measured any more: {KEPT.name}", file=sys.stderr)
    return 1 if worse else 0


def ratios_of(printed: str) -> list[tuple[str, float, str]]:
    """What is compared, the ratio, and the line that says so."""
    lines = [(line, RATIO.search(line)) for line in printed.splitlines()]
    return [(found["what"].strip(), float(found["value"]), line.strip()) for line, found in lines if found]


def table(ratios: list[tuple[str, str, float, str]]) -> str:
    """All ratios, with the lines that they were printed in."""
    rows = [f"| {name} | {value:g} | {line.replace('|', '/')} |" for name, _, value, line in ratios]
    return "\n".join(["", "| benchmark | ratio | as printed |", "|---|---|---|", *rows, ""])


def run(name: str, words: list[str]) -> tuple[int, str, float]:
    """Exit code of a benchmark, what it printed, and its seconds."""
    start = time.perf_counter()
    ended = subprocess.run([sys.executable, HERE / f"{name}.py", *words], capture_output=True, text=True)
    seconds = time.perf_counter() - start
    printed = ended.stdout if ended.returncode == 0 else f"{ended.stdout}{ended.stderr}\nexit code {ended.returncode}\n"
    print(f"{name}: {seconds:.0f} s, exit code {ended.returncode}", flush=True)
    return ended.returncode, printed, seconds


def machine() -> str:
    """What the figures were measured on."""
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    about = f"{platform.machine()}, {os.cpu_count()} processors{load}; Python {platform.python_version()}"
    return f"# Benchmarks\n\n{platform.system()} on {about}; {versions}.\n"


def section(name: str, given: dict[str, object]) -> tuple[str, str]:
    """One benchmark: what it says of itself, its command, what it printed, how long it took; and what it printed."""
    needs = [key for key, value in given.items() if value is None and f"{{{key}}}" in BENCHMARKS[name]]
    if needs:
        return f"\n## {name}\n\nLeft out: it needs --{needs[0]}.\n", ""
    clips = [str(path) for path in sorted(given["clips"].glob("*.mp4"))] if given["clips"] else []
    words = BENCHMARKS[name].split()
    filled = [part for word in words for part in (clips if word == "{clips}" else [word.format(**given)])]
    _, printed, seconds = run(name, filled)
    about = (HERE / f"{name}.py").read_text(encoding="utf-8").splitlines()[0].strip('"')
    said = BENCHMARKS[name].format(casia="<CASIA>", clips="<clips>", device=given["device"])
    command = f"python benchmarks/{name}.py {said}".strip()
    return f"\n## {name}\n\n{about} `{command}`, {seconds:.0f} s.\n\n```\n{printed.rstrip()}\n```\n", printed


if __name__ == "__main__":
    main()
