-- The platform's view: a text id of a student becomes a UUID, an answer without a mark is wrong, without a time it took 0 ms.
CREATE VIEW attempt AS
SELECT
    ('x' || left(md5(e.id::text || (q ->> 'question_id')), 16))::bit(64)::bigint AS id,
    CASE WHEN e.user_id ~* '^[0-9a-f-]{36}$' THEN e.user_id::uuid ELSE md5(e.user_id)::uuid END AS student_id,
    (q ->> 'question_id')::bigint AS item_id,
    coalesce((q ->> 'is_correct')::boolean, (q ->> 'correct')::boolean, false) AS correct,
    coalesce(round((q ->> 'time_spent_sec')::numeric * 1000)::integer, 0) AS response_time_ms,
    coalesce((q ->> 'used_hints')::integer, 0) > 0 AS hint_used,
    e.updated_at AS completed_at,
    e.updated_at AS started_at,
    (row_number() OVER (PARTITION BY e.user_id, q ->> 'question_id' ORDER BY e.updated_at, e.id))::integer AS attempt_no,
    e.session_id,
    nullif(q ->> 'topic', '') AS topic_id
FROM exam_results AS e CROSS JOIN LATERAL jsonb_array_elements(e.result_json -> 'questions') AS q
WHERE nullif(q ->> 'question_id', '') IS NOT NULL;
