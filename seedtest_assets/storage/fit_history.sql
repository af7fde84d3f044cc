-- How the newest days up to $1 were fitted and linked, oldest first.
SELECT partition_date,
       (model_spec ->> 'n_items')::float8        AS n_items,
       (model_spec ->> 'n_persons')::float8      AS n_persons,
       (model_spec ->> 'n_observations')::float8 AS n_observations,
       coalesce(model_spec ->> 'linked_to', 'none') AS linked_to,
       (model_spec #>> '{linking_constants,A}')::float8              AS "A",
       (model_spec #>> '{linking_constants,B}')::float8              AS "B",
       (model_spec #>> '{linking_constants,n_anchors_used}')::float8 AS n_anchors_used,
       (metrics ->> 'reliability')::float8 AS reliability,
       (metrics ->> 'seconds')::float8     AS seconds
FROM (SELECT * FROM fit_history WHERE partition_date <= $1 ORDER BY partition_date DESC LIMIT $2) AS newest
ORDER BY partition_date
