-- The sessions of the last 60 days in which each item came: a row an item and session.
--
-- answers     the lake's observations of these days, or of some of their students
-- $week       the first instant of the last 7 days
--
-- A session is what the platform calls one; where it names none, it is a student's UTC day.
CREATE OR REPLACE TEMP TABLE item_session AS
SELECT
    item_id,
    hash(coalesce(session_id, student_id), CASE WHEN session_id IS NULL THEN completed_at::date END) AS session,
    bool_or(completed_at >= $week) AS in_week
FROM answers
GROUP BY ALL
