-- The tables of version 0.1.0, as its migrations 0001 and 0002 made them.
CREATE TABLE mirt_item_params (
    partition_date date NOT NULL,
    item_id text NOT NULL,
    model text NOT NULL,
    params jsonb NOT NULL,
    se_a double precision,
    se_b double precision,
    se_c double precision,
    n_responses bigint NOT NULL,
    is_anchor boolean NOT NULL,
    version text NOT NULL,
    run_id text NOT NULL,
    fitted_at timestamptz NOT NULL,
    PRIMARY KEY (partition_date, item_id)
);
CREATE TABLE mirt_ability (
    partition_date date NOT NULL,
    user_id text NOT NULL,
    theta double precision NOT NULL,
    se double precision NOT NULL,
    n_responses bigint NOT NULL,
    model text NOT NULL,
    version text NOT NULL,
    fitted_at timestamptz NOT NULL,
    PRIMARY KEY (partition_date, user_id)
);
CREATE TABLE mirt_fit_meta (
    run_id text PRIMARY KEY,
    partition_date date NOT NULL UNIQUE,
    model_spec jsonb NOT NULL,
    metrics jsonb NOT NULL,
    fitted_at timestamptz NOT NULL
);
CREATE TABLE student_topic_theta (
    partition_date date NOT NULL,
    user_id text NOT NULL,
    topic_id text NOT NULL,
    theta double precision NOT NULL,
    se double precision NOT NULL,
    n_responses bigint NOT NULL,
    model text NOT NULL,
    version text NOT NULL,
    fitted_at timestamptz NOT NULL,
    PRIMARY KEY (partition_date, user_id, topic_id)
);
CREATE TABLE features_topic_daily (
    user_id text NOT NULL,
    topic_id text NOT NULL,
    date date NOT NULL,
    attempts bigint NOT NULL,
    correct bigint NOT NULL,
    avg_time_ms double precision,
    rt_median double precision,
    hints bigint NOT NULL,
    theta_estimate double precision,
    theta_sd double precision,
    improvement double precision,
    improvement_basis text CHECK (improvement_basis IN ('theta', 'accuracy')),
    last_seen_at timestamptz NOT NULL,
    computed_at timestamptz NOT NULL,
    PRIMARY KEY (date, user_id, topic_id)
);
CREATE INDEX mirt_item_params_fitted_at ON mirt_item_params (fitted_at);
CREATE INDEX mirt_fit_meta_fitted_at ON mirt_fit_meta (fitted_at);
CREATE INDEX mirt_ability_user ON mirt_ability (user_id, partition_date);
CREATE INDEX student_topic_theta_user ON student_topic_theta (user_id, topic_id, partition_date);
CREATE TABLE seedtest_incident (
    incident_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL,
    level text NOT NULL CHECK (level IN ('warn', 'error')),
    what text NOT NULL,
    at_what text NOT NULL,
    owes text[] NOT NULL,
    times integer NOT NULL DEFAULT 1,
    opened_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    resolved_at timestamptz
);
CREATE UNIQUE INDEX seedtest_incident_open ON seedtest_incident (key) WHERE resolved_at IS NULL;
CREATE INDEX seedtest_incident_key ON seedtest_incident (key, incident_id);
COMMENT ON COLUMN seedtest_incident.owes IS 'what must still happen before it is resolved';
COMMENT ON COLUMN seedtest_incident.seen_at IS 'time of the newest event taken into account; older ones change nothing';
CREATE TABLE seedtest_alert_message (
    message_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident_id bigint NOT NULL REFERENCES seedtest_incident,
    kind text NOT NULL CHECK (kind IN ('opened', 'worse', 'resolved')),
    level text NOT NULL CHECK (level IN ('warn', 'error')),
    title text NOT NULL,
    body text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE seedtest_alert_delivery (
    message_id bigint NOT NULL REFERENCES seedtest_alert_message,
    channel text NOT NULL,
    channel_name text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_try_at timestamptz NOT NULL DEFAULT now(),
    last_error text,
    sent_at timestamptz,
    PRIMARY KEY (message_id, channel)
);
CREATE INDEX seedtest_alert_delivery_waiting ON seedtest_alert_delivery (channel, next_try_at) WHERE sent_at IS NULL;
CREATE TABLE seedtest_alembic_version (version_num varchar(32) NOT NULL CONSTRAINT seedtest_alembic_version_pkc PRIMARY KEY);
INSERT INTO seedtest_alembic_version VALUES ('0002');

-- Two days of results, an old one without features, an incident that is open and one that is over.
INSERT INTO mirt_item_params
SELECT day, 'i' || n, '2PL', jsonb_build_object('a', 1.5, 'b', n + extract(day FROM day), 'c', 0.0), 0.1, 0.1, NULL, 20, n = 0,
       day::text, 'fit-' || day, day + time '03:10' + interval '1 day'
FROM (VALUES (date '2025-01-31'), ('2025-03-08'), ('2025-03-09')) AS days (day), generate_series(0, 2) AS n
WHERE n < 2 OR day = '2025-03-08';
INSERT INTO mirt_ability
SELECT day, 'u' || n, n / 10.0, 0.3, 5, '2PL', day::text, day + time '03:10' + interval '1 day'
FROM (VALUES (date '2025-01-31'), ('2025-03-08'), ('2025-03-09')) AS days (day), generate_series(1, 3) AS n
WHERE n < 3 OR day < '2025-03-09';
INSERT INTO mirt_fit_meta
SELECT 'fit-' || day, day, jsonb_build_object('model', '2PL', 'linking_constants', '{"A": 1.1}'::jsonb), '{"loglik": -3.5}',
       day + time '03:10' + interval '1 day'
FROM (VALUES (date '2025-01-31'), ('2025-03-08'), ('2025-03-09')) AS days (day);
INSERT INTO student_topic_theta
SELECT day, 'u' || n, 't1', n + extract(day FROM day), 0.4, 4, '2PL', day::text, day + time '03:11' + interval '1 day'
FROM (VALUES (date '2025-03-08'), ('2025-03-09')) AS days (day), generate_series(1, 2) AS n WHERE n = 1 OR day = '2025-03-08';
INSERT INTO features_topic_daily
SELECT 'u' || n, 't1', day, 4, 3, 21034.5, 20500, 1, 0.4321, 0.3, 0.1, 'theta', day + time '20:00', day + time '03:12' + interval '1 day'
FROM (VALUES (date '2025-03-08'), ('2025-03-09')) AS days (day), generate_series(1, 2) AS n;
INSERT INTO seedtest_incident (key, level, what, at_what, owes, opened_at, seen_at, resolved_at) VALUES
    ('k1', 'error', 'run failed', 'the day', '{k1}', '2025-03-09', '2025-03-09', '2025-03-10'),
    ('k2', 'warn', 'item_drift', 'i0', '{k2}', '2025-03-10', '2025-03-10', NULL);
INSERT INTO seedtest_alert_message (incident_id, kind, level, title, body) VALUES (1, 'opened', 'error', 't', 'b'), (2, 'opened', 'warn', 't', 'b');
INSERT INTO seedtest_alert_delivery (message_id, channel, channel_name, sent_at) VALUES (1, 'c', 'mail', '2025-03-09'), (2, 'c', 'mail', NULL);
