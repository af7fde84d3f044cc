-- What the platform's programs ask of the tables and write into them, by kind. Each is headed by
--   -- name | read, write or old_job | what it needs: A or B (variant of student_topic_theta), attempt (the view), or all | who
-- and has the parameters :user, :topic, :day, :items and :item. old_job: what the platform's own nightly job writes.

-- features_page | read | all | interface, a student's features
SELECT user_id, topic_id, date, attempts, correct, avg_time_ms, rt_median, hints, theta_estimate, theta_sd, improvement, last_seen_at, computed_at
FROM features_topic_daily WHERE user_id = :user ORDER BY date DESC LIMIT 50

-- features_of_topic | read | all | interface, a topic's days
SELECT date, attempts, correct, avg_time_ms, rt_median, hints, theta_estimate, improvement FROM features_topic_daily
WHERE user_id = :user AND topic_id = :topic AND date BETWEEN :day - 45 AND :day ORDER BY date DESC

-- features_with_ability | read | all | handbook
SELECT count(*) FROM features_topic_daily WHERE theta_sd IS NOT NULL

-- features_posted | write | all | interface, a new row: what has no value is NULL, hints and computed_at are the table's defaults
INSERT INTO features_topic_daily (user_id, topic_id, date, attempts, correct, avg_time_ms, theta_estimate, theta_sd, rt_median, improvement, last_seen_at)
VALUES (:user, 'posted', :day, 3, 2, NULL, NULL, NULL, NULL, NULL, NULL) RETURNING hints, computed_at

-- features_patched | write | all | interface, a row that is there
UPDATE features_topic_daily SET attempts = 9, correct = 8, last_seen_at = NULL WHERE user_id = :user AND topic_id = 'reading' AND date = :day

-- features_filled_in | write | all | backfill of features
INSERT INTO features_topic_daily (user_id, topic_id, date, attempts, correct, avg_time_ms, hints, theta_estimate, theta_sd, rt_median, improvement)
VALUES (:user, :topic, :day, 5, 4, 21000, 1, 0.42, 0.2, 20500, 0.1)
ON CONFLICT (user_id, topic_id, date) DO UPDATE SET attempts = excluded.attempts, correct = excluded.correct,
    avg_time_ms = excluded.avg_time_ms, hints = excluded.hints, theta_estimate = excluded.theta_estimate,
    theta_sd = excluded.theta_sd, rt_median = excluded.rt_median, improvement = excluded.improvement, computed_at = now()

-- features_counted_again | write | attempt | aggregation of the day's answers, on its own schedule
INSERT INTO features_topic_daily (user_id, topic_id, date, attempts, correct, avg_time_ms, hints, rt_median, last_seen_at, computed_at)
SELECT student_id::text, topic_id, :day, count(*), count(*) FILTER (WHERE correct), avg(response_time_ms)::int,
    count(*) FILTER (WHERE hint_used), percentile_cont(0.5) WITHIN GROUP (ORDER BY response_time_ms)::int, now(), now()
FROM attempt WHERE completed_at >= :day AND completed_at < :day + 1 AND topic_id IS NOT NULL GROUP BY 1, 2
ON CONFLICT (user_id, topic_id, date) DO UPDATE SET attempts = excluded.attempts, correct = excluded.correct,
    avg_time_ms = excluded.avg_time_ms, hints = excluded.hints, rt_median = excluded.rt_median, last_seen_at = now()

-- topics_page | read | B | interface, a student's topics
SELECT topic_id, theta, se, fitted_at FROM student_topic_theta WHERE user_id = :user ORDER BY fitted_at DESC LIMIT 200

-- topics_of_window | read | B | KPI
SELECT topic_id, theta, se, model, fitted_at FROM student_topic_theta
WHERE user_id = :user AND fitted_at BETWEEN now() - interval '28 days' AND now() ORDER BY fitted_at DESC

