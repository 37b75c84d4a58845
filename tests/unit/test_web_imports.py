"""The web process stays light: what computes is never imported, and what is slow only when it is needed."""

from __future__ import annotations

import json
import subprocess
import sys


def test_importing_the_web_app_imports_no_torch_and_no_music21() -> None:
    script = "import sys, json, web.app; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert loaded & {"torch", "music21", "matplotlib", "cli"} == set()
