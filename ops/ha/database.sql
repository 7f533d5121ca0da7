-- The service's role and database. Run once, as the superuser on the leader: psql -f database.sql
-- Placeholder: SERVICE_PASSWORD. The role owns its database and nothing else.

CREATE ROLE orders LOGIN PASSWORD '${SERVICE_PASSWORD}';
CREATE DATABASE orders OWNER orders TEMPLATE template0 ENCODING 'UTF8';
REVOKE ALL ON DATABASE orders FROM PUBLIC;
