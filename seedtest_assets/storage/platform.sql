-- The platform's own tables, as the embedded database has them. In production they exist and are never touched.
SELECT pg_advisory_xact_lock(hashtext('seedtest platform'));

CREATE TABLE IF NOT EXISTS question (
    id bigint PRIMARY KEY,
    content text,
    topic_id text,
    meta jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE IF NOT EXISTS attempt (
    -- Numbers that a session takes a thousand at a time: a row of an import takes a tenth less.
    id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1000),
    student_id text NOT NULL,
    item_id text NOT NULL,
    correct boolean NOT NULL,
    response_time_ms integer,
    hint_used boolean,
    attempt_no integer,
    started_at timestamptz,
    completed_at timestamptz NOT NULL,
    session_id text,
    topic_id text,
    -- In the order in which answers come: a row is added at the end of the index, and a day's rows are found by it, too.
    PRIMARY KEY (completed_at, student_id, item_id)
);
ALTER TABLE attempt ADD COLUMN IF NOT EXISTS score double precision, ADD COLUMN IF NOT EXISTS max_score double precision;

CREATE TABLE IF NOT EXISTS responses (
    user_id text NOT NULL,
    item_id text NOT NULL,
    is_correct boolean,
    responded_at timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS exam_results (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id text NOT NULL,
    session_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz,
    result_json jsonb NOT NULL
);
