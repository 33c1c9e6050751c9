"""The ledger: what one sync put at its destination, as the engine keeps it for the adapter."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One thing that a sync put, or is about to put, at its destination.

    Attributes:
        key: the secret key at the source.
        name: the name at the destination, after the key schema.
        identity: what the destination tells things apart by, in a canonical text of the adapter's
            choosing (for Octopus: case-folded name and scope). Unique among the confirmed entries
            of a ledger, and among its intents; an intent may repeat that of a confirmed entry.
        remote_id: the destination's own id for it, which nothing at another instance has; None
            where the destination has no such ids. If a sync that was led to another instance finds
            the ids of what it left there again, the old place is not cleaned by itself: it seems to
            be the same.
            Of an intent: None if the write creates the thing, its id if the write deletes it.
        digest: `request.digest(identity, value)` of the value last written. It lets a later run
            see that nothing changed where values cannot be read back.
        version: the destination's version at which it was certain that this entry held its value;
            None if that is not certain, and then the value is written again. Of an intent: the
            version that the write was based on.
        confirmed: False for an intent: a write that was about to happen when this was recorded.
            Whoever finds one after a crash must look whether the write took place.
    """

    key: str
    name: str
    identity: str
    remote_id: str | None
    digest: str
    version: str | None = None
    confirmed: bool = True
