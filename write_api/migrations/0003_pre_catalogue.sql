-- What is on: venues, artists, events and their ticket types. All of it is published for change capture.

CREATE TABLE venues (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host_id bigint NOT NULL REFERENCES people (id),
    name text NOT NULL,
    city text,
    country text,
    latitude double precision CHECK (latitude BETWEEN -90 AND 90),
    longitude double precision CHECK (longitude BETWEEN -180 AND 180),
    time_zone text NOT NULL,
    CHECK ((latitude IS NULL) = (longitude IS NULL)),
    UNIQUE NULLS NOT DISTINCT (host_id, name, city, country, latitude, longitude, time_zone)
);

CREATE TABLE artists (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);

-- `import_reference` is the host's own name for an event: creating it again gives the same event.
CREATE TABLE events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host_id bigint NOT NULL REFERENCES people (id),
    venue_id bigint REFERENCES venues (id),
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    category text NOT NULL,
    topics text[] NOT NULL DEFAULT '{}',
    languages text[] NOT NULL DEFAULT '{}',
    website text,
    status text NOT NULL DEFAULT 'inactive' CHECK (status IN ('inactive', 'active', 'cancelled')),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz CHECK (ends_at >= starts_at),
    time_zone text NOT NULL,
    is_online boolean NOT NULL DEFAULT false,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    import_reference text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (is_online OR venue_id IS NOT NULL),
    UNIQUE (host_id, import_reference)
);
CREATE INDEX events_by_venue ON events (venue_id);

CREATE TABLE event_artists (
    event_id bigint NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    position smallint NOT NULL,
    artist_id bigint NOT NULL REFERENCES artists (id),
    PRIMARY KEY (event_id, position),
    UNIQUE (event_id, artist_id)
);
CREATE INDEX event_artists_by_artist ON event_artists (artist_id);

CREATE TABLE ticket_types (
    event_id bigint NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY,
    position smallint NOT NULL,
    name text NOT NULL,
    price_minor bigint NOT NULL CHECK (price_minor BETWEEN 0 AND 1000000000000),
    capacity integer NOT NULL CHECK (capacity BETWEEN 1 AND 100000),
    sales_start_at timestamptz,
    sales_end_at timestamptz CHECK (sales_end_at > sales_start_at),
    PRIMARY KEY (event_id, id),
    UNIQUE (event_id, name),
    UNIQUE (event_id, position)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON venues, artists, events, event_artists, ticket_types TO frontrow_write;
GRANT SELECT ON venues, artists, events, event_artists, ticket_types TO frontrow_capture;
