"""Stores whose bytes can be compared, and tasks that can be counted."""

import uuid

import pytest

from jaxreg.engine import distribute, layout


@pytest.fixture
def same_id(monkeypatch):
    """Stores that are bound to one name: their bytes can be compared."""
    monkeypatch.setattr(layout.uuid, "uuid4", lambda: uuid.UUID(int=16))


@pytest.fixture
def one_by_one(monkeypatch):
    """Every task a tile."""
    monkeypatch.setattr(distribute._Pace, "learn", lambda self, seconds, tiles: None)
