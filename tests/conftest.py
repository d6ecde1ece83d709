"""What holds for every test."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_endpoint_of_the_developer(monkeypatch):
    """No test may reach, or bill, the endpoint that the shell it runs in is set up for."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
