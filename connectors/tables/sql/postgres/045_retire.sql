-- 045 retire: rows stay for 90 days and rollups for 730, unless hde_keep is told otherwise.
UPDATE hde_keep SET rows_days = 90, rollup_days = 730;

-- No partitions for what is not written any more.
ALTER FUNCTION hde_make_day(INT8) RENAME TO hde_make_any_day;
CREATE FUNCTION hde_make_day(at_ns INT8) RETURNS VOID LANGUAGE SQL AS $$
  SELECT hde_make_any_day(at_ns) FROM hde_keep WHERE at_ns >= rows_from_ns
$$;

-- Whoever writes has this lock together with all others who do; who moves rows_from_ns has it
-- alone. So what a writer reads there holds for its transaction.
CREATE FUNCTION hde_writes() RETURNS VOID LANGUAGE SQL AS $$
  SELECT pg_advisory_xact_lock_shared(7522248467648837491) -- "hde rows"
$$;

-- Ends rows before rows_before_ns and rollups before rollups_before_ns, both at midnight (UTC).
-- One program at a time (the lock of hde_fold()); goes on where another one was cut off: what is
-- folded is folded, and partitions or chunks below rows_from_ns go in the next call. Waits for
-- readers no longer than lock_timeout, and is tried again.
CREATE PROCEDURE hde_retire(rows_before_ns INT8, rollups_before_ns INT8) LANGUAGE plpgsql AS $$
DECLARE
  limit_ns CONSTANT INT8 := least(rollups_before_ns, rows_before_ns);
  name TEXT;
  from_ns INT8;
  gone INT8 := 0;
BEGIN
  IF NOT pg_try_advisory_xact_lock(7522248467514614387) THEN -- "hde jobs"
    RETURN;
  END IF;
  WHILE hde_fold(1000, rows_before_ns) > 0 LOOP
    COMMIT;
  END LOOP;
  PERFORM pg_advisory_xact_lock(7522248467648837491); -- "hde rows"
  PERFORM hde_fold(9223372036854775807, rows_before_ns); -- what was written since
  UPDATE hde_keep SET rows_from_ns = greatest(rows_from_ns, rows_before_ns),
    rollups_from_ns = greatest(rollups_from_ns, limit_ns);
  COMMIT;
  IF (SELECT level FROM hde_store) = 'postgresql' THEN
    FOREACH name IN ARRAY hde_days_before(rows_before_ns) LOOP
      IF NOT pg_try_advisory_xact_lock(7522248467514614387) THEN
        RETURN;
      END IF;
      EXECUTE format('DROP TABLE IF EXISTS %I', name);
      gone := gone + 1;
      COMMIT;
    END LOOP;
    DELETE FROM option_chain_5m_kept WHERE bucket_ns < limit_ns;
    DELETE FROM chain_metrics_5m_kept WHERE bucket_ns < limit_ns;
  ELSE
    -- never a range whose rows are gone: to refresh it would end its rollups
    SELECT min(range_start_integer) INTO from_ns FROM timescaledb_information.chunks
      WHERE hypertable_schema = current_schema
        AND hypertable_name IN ('option_chain_snapshots', 'chain_metrics');
    IF from_ns < rows_before_ns THEN
      FOREACH name IN ARRAY hde_rollups() LOOP
        CALL refresh_continuous_aggregate(name::REGCLASS, from_ns, rows_before_ns);
      END LOOP;
    END IF;
    FOREACH name IN ARRAY ARRAY(SELECT hde_timed()) || hde_rollups() LOOP
      gone := gone + (SELECT count(*) FROM drop_chunks(name::REGCLASS, older_than =>
        CASE WHEN name = ANY (hde_rollups()) THEN limit_ns ELSE rows_before_ns END));
      COMMIT;
    END LOOP;
  END IF;
  INSERT INTO hde_jobs AS j (job, ran_ns, done) VALUES ('retire', hde_now_ns(), gone)
    ON CONFLICT (job) DO UPDATE SET ran_ns = excluded.ran_ns, done = j.done + excluded.done;
END
$$;

