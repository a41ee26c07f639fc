"""First pass over a survey: personal data out, natural keys and content hashes, the raw records to a spool."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cim.personal import Cipher
from ingest.census.columns import text_of
from ingest.census.hashing import U64, as_hex, key_hashes, row_hashes
from ingest.census.mapping import VERSION, key_text
from ingest.census.prepare import HASH, KEY, PERSONAL, ROW
from ingest.census.profile import CensusProfile
from ingest.layer import GEOMETRY, SurveyLayer
from ingest.spool import Spool


@dataclass
class Scan:
    """First pass over a layer: what is known of every record, and the records themselves in a spool.

    Parameters
    ----------
    layer
        The survey.
    profile
        Says which fields make the key and which are personal.
    seed
        What the mapped result depends on besides the record (profile text, datum).
    spool
        Takes the records as read, personal fields taken out.
    known
        Natural key, code and content hash of the dataset's buildings.
    cipher
        Encrypts the fields the profile keeps; None where it keeps none.
    """

    layer: SurveyLayer
    profile: CensusProfile
    seed: str
    spool: Spool
    known: pa.Table
    cipher: Cipher | None = None
    personal: dict[str, int] = field(default_factory=dict)
    bad_id_cards: list[int] = field(default_factory=list)
    _key_hash: list[U64] = field(default_factory=list)
    _position: list[NDArray[np.int64]] = field(default_factory=list)
    _unchanged: list[NDArray[np.bool_]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.last_position = np.empty(0, np.int64)

    @property
    def n(self) -> int:
        """Records read."""
        return len(self.spool)

    @property
    def key_hash(self) -> U64:
        """Hash of the natural key, 0 = incomplete, shape (n,)."""
        return np.concatenate([*self._key_hash, np.empty(0, np.uint64)])

    @property
    def position(self) -> NDArray[np.int64]:
        """Position among the known buildings, -1 = the key is new, shape (n,)."""
        return np.concatenate([*self._position, np.empty(0, np.int64)])

    @property
    def unchanged(self) -> NDArray[np.bool_]:
        """Records equal to what the register has, shape (n,)."""
        return np.concatenate([*self._unchanged, np.empty(0, np.bool_)])

    def batches(self) -> Iterator[tuple[pa.RecordBatch, NDArray[np.bool_]]]:
        """Yield every batch with the columns `ROW`, `KEY` and `HASH`, and the rows of it that are new or changed."""
        hidden = self.profile.personal
        fields = [name for name in self.layer.fields if name not in hidden]
        used = [name for name in self.profile.sources() if name in fields]
        self.personal |= {name: 0 for name in self.layer.fields if name in hidden}
        known_keys = KeyIndex(self.known.column("key").combine_chunks())
        known_hash = self.known.column("hash")
        for batch in self.layer.batches():
            n = batch.num_rows
            for name in self.personal:
                self.personal[name] += n - text_of(batch.column(name)).null_count
            keys = key_text(batch, self.profile)
            content = as_hex(row_hashes([*(batch.column(name) for name in used), batch.column(GEOMETRY)], n, f"{VERSION}|{self.seed}"))
            columns = {name: batch.column(name) for name in (*fields, GEOMETRY)}
            columns |= {ROW: pa.array(np.arange(self.n, self.n + n)), KEY: keys, HASH: content}
            if self.cipher is not None:
                columns[PERSONAL], wrong = _encrypted(batch, self.profile, self.cipher)
                self.bad_id_cards += [self.n + row for row in wrong]
            raw = pa.record_batch(list(columns.values()), names=list(columns))
            position = known_keys.positions(keys)
            unchanged = position >= 0
            if unchanged.any():
                at = np.flatnonzero(unchanged)
                then = known_hash.take(pa.array(position[at])).combine_chunks()
                unchanged[at] = np.asarray(pc.fill_null(pc.equal(content.take(pa.array(at)), then), False))
            self.spool.append(raw)
            self._key_hash.append(key_hashes(keys))
            self._position.append(position)
            self._unchanged.append(unchanged)
            self.last_position = position
            yield raw, ~unchanged


def _encrypted(batch: pa.RecordBatch, profile: CensusProfile, cipher: Cipher) -> tuple[pa.Array, list[int]]:
    """Return a JSON object of ciphertexts per row, and the rows whose identity number fails its check and is dropped."""
    from stdnum.cn import ric

    kept = [name for name in profile.keep_encrypted if name in batch.schema.names]
    texts = {name: text_of(batch.column(name)).to_pylist() for name in kept}
    out: list[str | None] = []
    wrong: list[int] = []
    for row in range(batch.num_rows):
        cells = {}
        for name in kept:
            value = texts[name][row]
            if value is not None and name == profile.id_card and not ric.is_valid(value):
                wrong.append(row)
                continue
            if value is not None:
                cells[name] = cipher.encrypt(value)
        out.append(json.dumps(cells) if cells else None)
    return pa.array(out, pa.string()), wrong


def repeated_keys(key_hash: U64) -> list[NDArray[np.int64]]:
    """Return the groups of rows that share a natural key, rows ascending."""
    order = np.argsort(key_hash, kind="stable")
    ordered = key_hash[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.empty(0, np.int64)
    ends = np.r_[starts[1:], len(ordered)]
    several: NDArray[np.int64] = np.flatnonzero((ends - starts > 1) & (ordered[starts] != 0)) if len(ordered) else starts
    return [order[starts[i] : ends[i]] for i in several]


class KeyIndex:
    """Where each of many natural keys stands: one sorted hash array for all batches.

    Parameters
    ----------
    keys
        Known keys, shape (m,).
    """

    def __init__(self, keys: pa.Array) -> None:
        self._keys = keys.cast(pa.string())
        hashes = key_hashes(self._keys)
        self._order = np.argsort(hashes, kind="stable")
        self._sorted = hashes[self._order]

    def positions(self, keys: pa.Array) -> NDArray[np.int64]:
        """Return the position of each key among the known ones, -1 where it is none, shape (n,)."""
        if len(self._sorted) == 0:
            return np.full(len(keys), -1, np.int64)
        text = keys.cast(pa.string())
        wanted = key_hashes(text)
        at = np.minimum(np.searchsorted(self._sorted, wanted), len(self._sorted) - 1)
        found = np.where((self._sorted[at] == wanted) & (wanted != 0), self._order[at], -1)
        hit = np.flatnonzero(found >= 0)
        # Equal hashes of different keys are possible in principle: the texts decide.
        same = pc.equal(self._keys.take(pa.array(found[hit])), text.take(pa.array(hit)))
        found[hit[~np.asarray(pc.fill_null(same, False))]] = -1
        return found
