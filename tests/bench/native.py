"""An emulated machine that tests can have: the guest runs natively, as if this Python were an arm64 one."""

import sys
from pathlib import Path

from bench.emulation.machine import Machine

RUN = "runpy.run_path(sys.argv[0], run_name='__main__')"


class Native(Machine):
    """Runs the guest's script by this Python."""

    def command(self, script: Path, *arguments: str) -> list[str]:
        pretend = f"import platform, runpy, sys; platform.machine = lambda: 'aarch64'; sys.argv = sys.argv[1:]; {RUN}"
        return [sys.executable, "-c", pretend, str(script), *arguments]
