CREATE TABLE responses (user_id text NOT NULL, item_id bigint NOT NULL, is_correct boolean, responded_at timestamptz NOT NULL);
CREATE INDEX ix_responses_responded_at ON responses (responded_at);
