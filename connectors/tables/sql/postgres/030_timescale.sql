-- 030 timescale: with TimescaleDB the rollups are continuous aggregates of the same names and
-- columns, and compression (after 7 days) and retention of rows (90 days) are its own jobs.
-- Rollups read on into rows that are not materialized yet; a late correction shows when the
-- refresh policy (the last 7 days, every 5 minutes) has come by.
DO $$
DECLARE
  timed TEXT;
  keys TEXT;
  wide RECORD;
BEGIN
  IF (SELECT level FROM hde_store) <> 'timescaledb' THEN
    RETURN;
  END IF;
  DROP VIEW option_chain_1h, option_chain_15m, option_chain_5m, option_chain_5m_live,
    chain_metrics_1h, chain_metrics_15m, chain_metrics_5m, chain_metrics_5m_live;
  EXECUTE 'CREATE MATERIALIZED VIEW option_chain_5m
    WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
    SELECT feed, expiry, time_bucket(INT8 ''300000000000'', event_ns) AS bucket_ns, strike, type,
      count(*) AS snapshots, first(last, event_ns) AS open, max(last) AS high, min(last) AS low,
      last(last, event_ns) AS close, last(volume, event_ns) AS volume, last(oi, event_ns) AS oi,
      last(iv, event_ns) AS iv, last(delta, event_ns) AS delta, last(gex, event_ns) AS gex
    FROM option_chain_snapshots GROUP BY 1, 2, 3, 4, 5 WITH NO DATA';
  EXECUTE 'CREATE MATERIALIZED VIEW chain_metrics_5m
    WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
    SELECT feed, expiry, time_bucket(INT8 ''300000000000'', event_ns) AS bucket_ns,
      count(*) AS snapshots, first(spot, event_ns) AS spot_open, max(spot) AS spot_high,
      min(spot) AS spot_low, last(spot, event_ns) AS spot_close, last(vix, event_ns) AS vix,
      last(pcr_oi, event_ns) AS pcr_oi, last(pcr_volume, event_ns) AS pcr_volume,
      last(pcr_oi_change, event_ns) AS pcr_oi_change,
      last(max_pain_strike, event_ns) AS max_pain_strike, last(gex_net, event_ns) AS gex_net,
      last(skew_atm_iv, event_ns) AS skew_atm_iv
    FROM chain_metrics GROUP BY 1, 2, 3 WITH NO DATA';
  FOR wide IN SELECT * FROM (VALUES ('15m', 900000000000), ('1h', 3600000000000)) w (name, ns) LOOP
    EXECUTE format('CREATE MATERIALIZED VIEW option_chain_%s
      WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
      SELECT feed, expiry, time_bucket(%s::INT8, bucket_ns) AS bucket_ns, strike, type,
        sum(snapshots)::INT8 AS snapshots, first(open, bucket_ns) AS open, max(high) AS high,
        min(low) AS low, last(close, bucket_ns) AS close, last(volume, bucket_ns) AS volume,
        last(oi, bucket_ns) AS oi, last(iv, bucket_ns) AS iv, last(delta, bucket_ns) AS delta,
        last(gex, bucket_ns) AS gex
      FROM option_chain_5m GROUP BY 1, 2, 3, 4, 5 WITH NO DATA', wide.name, wide.ns);
    EXECUTE format('CREATE MATERIALIZED VIEW chain_metrics_%s
      WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
      SELECT feed, expiry, time_bucket(%s::INT8, bucket_ns) AS bucket_ns,
        sum(snapshots)::INT8 AS snapshots, first(spot_open, bucket_ns) AS spot_open,
        max(spot_high) AS spot_high, min(spot_low) AS spot_low,
        last(spot_close, bucket_ns) AS spot_close, last(vix, bucket_ns) AS vix,
        last(pcr_oi, bucket_ns) AS pcr_oi, last(pcr_volume, bucket_ns) AS pcr_volume,
        last(pcr_oi_change, bucket_ns) AS pcr_oi_change,
        last(max_pain_strike, bucket_ns) AS max_pain_strike, last(gex_net, bucket_ns) AS gex_net,
        last(skew_atm_iv, bucket_ns) AS skew_atm_iv
      FROM chain_metrics_5m GROUP BY 1, 2, 3 WITH NO DATA', wide.name, wide.ns);
  END LOOP;
  FOR timed IN SELECT unnest(ARRAY['option_chain_5m', 'chain_metrics_5m', 'option_chain_15m',
      'chain_metrics_15m', 'option_chain_1h', 'chain_metrics_1h']) LOOP
    PERFORM add_continuous_aggregate_policy(timed::REGCLASS, INT8 '604800000000000',
      INT8 '3600000000000', INTERVAL '5 minutes');
  END LOOP;
  FOR timed IN SELECT hde_timed() LOOP
    SELECT string_agg(quote_ident(a.attname), ', ') INTO keys
      FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
      WHERE i.indisprimary AND i.indrelid = timed::REGCLASS AND a.attname <> 'event_ns';
    EXECUTE format('ALTER TABLE %I SET (timescaledb.compress, timescaledb.compress_segmentby = %L,
      timescaledb.compress_orderby = ''event_ns DESC'')', timed, keys);
    PERFORM add_compression_policy(timed::REGCLASS, INT8 '604800000000000');
    PERFORM add_retention_policy(timed::REGCLASS, INT8 '7776000000000000');
  END LOOP;
END
$$;
