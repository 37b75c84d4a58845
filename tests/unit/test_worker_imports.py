"""A CPU worker never loads torch: neither when it starts nor when it decodes."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
import worker.main
from core.brief import Brief
from core.catalog import Catalog
from core.decoders import choose_decoders
from core.generate import generate
from core.sampling_params import SamplingParams
catalog = Catalog()
decoder = choose_decoders("cpu").load(catalog.folder, catalog.card("drums"))
assert generate(decoder, Brief(SamplingParams(seed=1), bars=1))[0].finish_reason == "bars"
print("torch" in sys.modules)
"""


def test_a_worker_imports_no_torch() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
