CREATE TABLE exam_results (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    session_id text NOT NULL UNIQUE,
    user_id text,
    status text NOT NULL DEFAULT 'ready',
    result_json jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ix_exam_results_user ON exam_results (user_id);
INSERT INTO exam_results (session_id, user_id, status, result_json) VALUES
    ('failed', md5('student-03')::uuid::text, 'failed', '{}'),
    ('nobody', NULL, 'ready', '{"questions": [{"question_id": 1, "is_correct": true, "topic": "topic-01"}]}');
