-- The platform's result tables, made where they do not exist: its columns, keys and index names (variant B of student_topic_theta).
-- A statement ends with a line that ends with a semicolon; the comment above it names the table.

-- mirt_item_params
CREATE TABLE mirt_item_params (
    item_id text PRIMARY KEY,
    model text,
    params jsonb NOT NULL,
    version text,
    fitted_at timestamptz DEFAULT now()
);

-- mirt_ability
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

-- mirt_fit_meta
CREATE TABLE mirt_fit_meta (
    run_id text PRIMARY KEY,
    model_spec jsonb,
    metrics jsonb,
    fitted_at timestamptz DEFAULT now()
);

-- student_topic_theta
CREATE TABLE student_topic_theta (
    user_id text NOT NULL,
    topic_id text NOT NULL,
    theta double precision NOT NULL,
    se double precision,
    model text NOT NULL,
    version text,
    fitted_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_student_topic_theta PRIMARY KEY (user_id, topic_id)
) WITH (
    -- A night changes the rows of the active students, on many platforms most of them. With room for the new row on the same page no
    -- index is written.
    fillfactor = 50
);
CREATE INDEX ix_theta_user_topic ON student_topic_theta (user_id, topic_id);

-- features_topic_daily
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
CREATE INDEX ix_ftd_topic_date ON features_topic_daily (topic_id, date);
CREATE INDEX ix_ftd_user_date ON features_topic_daily (user_id, date);
