"""Passwords for SMTP AUTH: argon2id, as strong as a small machine can check."""

from __future__ import annotations

#: KiB of memory, passes and lanes of one hash (OWASP: 19 MiB, 2, 1): a small machine manages it.
MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1


def hash_password(password: str) -> str:
    """The PHC string of a password, `$argon2id$…`, for `login.hash`."""
    from argon2 import PasswordHasher

    hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
    return hasher.hash(password)
