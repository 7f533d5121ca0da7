-- The service's role and database in compose.yaml's PostgreSQL. The image runs this once, as the superuser of a new server,
-- which only a socket file in the container leads to at that moment.

\getenv password POSTGRES_PASSWORD
CREATE ROLE shop LOGIN PASSWORD :'password';
CREATE DATABASE shop OWNER shop TEMPLATE template0 ENCODING 'UTF8';
REVOKE ALL ON DATABASE shop FROM PUBLIC;
-- From now on no password opens the superuser's role over the network.
ALTER ROLE postgres PASSWORD NULL;
