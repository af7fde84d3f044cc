-- The rows of features_topic_daily for one UTC day, a row per (student, topic) active on it.
--
-- answers          the lake's observations of the previous and the recent window
-- topic_theta      partition_date, user_id, topic_id, theta, se
-- overall_theta    partition_date, user_id, theta, se
-- $day, $next_day, $recent_start, $previous_start    first instants of D, D + 1, D - 13 and D - 27
-- $include_theta   abilities among the features; $use_theta   improvement by ability where there is one
WITH

-- A row for each topic of an answer (topic_lists.py). Not materialised: it is read twice, and may be of 28 days.
by_topic AS NOT MATERIALIZED (
    SELECT * FROM answers WHERE NOT starts_with(topic_id, '["')
    UNION ALL
    SELECT * REPLACE (
        unnest(CASE WHEN json_valid(topic_id) THEN from_json(topic_id, '["VARCHAR"]') ELSE [topic_id] END) AS topic_id
    )
    FROM answers
    WHERE starts_with(topic_id, '["')
),

-- An answer without a topic belongs to no (student, topic) and is in none of the rows.
of_day AS (
    SELECT
        student_id AS user_id,
        topic_id,
        count(*) AS attempts,
        count(*) FILTER (WHERE correct) AS correct,
        avg(response_time_ms) AS avg_time_ms,
        median(response_time_ms) AS rt_median,
        count(*) FILTER (WHERE hint_used) AS hints,
        max(completed_at) AS last_seen_at
    FROM by_topic
    WHERE completed_at >= $day AND completed_at < $next_day
    GROUP BY ALL
),

accuracy AS (
    SELECT
        user_id,
        topic_id,
        count(*) FILTER (WHERE is_recent) AS n_recent,
        avg(share) FILTER (WHERE is_recent) AS p_recent,
        count(*) FILTER (WHERE NOT is_recent) AS n_previous,
        avg(share) FILTER (WHERE NOT is_recent) AS p_previous
    FROM (
        SELECT
            student_id AS user_id,
            topic_id,
            -- With partial credit the share of the points.
            coalesce(score / nullif(max_score, 0), CASE WHEN correct THEN 1.0 ELSE 0.0 END) AS share,
            completed_at >= $recent_start AS is_recent
        FROM by_topic
        WHERE completed_at >= $previous_start AND completed_at < $next_day
    )
    SEMI JOIN of_day USING (user_id, topic_id)
    GROUP BY user_id, topic_id
),

-- The newest ability of each window, which need not be of its last day: a calibration may have been rejected.
of_topic AS (
    SELECT
        user_id,
        topic_id,
        arg_max(theta, partition_date) FILTER (WHERE partition_date >= $recent_start) AS recent,
        arg_max(se, partition_date) FILTER (WHERE partition_date >= $recent_start) AS recent_se,
        arg_max(theta, partition_date) FILTER (WHERE partition_date < $recent_start) AS previous
    FROM topic_theta
    WHERE partition_date >= $previous_start AND partition_date < $next_day
    GROUP BY user_id, topic_id
),

overall AS (
    SELECT
        user_id,
        arg_max(theta, partition_date) FILTER (WHERE partition_date >= $recent_start) AS recent,
        arg_max(se, partition_date) FILTER (WHERE partition_date >= $recent_start) AS recent_se,
        arg_max(theta, partition_date) FILTER (WHERE partition_date < $recent_start) AS previous
    FROM overall_theta
    WHERE partition_date >= $previous_start AND partition_date < $next_day
    GROUP BY user_id
),

-- The topic's ability first, else the student's, which is the model's estimate for a topic without answers.
known AS (
    SELECT
        of_day.*,
        n_recent,
        n_previous,
        p_recent,
        p_previous,
        coalesce(of_topic.recent, overall.recent) AS theta_recent,
        coalesce(of_topic.recent_se, overall.recent_se) AS se_recent,
        coalesce(of_topic.previous, overall.previous) AS theta_previous
    FROM of_day
    JOIN accuracy USING (user_id, topic_id)
    LEFT JOIN of_topic USING (user_id, topic_id)
    LEFT JOIN overall USING (user_id)
),

-- The change that improvement is computed from, and its standard error.
change AS (
    SELECT
        *,
        CASE
            WHEN $use_theta AND n_recent >= 5 AND theta_recent IS NOT NULL AND theta_previous IS NOT NULL THEN 'theta'
            WHEN n_recent > 0 AND n_previous > 0 THEN 'accuracy'
        END AS basis,
        CASE basis WHEN 'theta' THEN theta_recent - theta_previous WHEN 'accuracy' THEN p_recent - p_previous END AS gain,
        CASE basis WHEN 'theta' THEN se_recent ELSE sqrt(p_recent * (1 - p_recent) / n_recent) END AS gain_error
    FROM known
)

SELECT
    user_id,
    topic_id,
    attempts,
    correct,
    avg_time_ms,
    rt_median,
    hints,
    CASE WHEN $include_theta THEN theta_recent END AS theta_estimate,
    CASE WHEN $include_theta THEN se_recent END AS theta_sd,
    CASE WHEN basis IS NOT NULL THEN
        greatest(-1, least(1, gain * least(1, n_recent / 30) * (1 - least(0.5, 1.96 * gain_error))))
    END AS improvement,
    basis AS improvement_basis,
    last_seen_at
FROM change
ORDER BY user_id, topic_id
