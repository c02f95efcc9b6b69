"""The one source of randomness: generators keyed by strings, so neighbouring seeds share nothing."""

import hashlib
from random import Random


def rng_for(name: str, seed: int, index: int) -> Random:
    """Return a random generator that depends on all three keys.

    `seed + i` would make neighbouring seeds share nearly all rows; hashing the written-out key does not.
    """
    key = f"{name}\x00{seed}\x00{index}".encode()
    return Random(int.from_bytes(hashlib.blake2b(key, digest_size=16).digest(), "big"))
