-- The answers of [$1, $2) from `responses`; the topic stands in `question`.
SELECT
    r.user_id::text AS student_id,
    r.item_id::text AS item_id,
    q.topic_id::text AS topic_id,
    r.is_correct AS correct,
    NULL::integer AS response_time_ms,
    NULL::boolean AS hint_used,
    NULL::text AS session_id,
    r.responded_at::timestamptz AS completed_at
FROM responses AS r
LEFT JOIN question AS q ON q.id::text = r.item_id::text
WHERE r.responded_at >= $1 AND r.responded_at < $2