-- Partitions of whole days before that.
CREATE FUNCTION hde_days_before(before_ns INT8) RETURNS TEXT[] LANGUAGE SQL AS $$
  SELECT coalesce(array_agg(c.relname::TEXT ORDER BY right(c.relname, 8), c.relname), '{}')
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
  WHERE c.relkind = 'r' AND p.relname IN (SELECT hde_timed())
    AND p.relnamespace = current_schema::REGNAMESPACE
    AND CASE WHEN c.relname ~ '_[0-9]{8}$' THEN extract(epoch FROM
      to_date(right(c.relname, 8), 'YYYYMMDD'))::INT8 * 1000000000 < before_ns END
$$;

-- Rollups in the order in which one is made of the other.
CREATE FUNCTION hde_rollups() RETURNS TEXT[] LANGUAGE SQL AS $$
  SELECT ARRAY['option_chain_5m', 'chain_metrics_5m', 'option_chain_15m', 'chain_metrics_15m',
    'option_chain_1h', 'chain_metrics_1h']
$$;

-- Midnight (UTC) so many days before the newest day that has come.
CREATE FUNCTION hde_days_ago(days INT8) RETURNS INT8 LANGUAGE SQL STABLE AS $$
  SELECT (coalesce(least(max(last_ns), hde_now_ns()), 0) / 86400000000000 - days) * 86400000000000
  FROM chains
$$;

-- What hde_keep says, if it is due: sinks call it every hour, and with TimescaleDB its scheduler.
CREATE PROCEDURE hde_tend(job_id INT DEFAULT 0, config JSONB DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
  keep RECORD;
BEGIN
  SELECT coalesce(hde_days_ago(rows_days), 0) AS rows_ns,
    coalesce(hde_days_ago(rollup_days), 0) AS rollups_ns, rows_from_ns, rollups_from_ns
    INTO keep FROM hde_keep;
  IF keep.rows_ns > keep.rows_from_ns OR keep.rollups_ns > keep.rollups_from_ns THEN
    CALL hde_retire(keep.rows_ns, keep.rollups_ns);
  END IF;
END
$$;

-- Chunks of aggregates are days too, so that whole days go; and hde_tend() takes the place of the
-- policies of 030, which know neither hde_keep nor what was refreshed.
DO $$
DECLARE
  name TEXT;
BEGIN
  IF (SELECT level FROM hde_store) <> 'timescaledb' THEN
    RETURN;
  END IF;
  FOR name IN SELECT format('%I.%I', materialization_hypertable_schema,
      materialization_hypertable_name) FROM timescaledb_information.continuous_aggregates
      WHERE view_schema = current_schema AND view_name = ANY (hde_rollups()) LOOP
    PERFORM set_chunk_time_interval(name::REGCLASS, 86400000000000);
  END LOOP;
  FOR name IN SELECT hde_timed() LOOP
    PERFORM remove_retention_policy(name::REGCLASS);
  END LOOP;
  PERFORM add_job('hde_tend', '1 hour');
  -- what the aggregates have to be, by rows that are there
  EXECUTE 'CREATE VIEW option_chain_5m_live AS
    SELECT feed, expiry, time_bucket(INT8 ''300000000000'', event_ns) AS bucket_ns, strike, type,
      count(*) AS snapshots, first(last, event_ns) AS open, max(last) AS high, min(last) AS low,
      last(last, event_ns) AS close, last(volume, event_ns) AS volume, last(oi, event_ns) AS oi,
      last(iv, event_ns) AS iv, last(delta, event_ns) AS delta, last(gex, event_ns) AS gex
    FROM option_chain_snapshots GROUP BY 1, 2, 3, 4, 5';
  EXECUTE 'CREATE VIEW chain_metrics_5m_live AS
    SELECT feed, expiry, time_bucket(INT8 ''300000000000'', event_ns) AS bucket_ns,
      count(*) AS snapshots, first(spot, event_ns) AS spot_open, max(spot) AS spot_high,
      min(spot) AS spot_low, last(spot, event_ns) AS spot_close, last(vix, event_ns) AS vix,
      last(pcr_oi, event_ns) AS pcr_oi, last(pcr_volume, event_ns) AS pcr_volume,
      last(pcr_oi_change, event_ns) AS pcr_oi_change,
      last(max_pain_strike, event_ns) AS max_pain_strike, last(gex_net, event_ns) AS gex_net,
      last(skew_atm_iv, event_ns) AS skew_atm_iv
    FROM chain_metrics GROUP BY 1, 2, 3';
END
$$;
