-- How the newest days up to $1 were fitted and linked, oldest first. A and B: of each block of items, the largest first.
SELECT partition_date,
       (model_spec ->> 'n_items')::float8        AS n_items,
       (model_spec ->> 'n_persons')::float8      AS n_persons,
       (model_spec ->> 'n_observations')::float8 AS n_observations,
       coalesce(model_spec ->> 'linked_to', 'none') AS linked_to,
       linked."A",
       linked."B",
       linked.n_anchors_used,
       (metrics ->> 'reliability')::float8 AS reliability,
       (metrics ->> 'seconds')::float8     AS seconds
FROM (SELECT * FROM fit_history WHERE partition_date <= $1 ORDER BY partition_date DESC LIMIT $2) AS newest
CROSS JOIN LATERAL (
    SELECT array_agg((block ->> 'A')::float8 ORDER BY place)   AS "A",
           array_agg((block ->> 'B')::float8 ORDER BY place)   AS "B",
           sum((block ->> 'n_anchors_used')::float8)           AS n_anchors_used
    FROM jsonb_array_elements(
             CASE WHEN model_spec ? 'linking_constants'
                  THEN jsonb_build_array(model_spec -> 'linking_constants')
                       || coalesce(model_spec #> '{linking_constants,other_blocks}', '[]')
                  ELSE '[]' END
         ) WITH ORDINALITY AS blocks(block, place)
) AS linked
ORDER BY partition_date
