"""Tokens, audit and process jobs of the server."""

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Identity, Index, Integer, SmallInteger, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from cim.db.tables.base import METADATA, id_column

JOB_STATES = ("accepted", "running", "successful", "failed", "dismissed")
"""States of a job, names of OGC API - Processes 1.0, 7.13 (statusCode)."""


def _now(name: str, note: str = "") -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=text("now()"), comment=note or None)


access_token = Table(
    "access_token",
    METADATA,
    id_column(),
    Column("name", Text, nullable=False, comment="what it is for, unique among the tokens in force"),
    Column("subject", Text, nullable=False, comment="person or account, author of its changes"),
    Column("role", Text, nullable=False, comment="viewer, editor, engineer, operator, admin"),
    Column("permissions", ARRAY(Text), comment="narrowed to these; empty = all of the role"),
    Column("collections", ARRAY(Text), comment="collections it sees; empty = all"),
    Column("writable", ARRAY(Text), comment="collections it may edit; empty = all it sees"),
    Column("divisions", ARRAY(Text), comment="divisions whose rows it sees, any level; empty = all"),
    Column("secret_sha256", Text, nullable=False, comment="of the whole token, hexadecimal; the token itself is shown once"),
    _now("created_at"),
    Column("created_by", Text, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("revoked_at", DateTime(timezone=True)),
    Column("last_used_at", DateTime(timezone=True), comment="to the minute"),
    CheckConstraint("role IN ('viewer', 'editor', 'engineer', 'operator', 'admin')", name="role"),
    Index("access_token_secret_sha256_key", "secret_sha256", unique=True),
    Index("access_token_name_key", "name", unique=True, postgresql_where=text("revoked_at IS NULL")),
    comment="Local API tokens; no service reads the hashes but the one that compares them",
)

audit_event = Table(
    "audit_event",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _now("recorded_at"),
    Column("subject", Text, nullable=False, comment="person, account or anonymous"),
    Column("role", Text, nullable=False),
    Column("token_id", UUID, comment="token it came with"),
    Column("address", Text, comment="network address of the client"),
    Column("action", Text, nullable=False, comment="create, replace, update, delete, upload, export, execute, dismiss, token"),
    Column("target", Text, nullable=False, comment="path of the resource"),
    Column("status", SmallInteger, nullable=False, comment="HTTP status of the answer; 0 = command line"),
    Column("request_id", Text, comment="as in the log and the answer's X-Request-ID"),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Index("audit_event_recorded_at_brin", "recorded_at", postgresql_using="brin"),
    Index("audit_event_subject_btree", "subject", "recorded_at"),
    comment="Every write, bulk export, process and token, by whom; rows are only added",
)

process_job = Table(
    "process_job",
    METADATA,
    id_column(),
    Column("process", Text, nullable=False, comment="process id"),
    Column("state", Text, nullable=False, server_default=text("'accepted'")),
    Column("inputs", JSONB, nullable=False),
    Column("request", JSONB, nullable=False, server_default=text("'{}'::jsonb"), comment="outputs, response and subscriber as asked"),
    Column("principal", JSONB, nullable=False, comment="role, grants and row filter the job runs with"),
    Column("subject", Text, nullable=False),
    Column("token_id", UUID),
    Column("message", Text, nullable=False, server_default=text("''")),
    Column("progress", SmallInteger, nullable=False, server_default=text("0"), comment="0-100"),
    Column("attempts", Integer, nullable=False, server_default=text("0"), comment="times a worker took it up"),
    Column("results", JSONB, comment="output name -> value, or {file, media type} in the job folder"),
    Column("problem", JSONB, comment="why it failed: code, title, detail, status"),
    Column("queue_id", BigInteger, comment="job of the queue that runs it"),
    _now("created_at"),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    _now("updated_at"),
    CheckConstraint("state IN ('accepted', 'running', 'successful', 'failed', 'dismissed')", name="state"),
    CheckConstraint("progress BETWEEN 0 AND 100", name="progress"),
    Index("process_job_created_at_btree", "created_at", "id"),
    Index("process_job_subject_btree", "subject", "created_at"),
    comment="Jobs of OGC API - Processes: state, progress and results outlive every restart",
)