-- topic_as_of_now | read | B | backfill of features
SELECT theta, se FROM student_topic_theta WHERE user_id = :user AND topic_id = :topic AND fitted_at <= now() ORDER BY fitted_at DESC LIMIT 1

-- topic_upserted | write | B | backfill of topics
INSERT INTO student_topic_theta (user_id, topic_id, theta, se, model, version, fitted_at) VALUES (:user, 'reading', 0.5, 0.3, '2PL', 'v1', now())
ON CONFLICT (user_id, topic_id) DO UPDATE SET theta = excluded.theta, se = excluded.se, model = excluded.model,
    version = excluded.version, fitted_at = excluded.fitted_at

-- topics_of_service | read | A | ability service
SELECT topic_id, theta, standard_error, updated_at FROM student_topic_theta WHERE user_id = :user ORDER BY updated_at DESC

-- topic_updated | write | A | ability service, a topic that is there
UPDATE student_topic_theta SET theta = 0.5, standard_error = 0.3, updated_at = now() WHERE user_id = :user AND topic_id = 'reading'

-- topic_inserted | write | A | ability service, a new topic
INSERT INTO student_topic_theta (user_id, topic_id, theta, standard_error) VALUES (:user, 'inserted', 0.5, 0.3) RETURNING updated_at

-- ability_newest | read | all | interface and decisions
SELECT theta, se, fitted_at FROM mirt_ability WHERE user_id = :user ORDER BY fitted_at DESC LIMIT 1

-- ability_of_window | read | all | KPI
SELECT theta, se, model FROM mirt_ability WHERE user_id = :user AND fitted_at BETWEEN now() - interval '14 days' AND now() ORDER BY fitted_at DESC LIMIT 1

-- ability_growth | read | all | growth model
SELECT user_id, theta AS score, date(fitted_at) AS date FROM mirt_ability WHERE fitted_at >= now() - interval '84 days' ORDER BY user_id, fitted_at

-- ability_by_source | read | all | handbook: v for nights, online for sessions
SELECT 'night' AS source, count(*), avg(theta), max(fitted_at) FROM mirt_ability WHERE version LIKE 'v%'
UNION ALL SELECT 'online', count(*), avg(theta), max(fitted_at) FROM mirt_ability WHERE version LIKE 'online%' ORDER BY 1

-- ability_online | write | all | online scoring
INSERT INTO mirt_ability (user_id, theta, se, model, version, fitted_at) VALUES (:user, 0.777, 0.4, '2PL', 'online', now())
ON CONFLICT (user_id, version) DO UPDATE SET theta = excluded.theta, se = excluded.se, fitted_at = now()

-- ability_online_as_night | write | all | online scoring with its default version
INSERT INTO mirt_ability (user_id, theta, se, model, version, fitted_at) VALUES (:user, 0.778, 0.4, '2PL', 'v1', now())
ON CONFLICT (user_id, version) DO UPDATE SET theta = excluded.theta, se = excluded.se, fitted_at = now()

-- items_for_scoring | read | all | online scoring
SELECT item_id, (params ->> 'a')::float8 AS a, (params ->> 'b')::float8 AS b FROM mirt_item_params
WHERE item_id = ANY(:items) AND model = '2PL' AND version = 'v1' AND params ? 'b'

-- items_to_questions | read | all | copying parameters to questions; the last row of an item stays
SELECT m.item_id, m.params, m.fitted_at FROM mirt_item_params AS m JOIN question AS q ON q.id::text = m.item_id
WHERE m.fitted_at >= (SELECT max(fitted_at) - interval '7 days' FROM mirt_item_params) ORDER BY m.fitted_at DESC

-- items_of_anchors | read | all | handbook: the bank's value beside the calibrated one
SELECT q.id, q.meta -> 'irt' ->> 'b' AS bank, m.params ->> 'b' AS calibrated FROM question AS q JOIN mirt_item_params AS m ON q.id::text = m.item_id
WHERE q.meta -> 'tags' @> '["anchor"]' ORDER BY m.fitted_at DESC

