-- The answers of [:first, :end) from the JSON of `exam_results`, one row a question. An exam is completed when its row was
-- last written. What is not readable becomes NULL here and is counted where the rows are checked.
-- :omitted_is_wrong, :not_reached_is_wrong: what a question without a mark counts as, before and after the last with a mark.
-- A question with a `score` and no mark is right with full marks: its `points`, or 1 where these are not told. A question for 0
-- points is only right or wrong.
-- :ids_of_view: ids as the platform's view `attempt` gives them. Results are kept under those, whatever the source.
SELECT
    CASE
        WHEN NOT :ids_of_view THEN nullif(e.user_id::text, '')
        WHEN e.user_id::text ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN lower(e.user_id::text)
        ELSE md5(nullif(e.user_id::text, ''))::uuid::text
    END AS student_id,
    CASE
        WHEN :ids_of_view AND trim(q ->> 'question_id') ~ '^[0-9]{1,18}$' THEN trim(q ->> 'question_id')::bigint::text
        ELSE nullif(trim(q ->> 'question_id'), '')
    END AS item_id,
    nullif(trim(q ->> 'topic'), '') AS topic_id,
    CASE lower(trim(coalesce(q ->> 'is_correct', q ->> 'correct')))
        WHEN 'true' THEN true WHEN 't' THEN true WHEN 'yes' THEN true WHEN 'y' THEN true
        WHEN '1' THEN true WHEN '1.0' THEN true
        WHEN 'false' THEN false WHEN 'f' THEN false WHEN 'no' THEN false WHEN 'n' THEN false
        WHEN '0' THEN false WHEN '0.0' THEN false
        ELSE CASE
            WHEN points.score IS NOT NULL THEN points.score >= coalesce(points.highest, 1)
            WHEN NOT (:omitted_is_wrong OR :not_reached_is_wrong) OR trim(coalesce(q ->> 'is_correct', q ->> 'correct')) <> '' THEN NULL
            WHEN place <= (
                SELECT coalesce(max(m.place), 0)
                FROM jsonb_array_elements(e.result_json -> 'questions') WITH ORDINALITY AS m (question, place)
                WHERE trim(coalesce(m.question ->> 'is_correct', m.question ->> 'correct', m.question ->> 'score')) <> ''
            ) THEN CASE WHEN :omitted_is_wrong THEN false END
            WHEN :not_reached_is_wrong THEN false
        END
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
    coalesce(e.updated_at, e.created_at)::timestamptz AS completed_at,
    points.score,
    points.highest AS max_score
FROM exam_results AS e
CROSS JOIN LATERAL jsonb_array_elements(
    CASE WHEN jsonb_typeof(e.result_json -> 'questions') = 'array' THEN e.result_json -> 'questions' ELSE '[]' END
) WITH ORDINALITY AS questions (q, place)
CROSS JOIN LATERAL (
    SELECT CASE WHEN highest IS DISTINCT FROM 0 THEN score END AS score, nullif(highest, 0) AS highest
    FROM (
        SELECT
            CASE WHEN trim(q ->> 'score') ~ '^[-+]?[0-9]{1,9}(\.[0-9]*)?$' THEN trim(q ->> 'score')::double precision END AS score,
            CASE WHEN trim(q ->> 'points') ~ '^[0-9]{1,9}(\.[0-9]*)?$' THEN trim(q ->> 'points')::double precision END AS highest
    ) AS told
) AS points
WHERE coalesce(e.updated_at, e.created_at) >= :first AND coalesce(e.updated_at, e.created_at) < :end
