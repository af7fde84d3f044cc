-- The role for seedtest, with the least rights. Run it in the platform's database as a superuser; run it again whenever tables have been added. Then set a password:
-- \password seedtest
--
--   psql DATABASE -v ON_ERROR_STOP=1 -f deploy/postgres/role.sql
--   psql DATABASE -v role=nights -v schema=nights -v update_questions=true -v ON_ERROR_STOP=1 -f deploy/postgres/role.sql
--
-- role              name of the role (seedtest)
-- schema            SEEDTEST_SCHEMA, which belongs to the role (seedtest)
-- update_questions  true where IRT_UPDATE_QUESTION_META is on (false)
--
-- It needs no TEMPORARY on the database, no CREATE on the schema public, no DELETE anywhere but in its own schema.
\if :{?role}
\else
\set role seedtest
\endif
\if :{?schema}
\else
\set schema seedtest
\endif
\if :{?update_questions}
\else
\set update_questions false
\endif

SELECT format('CREATE ROLE %I LOGIN', :'role')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec

SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), :'role') \gexec
GRANT USAGE ON SCHEMA public TO :"role";

-- History, incidents and publications: owned by the role.
CREATE SCHEMA IF NOT EXISTS :"schema" AUTHORIZATION :"role";
GRANT USAGE, CREATE ON SCHEMA :"schema" TO :"role";

-- The answers and the anchors: read. A view reads its tables with its owner's rights.
SELECT format('GRANT SELECT ON %I TO %I', source, :'role')
FROM unnest(ARRAY['attempt', 'responses', 'exam_results', 'question']) AS source
WHERE to_regclass(source) IS NOT NULL \gexec

-- What is published: upserted, never deleted.
SELECT format('GRANT SELECT, INSERT, UPDATE ON %I TO %I', published, :'role')
FROM unnest(ARRAY['mirt_item_params', 'mirt_ability', 'mirt_fit_meta', 'student_topic_theta', 'features_topic_daily']) AS published
WHERE to_regclass(published) IS NOT NULL \gexec

\if :update_questions
GRANT UPDATE ON question TO :"role";
\endif