-- question_edited | write | all | editors of questions
UPDATE question SET meta = jsonb_set(coalesce(meta, '{}'), '{editor}', '"kim"'), updated_at = now() WHERE id = :item

-- fit_newest | read | all | weekly report
SELECT run_id, model_spec, fitted_at FROM mirt_fit_meta ORDER BY fitted_at DESC LIMIT 1

-- fit_linking | read | all | handbook
SELECT run_id, model_spec -> 'linking_constants' AS linking, fitted_at FROM mirt_fit_meta WHERE model_spec ? 'linking_constants' ORDER BY fitted_at DESC LIMIT 1

-- kpi_answers | read | attempt | KPI
SELECT item_id, topic_id, correct, response_time_ms, hint_used, session_id, completed_at FROM attempt
WHERE student_id = CAST(:user AS uuid) ORDER BY completed_at LIMIT 1000

-- kpi_page | read | all | interface
SELECT week_start, kpis FROM weekly_kpi WHERE user_id = :user ORDER BY week_start DESC LIMIT 4

-- kpi_upserted | write | all | KPI
INSERT INTO weekly_kpi (user_id, week_start, kpis) VALUES (:user, date_trunc('week', :day)::date, '{"I_t": 0.2}')
ON CONFLICT (user_id, week_start) DO UPDATE SET kpis = excluded.kpis, updated_at = now()

-- old_items | old_job | all | the job before
INSERT INTO mirt_item_params (item_id, model, params, version, fitted_at) SELECT unnest(:items), '2PL', '{"a": 1.0, "b": 0.0}', 'v1', now()
ON CONFLICT (item_id) DO UPDATE SET params = excluded.params, model = excluded.model, version = excluded.version, fitted_at = now()

-- old_abilities | old_job | all | the job before
INSERT INTO mirt_ability (user_id, theta, se, model, version, fitted_at) VALUES (:user, 0.1, 0.3, '2PL', 'v1', now())
ON CONFLICT (user_id, version) DO UPDATE SET theta = excluded.theta, se = excluded.se, model = excluded.model, fitted_at = now()

-- old_fit | old_job | all | the job before
INSERT INTO mirt_fit_meta (run_id, model_spec, metrics, fitted_at) VALUES ('way-back', '{"model": "2PL"}', '{}', now())
ON CONFLICT (run_id) DO UPDATE SET model_spec = excluded.model_spec, metrics = excluded.metrics, fitted_at = now()

-- old_topics | old_job | B | the job before
INSERT INTO student_topic_theta (user_id, topic_id, theta, se, model, version, fitted_at) VALUES (:user, :topic, 0.1, 0.3, '2PL', 'v1', now())
ON CONFLICT (user_id, topic_id) DO UPDATE SET theta = excluded.theta, se = excluded.se, fitted_at = excluded.fitted_at

-- old_topics_of_service | old_job | A | the job before
INSERT INTO student_topic_theta (user_id, topic_id, theta, standard_error) VALUES (:user, :topic, 0.1, 0.3)
ON CONFLICT (user_id, topic_id) DO UPDATE SET theta = excluded.theta, standard_error = excluded.standard_error, updated_at = now()

-- old_features | old_job | all | the job before
INSERT INTO features_topic_daily (user_id, topic_id, date, attempts, correct, avg_time_ms, hints, theta_estimate, theta_sd, rt_median, improvement, last_seen_at, computed_at)
VALUES (:user, :topic, :day, 5, 4, 21000, 1, 0.42, 0.2, 20500, 0.1, now(), now())
ON CONFLICT (user_id, topic_id, date) DO UPDATE SET attempts = excluded.attempts, correct = excluded.correct,
    avg_time_ms = excluded.avg_time_ms, hints = excluded.hints, theta_estimate = excluded.theta_estimate,
    theta_sd = excluded.theta_sd, rt_median = excluded.rt_median, improvement = excluded.improvement, last_seen_at = now(), computed_at = now()
