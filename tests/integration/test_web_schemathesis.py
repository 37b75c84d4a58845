"""The OpenAPI document against the application: nothing breaks, and every answer is one that the document names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings as examples
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from web_app import NEWCOMER, TEXT, make_app, play
