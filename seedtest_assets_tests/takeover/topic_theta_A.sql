CREATE TABLE student_topic_theta (
    user_id text NOT NULL,
    topic_id text NOT NULL,
    theta numeric,
    standard_error numeric,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_student_topic_theta PRIMARY KEY (user_id, topic_id)
);
CREATE INDEX ix_student_topic_theta_user ON student_topic_theta (user_id);
INSERT INTO student_topic_theta
SELECT md5('student-' || lpad(n::text, 2, '0'))::uuid::text, topic, n / 100.0, 0.45, :day + interval '03:10'
FROM generate_series(1, 93) AS n, unnest(ARRAY['topic-01', 'topic-02', 'reading']) AS topic;
