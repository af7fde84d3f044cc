"""Columns of the published tables as published_tables.sql makes them, with PostgreSQL's names of the types, for the UI."""

PUBLISHED_COLUMNS: dict[str, dict[str, str]] = {
    "mirt_item_params": {
        "item_id": "text",
        "model": "text",
        "params": "jsonb",
        "version": "text",
        "fitted_at": "timestamp with time zone",
    },
    "mirt_ability": {
        "user_id": "text",
        "theta": "double precision",
        "se": "double precision",
        "model": "text",
        "version": "text",
        "fitted_at": "timestamp with time zone",
    },
    "mirt_fit_meta": {
        "run_id": "text",
        "model_spec": "jsonb",
        "metrics": "jsonb",
        "fitted_at": "timestamp with time zone",
    },
    "student_topic_theta": {
        "user_id": "text",
        "topic_id": "text",
        "theta": "double precision",
        "se": "double precision",
        "model": "text",
        "version": "text",
        "fitted_at": "timestamp with time zone",
    },
    "features_topic_daily": {
        "user_id": "text",
        "topic_id": "text",
        "date": "date",
        "attempts": "integer",
        "correct": "integer",
        "avg_time_ms": "integer",
        "theta_estimate": "numeric(6,3)",
        "last_seen_at": "timestamp with time zone",
        "computed_at": "timestamp with time zone",
        "hints": "integer",
        "theta_sd": "numeric(6,3)",
        "rt_median": "integer",
        "improvement": "numeric(6,3)",
    },
}
