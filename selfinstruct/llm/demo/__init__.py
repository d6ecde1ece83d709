"""The offline teacher behind `--model demo`: the whole loop can be watched without a key, a network or a download."""

from __future__ import annotations

from selfinstruct.llm.demo.teacher import DemoTeacher

__all__ = ["DemoTeacher"]
