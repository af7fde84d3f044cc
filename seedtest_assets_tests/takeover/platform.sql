-- A small platform on the day before it takes the project: its questions, and what its own nightly job left, last at 03:10 UTC
-- yesterday. Everything hangs on the date, so it is made anew for each test run. :day is yesterday, the first night to come.
-- Students 1 to 90 answer (school.py); 91 to 93 are long away. Students 1 and 2 have a text id, which the view hashes.
CREATE FUNCTION pg_temp.student(n bigint) RETURNS text LANGUAGE sql AS
    $$ SELECT md5('student-' || lpad(n::text, 2, '0'))::uuid::text $$;

CREATE TABLE alembic_version (version_num varchar(128) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('20251105_1400');

CREATE TABLE question (
    id bigint PRIMARY KEY,
    content text NOT NULL,
    topic_id text,
    meta jsonb DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ix_question_meta ON question USING gin (meta);

CREATE TABLE mirt_item_params (
    item_id text PRIMARY KEY,
    model text,
    params jsonb NOT NULL,
    version text,
    fitted_at timestamptz DEFAULT now()
);
-- Items 23 and 24 are newer than the last night; 901 and 902 are retired.
INSERT INTO mirt_item_params
SELECT n::text, '2PL', jsonb_build_object('a', 1, 'b', n / 10.0), 'v1', :day + interval '03:10' FROM generate_series(1, 22) AS n
UNION ALL
SELECT n::text, '2PL', '{"a": 0.9, "b": -0.4, "c": null}', 'v1', :day - interval '120 days' FROM generate_series(901, 902) AS n;

CREATE TABLE mirt_ability (
    user_id text NOT NULL,
    theta double precision NOT NULL,
    se double precision,
    model text,
    version text,
    fitted_at timestamptz DEFAULT now(),
    CONSTRAINT pk_mirt_ability_user_version PRIMARY KEY (user_id, version)
);
CREATE INDEX ix_mirt_ability_user_fitted_at ON mirt_ability (user_id, fitted_at);
INSERT INTO mirt_ability
SELECT pg_temp.student(n), n / 100.0, 0.3, '2PL', 'v1', :day + interval '03:10' FROM generate_series(1, 90) AS n
UNION ALL
SELECT pg_temp.student(n), 0.5, 0.33, '2PL', 'v1', :day - interval '150 days' FROM generate_series(91, 93) AS n
UNION ALL
SELECT pg_temp.student(n), 0.6, 0.4, '2PL', 'online', :day + interval '14 hours' FROM generate_series(3, 90, 5) AS n;

CREATE TABLE mirt_fit_meta (
    run_id text PRIMARY KEY,
    model_spec jsonb,
    metrics jsonb,
    fitted_at timestamptz DEFAULT now()
);
INSERT INTO mirt_fit_meta
SELECT 'irt-fit-' || n, '{"model": "2PL", "n_items": 22, "linking_constants": {"A": 1.02, "B": -0.01, "n_anchors_used": 8}}', '{}',
    :day + interval '03:10' - n * interval '1 day'
FROM generate_series(0, 9) AS n;

CREATE TABLE features_topic_daily (
    user_id text NOT NULL,
    topic_id text NOT NULL,
    date date NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    correct integer NOT NULL DEFAULT 0,
    avg_time_ms integer,
    theta_estimate numeric(6, 3),
    last_seen_at timestamptz,
    computed_at timestamptz NOT NULL DEFAULT now(),
    hints integer NOT NULL DEFAULT 0,
    theta_sd numeric(6, 3),
    rt_median integer,
    improvement numeric(6, 3),
    CONSTRAINT pk_features_topic_daily PRIMARY KEY (user_id, topic_id, date)
);
CREATE INDEX ix_features_topic_daily_topic_date ON features_topic_daily (topic_id, date);
INSERT INTO features_topic_daily
SELECT pg_temp.student(n), 'topic-01', :day - 40, 6, 4, 20000 + n, 0.2, now(), now(), 1, 0.31, 18000, 0.05
FROM generate_series(1, 90) AS n;
-- Posted by the interface, without an answer: on the day itself, too.
INSERT INTO features_topic_daily (user_id, topic_id, date)
SELECT pg_temp.student(n), 'reading', :day - d FROM generate_series(1, 90) AS n, generate_series(0, 5) AS d;

CREATE TABLE weekly_kpi (
    user_id text NOT NULL,
    week_start date NOT NULL,
    kpis jsonb NOT NULL DEFAULT '{}',
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_weekly_kpi PRIMARY KEY (user_id, week_start)
);
INSERT INTO weekly_kpi (user_id, week_start, kpis)
SELECT pg_temp.student(n), date_trunc('week', :day)::date - 7, '{"I_t": 0.1}' FROM generate_series(1, 90) AS n;

CREATE TABLE interest_goal (
    user_id text NOT NULL,
    topic_id text NOT NULL,
    target_level numeric(6, 3),
    CONSTRAINT pk_interest_goal PRIMARY KEY (user_id, topic_id)
);
INSERT INTO interest_goal SELECT pg_temp.student(n), 'topic-01', 0.5 FROM generate_series(1, 9) AS n;
