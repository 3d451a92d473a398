"""The one thing that pyproject.toml cannot say: the wheel brings the configuration that it starts from."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithConf(build_py):
    """Copies conf, but for what is a user's own, into the package of a wheel."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, "semiser", "conf")
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree("conf", target, ignore=shutil.ignore_patterns("local"))


setup(cmdclass={"build_py": WithConf})
