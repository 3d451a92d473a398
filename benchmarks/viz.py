"""How long kedro-viz takes to start, and how large a static build is.

    python benchmarks/viz.py [--rounds 3]

In the project's folder, after a run, so that there is something to preview. Prints seconds, the reference being the
interpreter with kedro-viz imported: what the project itself adds is the rest.
"""

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

REGISTER = """
from pathlib import Path
from kedro.framework.startup import bootstrap_project
bootstrap_project(Path.cwd())
from kedro.framework.project import pipelines
dict(pipelines)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    tasks = {
        "interpreter with kedro-viz": lambda: _python("import kedro_viz.server"),
        "registering all pipelines": lambda: _python(REGISTER),
        "live: until the graph is served": _serve,
        "static build with previews": _build,
    }
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            seconds[name].append(time.perf_counter() - start)
    reference = statistics.median(seconds["interpreter with kedro-viz"])
    for name, found in seconds.items():
        median = statistics.median(found)
        print(f"{name:34s} {median:6.2f} s   {median / reference:5.2f} of the interpreter with kedro-viz")
    files = [path for path in Path("build").rglob("*") if path.is_file()]
    previews = sum(path.stat().st_size for path in files if "api" in path.parts)
    print(
        f"build: {sum(path.stat().st_size for path in files) / 1e6:.1f} MB, graph and previews {previews / 1e6:.1f} MB"
    )
    shutil.rmtree("build")


def _python(code: str) -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def _serve() -> None:
    """Start the live server and wait for its graph; it is a group of processes, which ends together."""
    port = next(port for port in range(4141, 4341) if _is_free(port))  # kedro-viz refuses the higher ones
    command = [sys.executable, "-m", "kedro", "viz", "run", "--no-browser", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait_for(f"http://127.0.0.1:{port}/api/main", server)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) != 0


def _wait_for(address: str, server: subprocess.Popen, limit_s: float = 120) -> None:
    end = time.monotonic() + limit_s
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=limit_s) as answer:
                answer.read()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"kedro viz did not answer within {limit_s:.0f} s")


def _build() -> None:
    command = [sys.executable, "-m", "kedro", "viz", "build", "--include-previews"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if not Path("build/index.html").is_file():
        raise SystemExit("kedro viz build left no build/index.html")


if __name__ == "__main__":
    main()
