-- How often each item came in the last 60 days, and how long it took: a row an item.
--
-- answers     the lake's observations of these days
-- $week       the first instant of the last 7 days
--
-- A time of 0 is none: platforms write it where they recorded none.
-- A session is what the platform calls one; where it names none, it is a student's UTC day.
WITH

by_session AS (
    SELECT
        item_id,
        hash(coalesce(session_id, student_id), CASE WHEN session_id IS NULL THEN completed_at::date END) AS session,
        response_time_ms,
        completed_at >= $week AS in_week
    FROM answers
),

total AS (
    SELECT
        count(DISTINCT session) AS sessions_60,
        count(DISTINCT session) FILTER (WHERE in_week) AS sessions_7
    FROM by_session
)

SELECT
    item_id,
    count(DISTINCT session) FILTER (WHERE in_week) / nullif(any_value(sessions_7), 0) AS exposure_7_days,
    count(DISTINCT session) / any_value(sessions_60) AS exposure_60_days,
    median(response_time_ms) FILTER (WHERE response_time_ms > 0) AS median_time_ms
FROM by_session CROSS JOIN total
GROUP BY item_id
