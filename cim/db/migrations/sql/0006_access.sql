CREATE TABLE access_token (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	name TEXT NOT NULL,
	subject TEXT NOT NULL,
	role TEXT NOT NULL,
	permissions TEXT[],
	collections TEXT[],
	writable TEXT[],
	divisions TEXT[],
	secret_sha256 TEXT NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by TEXT NOT NULL,
	expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
	revoked_at TIMESTAMP WITH TIME ZONE,
	last_used_at TIMESTAMP WITH TIME ZONE,
	CONSTRAINT access_token_pk PRIMARY KEY (id),
	CONSTRAINT access_token_role_check CHECK (role IN ('viewer', 'editor', 'engineer', 'operator', 'admin'))
);

CREATE UNIQUE INDEX access_token_secret_sha256_key ON access_token (secret_sha256);

CREATE UNIQUE INDEX access_token_name_key ON access_token (name) WHERE revoked_at IS NULL;

COMMENT ON TABLE access_token IS 'Local API tokens; no service reads the hashes but the one that compares them';

COMMENT ON COLUMN access_token.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN access_token.name IS 'what it is for, unique among the tokens in force';

COMMENT ON COLUMN access_token.subject IS 'person or account, author of its changes';

COMMENT ON COLUMN access_token.role IS 'viewer, editor, engineer, operator, admin';

COMMENT ON COLUMN access_token.permissions IS 'narrowed to these; empty = all of the role';

COMMENT ON COLUMN access_token.collections IS 'collections it sees; empty = all';

COMMENT ON COLUMN access_token.writable IS 'collections it may edit; empty = all it sees';

COMMENT ON COLUMN access_token.divisions IS 'divisions whose rows it sees, any level; empty = all';

COMMENT ON COLUMN access_token.secret_sha256 IS 'of the whole token, hexadecimal; the token itself is shown once';

COMMENT ON COLUMN access_token.last_used_at IS 'to the minute';

CREATE TABLE audit_event (
	id BIGINT GENERATED ALWAYS AS IDENTITY,
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	subject TEXT NOT NULL,
	role TEXT NOT NULL,
	token_id UUID,
	address TEXT,
	action TEXT NOT NULL,
	target TEXT NOT NULL,
	status SMALLINT NOT NULL,
	request_id TEXT,
	detail JSONB DEFAULT '{}'::jsonb NOT NULL,
	CONSTRAINT audit_event_pk PRIMARY KEY (id)
);

CREATE INDEX audit_event_recorded_at_brin ON audit_event USING brin (recorded_at);

CREATE INDEX audit_event_subject_btree ON audit_event (subject, recorded_at);

COMMENT ON TABLE audit_event IS 'Every write, bulk export, process and token, by whom; rows are only added';

COMMENT ON COLUMN audit_event.subject IS 'person, account or anonymous';

COMMENT ON COLUMN audit_event.token_id IS 'token it came with';

COMMENT ON COLUMN audit_event.address IS 'network address of the client';

COMMENT ON COLUMN audit_event.action IS 'create, replace, update, delete, upload, export, execute, dismiss, token';

COMMENT ON COLUMN audit_event.target IS 'path of the resource';

COMMENT ON COLUMN audit_event.status IS 'HTTP status of the answer; 0 = command line';

COMMENT ON COLUMN audit_event.request_id IS 'as in the log and the answer''s X-Request-ID';

CREATE TABLE process_job (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	process TEXT NOT NULL,
	state TEXT DEFAULT 'accepted' NOT NULL,
	inputs JSONB NOT NULL,
	request JSONB DEFAULT '{}'::jsonb NOT NULL,
	principal JSONB NOT NULL,
	subject TEXT NOT NULL,
	token_id UUID,
	message TEXT DEFAULT '' NOT NULL,
	progress SMALLINT DEFAULT 0 NOT NULL,
	attempts INTEGER DEFAULT 0 NOT NULL,
	results JSONB,
	problem JSONB,
	queue_id BIGINT,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	started_at TIMESTAMP WITH TIME ZONE,
	finished_at TIMESTAMP WITH TIME ZONE,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	CONSTRAINT process_job_pk PRIMARY KEY (id),
	CONSTRAINT process_job_state_check CHECK (state IN ('accepted', 'running', 'successful', 'failed', 'dismissed')),
	CONSTRAINT process_job_progress_check CHECK (progress BETWEEN 0 AND 100)
);

CREATE INDEX process_job_subject_btree ON process_job (subject, created_at);

CREATE INDEX process_job_created_at_btree ON process_job (created_at, id);

COMMENT ON TABLE process_job IS 'Jobs of OGC API - Processes: state, progress and results outlive every restart';

COMMENT ON COLUMN process_job.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN process_job.process IS 'process id';

COMMENT ON COLUMN process_job.request IS 'outputs, response and subscriber as asked';

COMMENT ON COLUMN process_job.principal IS 'role, grants and row filter the job runs with';

COMMENT ON COLUMN process_job.progress IS '0-100';

COMMENT ON COLUMN process_job.attempts IS 'times a worker took it up';

COMMENT ON COLUMN process_job.results IS 'output name -> value, or {file, media type} in the job folder';

COMMENT ON COLUMN process_job.problem IS 'why it failed: code, title, detail, status';

COMMENT ON COLUMN process_job.queue_id IS 'job of the queue that runs it';
