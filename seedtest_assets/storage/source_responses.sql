-- The answers of [:first, :end) from `responses`; the topic stands in `question`.
-- :topic_of_question: its topic as text, or its topics as a JSON array.
-- :score, :max_score: of the answer, NULL where the table has no such column. A score without a mark is right with full marks, of
-- 1 where the highest score is not told.
-- :omitted_is_wrong: whether an answer without a mark is incorrect.
-- :ids_of_view: ids as the platform's view `attempt` gives them. Results are kept under those, whatever the source.
SELECT
    CASE
        WHEN NOT :ids_of_view THEN nullif(r.user_id::text, '')
        WHEN r.user_id::text ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN lower(r.user_id::text)
        ELSE md5(nullif(r.user_id::text, ''))::uuid::text
    END AS student_id,
    r.item_id::text AS item_id,
    :topic_of_question AS topic_id,
    coalesce(r.is_correct, :score >= coalesce(:max_score, 1), CASE WHEN :omitted_is_wrong THEN false END) AS correct,
    NULL::integer AS response_time_ms,
    NULL::boolean AS hint_used,
    NULL::text AS session_id,
    r.responded_at::timestamptz AS completed_at,
    :score AS score,
    :max_score AS max_score
FROM responses AS r
LEFT JOIN question AS q ON q.id::text = r.item_id::text
WHERE r.responded_at >= :first AND r.responded_at < :end
