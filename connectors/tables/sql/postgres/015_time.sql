-- 015 time: tables with event_ns are cut by days (UTC), so that old days go at once and the newest
-- ones stay in memory. With the extension timescaledb in this database they are hypertables, and
-- hde_store says 'timescaledb'; otherwise they are partitioned and it says 'postgresql'. Install
-- the extension before the first migration: a store stays what it was made.
CREATE TABLE hde_store (level TEXT NOT NULL);

CREATE FUNCTION hde_timed() RETURNS SETOF TEXT LANGUAGE SQL AS $$
  SELECT unnest(ARRAY['option_chain_snapshots', 'chain_metrics', 'chain_strike_metrics',
    'analytics_cumulative_oi', 'analytics_velocity', 'analytics_buildup',
    'analytics_buildup_patterns', 'analytics_zones', 'analytics_zone_events'])
$$;

CREATE FUNCTION hde_now_ns() RETURNS INT8 LANGUAGE SQL STABLE AS $$
  SELECT (extract(epoch FROM now()) * 1000000)::INT8 * 1000
$$;

DO $$
DECLARE
  timed TEXT;
BEGIN
  IF EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'timescaledb') THEN
    INSERT INTO hde_store VALUES ('timescaledb');
    FOR timed IN SELECT hde_timed() LOOP
      PERFORM create_hypertable(timed::REGCLASS, 'event_ns', chunk_time_interval => 86400000000000);
      PERFORM set_integer_now_func(timed::REGCLASS, 'hde_now_ns');
    END LOOP;
    RETURN;
  END IF;
  INSERT INTO hde_store VALUES ('postgresql');
  FOR timed IN SELECT hde_timed() LOOP
    EXECUTE format('CREATE TABLE hde_new (LIKE %I INCLUDING ALL) PARTITION BY RANGE (event_ns)',
                   timed);
    EXECUTE format('DROP TABLE %I', timed);
    EXECUTE format('ALTER TABLE hde_new RENAME TO %I', timed);
    EXECUTE format('ALTER INDEX hde_new_pkey RENAME TO %I', timed || '_pkey');
    EXECUTE format('CREATE INDEX %I ON %I USING brin (event_ns)', timed || '_time', timed);
  END LOOP;
END
$$;

-- Makes the partitions of the day of at_ns where they are missing; writers call it before they
-- write a day for the first time. Attaching locks nobody out who reads or writes other days.
CREATE FUNCTION hde_make_day(at_ns INT8) RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
  day_ns CONSTANT INT8 := 86400000000000;
  from_ns CONSTANT INT8 := at_ns - (at_ns % day_ns + day_ns) % day_ns;
  suffix CONSTANT TEXT :=
    to_char(to_timestamp(from_ns / 1000000000) AT TIME ZONE 'UTC', '"_"YYYYMMDD');
  timed TEXT;
BEGIN
  IF (SELECT level FROM hde_store) <> 'postgresql' THEN
    RETURN;
  END IF;
  PERFORM pg_advisory_xact_lock(7522248467413039475); -- "hde days"
  FOR timed IN SELECT hde_timed() LOOP
    CONTINUE WHEN to_regclass(timed || suffix) IS NOT NULL;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', timed || suffix, timed);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', timed,
                   timed || suffix, from_ns, from_ns + day_ns);
  END LOOP;
END
$$;
