"""A bucket of students. Apart from what works on answers: `seedtest status` has no use for Arrow."""

from dataclasses import dataclass
from math import gcd


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """The students whose id has a CRC-32 (of its UTF-8) of `number` modulo `n_buckets`."""

    number: int
    n_buckets: int

    def meets(self, other: "Bucket") -> bool:
        """Tell whether a student may be in both."""
        return (self.number - other.number) % gcd(self.n_buckets, other.n_buckets) == 0

    def contains(self, other: "Bucket") -> bool:
        """Tell whether all students of another one are in this one."""
        return other.n_buckets % self.n_buckets == 0 and self.meets(other)


EVERYBODY = Bucket(number=0, n_buckets=1)
