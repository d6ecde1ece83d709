"""Fakes for tests, of this package and of yours: a language model from a function, and a server that misbehaves.

Both need no network, and both say afterwards what they were asked.
"""

from selfinstruct.testing.model import FakeLLM, in_order
from selfinstruct.testing.server import DRIP_SECONDS, FATAL, KINDS, TRANSIENT, FaultServer

__all__ = ["DRIP_SECONDS", "FATAL", "KINDS", "TRANSIENT", "FakeLLM", "FaultServer", "in_order"]
