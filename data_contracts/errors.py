"""The errors of the house: one base class; what a retry cannot mend is told apart from what it can.

Belongs here: the classes every package raises. Does not belong here: messages of a particular table.
A message names the table, column or row, the value's class (never personal data) and the way out.
"""

from __future__ import annotations


class HandrailError(Exception):
    """Base of every error that Handrail raises on purpose."""


class PermanentError(HandrailError):
    """A retry will not help: the input, the settings or the code must change first."""


class TransientError(HandrailError):
    """A retry may help: something outside was busy, slow or away."""


class UsageError(PermanentError):
    """The command was called wrongly (exit code 2)."""


class BadInputError(PermanentError):
    """An input cannot be read at all; single bad rows go to quarantine instead."""


class GateError(PermanentError):
    """A gate kept yesterday's marts (exit code 4)."""


class LockedError(TransientError):
    """Another run holds the lock (exit code 75)."""
