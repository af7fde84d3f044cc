-- The answers of [$1, $2) from the JSON of `exam_results`, one row a question. An exam is completed when its row was
-- last written. What is not readable becomes NULL here and is counted where the rows are checked.
SELECT
    e.user_id::text AS student_id,
    nullif(trim(q ->> 'question_id'), '') AS item_id,
    nullif(trim(q ->> 'topic'), '') AS topic_id,
    CASE lower(trim(coalesce(q ->> 'is_correct', q ->> 'correct')))
        WHEN 'true' THEN true WHEN 't' THEN true WHEN 'yes' THEN true WHEN 'y' THEN true
        WHEN '1' THEN true WHEN '1.0' THEN true
        WHEN 'false' THEN false WHEN 'f' THEN false WHEN 'no' THEN false WHEN 'n' THEN false
        WHEN '0' THEN false WHEN '0.0' THEN false
    END AS correct,
    CASE
        WHEN trim(q ->> 'time_spent_sec') ~ '^[0-9]{1,6}(\.[0-9]*)?$'
        THEN (trim(q ->> 'time_spent_sec')::double precision * 1000)::integer
    END AS response_time_ms,
    CASE
        WHEN lower(trim(q ->> 'used_hints')) IN ('true', 't', 'yes') THEN true
        WHEN lower(trim(q ->> 'used_hints')) IN ('false', 'f', 'no') THEN false
        WHEN trim(q ->> 'used_hints') ~ '^[0-9]{1,6}$' THEN trim(q ->> 'used_hints')::integer > 0
    END AS hint_used,
    e.session_id::text AS session_id,
    coalesce(e.updated_at, e.created_at)::timestamptz AS completed_at
FROM exam_results AS e
CROSS JOIN LATERAL jsonb_array_elements(
    CASE WHEN jsonb_typeof(e.result_json -> 'questions') = 'array' THEN e.result_json -> 'questions' ELSE '[]' END
) AS q
WHERE coalesce(e.updated_at, e.created_at) >= $1 AND coalesce(e.updated_at, e.created_at) < $2
