"""How clients of databases and of gRPC introduce themselves, by what real ones sent, and that secrets are not kept."""

from __future__ import annotations

import struct

import pytest
from notation import play_pool as _unused  # noqa: F401
