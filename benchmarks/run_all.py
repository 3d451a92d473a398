"""Run every benchmark, one after the other, and write what they print to one page, with the machine and the versions.

    python benchmarks/run_all.py [--casia <folder>] [--clips <folder of videos>] [--only is10 began_step] [--device cpu]
        [--page build/benchmarks.md]

Every figure is printed by the program that measures it, as a ratio against a reference that runs beside it; this only
collects them. Benchmarks that need a real corpus or clips are left out where no folder is given, and the page says so.
Give the machine nothing else to do meanwhile. The programs `select_*.py` choose options and measure no speed.
"""

import argparse
import os
import platform
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
    "device_memory": "",
    "avspnet_pretrain": "",
    "began_step": "--device {device}",
    "mssgan_step": "--device {device} --small",
    "cmkt_step": "--device {device}",
    "half_shards": "--root {casia}",
    "viz": "",
}


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--casia", type=Path, help="folder of CASIA, or of any corpus for all but is10 and engines")
    parser.add_argument("--clips", type=Path, help="folder of mp4 files with faces")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--page", type=Path, default=Path("build/benchmarks.md"))
    arguments = parser.parse_args()
    arguments.page.parent.mkdir(parents=True, exist_ok=True)
    given = {"casia": arguments.casia, "clips": arguments.clips, "device": arguments.device}
    with arguments.page.open("w", encoding="utf-8") as page:
        page.write(machine())
        for name in arguments.only:
            page.write(section(name, given))
            page.flush()
    print(f"written: {arguments.page}")


def machine() -> str:
    """What the figures were measured on."""
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    about = f"{platform.machine()}, {os.cpu_count()} processors{load}; Python {platform.python_version()}"
    return f"# Benchmarks\n\n{platform.system()} on {about}; {versions}.\n"


def section(name: str, given: dict[str, object]) -> str:
    """One benchmark: what it says of itself, its command, what it printed, and how long it took."""
    needs = [key for key, value in given.items() if value is None and f"{{{key}}}" in BENCHMARKS[name]]
    if needs:
        return f"\n## {name}\n\nLeft out: it needs --{needs[0]}.\n"
    clips = [str(path) for path in sorted(given["clips"].glob("*.mp4"))] if given["clips"] else []
    words = BENCHMARKS[name].split()
    filled = [part for word in words for part in (clips if word == "{clips}" else [word.format(**given)])]
    start = time.perf_counter()
    run = subprocess.run([sys.executable, HERE / f"{name}.py", *filled], capture_output=True, text=True)
    seconds = time.perf_counter() - start
    about = (HERE / f"{name}.py").read_text(encoding="utf-8").splitlines()[0].strip('"')
    printed = run.stdout if run.returncode == 0 else f"{run.stdout}{run.stderr}\nexit code {run.returncode}\n"
    said = BENCHMARKS[name].format(casia="<CASIA>", clips="<clips>", device=given["device"])
    command = f"python benchmarks/{name}.py {said}".strip()
    print(f"{name}: {seconds:.0f} s, exit code {run.returncode}", flush=True)
    return f"\n## {name}\n\n{about} `{command}`, {seconds:.0f} s.\n\n```\n{printed.rstrip()}\n```\n"


if __name__ == "__main__":
    main()
