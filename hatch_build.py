"""Compiling the scheduler when a wheel is built.

The pure core is typed strictly throughout, so mypyc can turn it into extension modules, which run it about twice
as fast. Where there is no C compiler, or ``HAIZEA_COMPILE=0`` is set, the wheel holds Python alone and does the
same. An editable installation is never compiled: there the source is what runs.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGES = ("model", "plan", "core")
MODULES = (
    "app/results",
    "runtime/clocks",
    "runtime/loop",
    "runtime/workload",
    "backends/simulated",
    "experiments/records",
    # Not the policies and what they must offer: users derive from them, and they are copied with what they have learnt.
    "policy/views",
    "policy/money",
)
# Native classes cannot derive from built-in exceptions.
LEFT_OUT = ("core/states",)

SETUP = """
import sys
from mypyc.build import mypycify
from setuptools import setup
# What is only imported may need packages, or their types, that are not here; it is checked elsewhere.
OPTIONS = ["--strict", "--follow-imports=silent"]
modules = mypycify([*OPTIONS, *sys.argv[3:]], opt_level="3")
for module in modules:
    # Nobody replaces our functions when they are loaded, so they can be called directly and put into each other.
    module.extra_compile_args.append("-fno-semantic-interposition")
setup(name="haizea-compiled", packages=[], ext_modules=modules,
      script_args=["build_ext", "--build-lib", sys.argv[1], "--build-temp", sys.argv[2], "--parallel", "2"])
"""


class CompileHook(BuildHookInterface[Any]):
    """Adds extension modules to a wheel, where they can be made."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, unless this is an editable installation or it is not wanted."""
        wanted = os.environ.get("HAIZEA_COMPILE", "auto")
        if version == "editable" or self.target_name != "wheel" or wanted == "0":
            return
        source = Path(self.root) / "src"
        self._scratch = tempfile.TemporaryDirectory(prefix="haizea-compile-")
        built = Path(self._scratch.name) / "lib"
        command = [sys.executable, "-c", SETUP, str(built), str(Path(self._scratch.name) / "temp"), *_modules(source)]
        done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
        found = sorted(built.rglob(f"*{sysconfig.get_config_var('EXT_SUFFIX')}"))
        if done.returncode or not found:
            if wanted == "1":
                raise RuntimeError(f"the scheduler could not be compiled:\n{done.stdout}{done.stderr}")
            self.app.display_warning("haizea: not compiled (no C compiler?); the scheduler runs at half the speed")
            return
        build_data["infer_tag"] = True
        build_data["pure_python"] = False
        for path in found:
            build_data["force_include"][str(path)] = str(path.relative_to(built))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Clean up."""
        scratch = getattr(self, "_scratch", None)
        if scratch is not None:
            scratch.cleanup()


def _modules(source: Path) -> list[str]:
    """Return the files to compile, as paths below the source folder."""
    files = [path for package in PACKAGES for path in sorted((source / "haizea" / package).glob("*.py"))]
    files += [source / "haizea" / f"{module}.py" for module in MODULES]
    left_out = {source / "haizea" / f"{module}.py" for module in LEFT_OUT}
    return [str(path.relative_to(source)) for path in files if path.name != "__init__.py" and path not in left_out]
