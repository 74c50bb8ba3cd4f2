"""Text or e-mail your house: what a module author needs, and nothing else."""

from housecarl.module import Call, CommandError, Finding, Regular, Reply, Rest, Risk, command

__all__ = ["Call", "CommandError", "Finding", "Regular", "Reply", "Rest", "Risk", "command"]
__version__ = "0.1.0"
