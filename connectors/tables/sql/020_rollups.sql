-- 020 rollups: option_chain_5m, _15m, _1h and chain_metrics_5m, _15m, _1h. They are always those
-- of the rows: a bucket that was written to is in hde_dirty and read from the rows, until it has
-- been folded into the kept table (when the chain is past it). A late correction makes it dirty
-- again. Wider buckets are made of those of five minutes.
--
-- bucket_ns is the begin of the bucket. open, high, low, close are of the legs' last price (spot_*
-- of the chain's spot), the other values those of the last row of the bucket.
CREATE TABLE hde_dirty (
  feed TEXT NOT NULL, expiry TEXT NOT NULL, bucket_ns INT8 NOT NULL,
  writes INT8 NOT NULL,
  PRIMARY KEY (feed, expiry, bucket_ns)
) WITHOUT ROWID;

CREATE TABLE option_chain_5m_kept (
  feed TEXT NOT NULL, expiry TEXT NOT NULL, bucket_ns INT8 NOT NULL,
  strike FLOAT8 NOT NULL, type TEXT NOT NULL,
  snapshots INT8, open FLOAT8, high FLOAT8, low FLOAT8, close FLOAT8,
  volume FLOAT8, oi FLOAT8, iv FLOAT8, delta FLOAT8, gex FLOAT8,
  PRIMARY KEY (feed, expiry, bucket_ns, strike, type)
) WITHOUT ROWID;

CREATE TABLE chain_metrics_5m_kept (
  feed TEXT NOT NULL, expiry TEXT NOT NULL, bucket_ns INT8 NOT NULL,
  snapshots INT8, spot_open FLOAT8, spot_high FLOAT8, spot_low FLOAT8, spot_close FLOAT8,
  vix FLOAT8, pcr_oi FLOAT8, pcr_volume FLOAT8, pcr_oi_change FLOAT8, max_pain_strike FLOAT8,
  gex_net FLOAT8, skew_atm_iv FLOAT8,
  PRIMARY KEY (feed, expiry, bucket_ns)
) WITHOUT ROWID;

CREATE VIEW option_chain_5m_live AS
SELECT feed, expiry, bucket_ns, strike, type, count(*) AS snapshots,
  max(CASE WHEN first = 1 THEN price_last END) AS open, max(price_last) AS high,
  min(price_last) AS low, max(CASE WHEN final = 1 THEN price_last END) AS close,
  max(CASE WHEN final = 1 THEN volume END) AS volume, max(CASE WHEN final = 1 THEN oi END) AS oi,
  max(CASE WHEN final = 1 THEN iv END) AS iv, max(CASE WHEN final = 1 THEN delta END) AS delta,
  max(CASE WHEN final = 1 THEN gex END) AS gex
FROM (
  SELECT s.feed, s.expiry, d.bucket_ns, s.strike, s.type, s.last AS price_last, s.volume, s.oi,
    s.iv, s.delta, s.gex,
    row_number() OVER (PARTITION BY s.feed, s.expiry, d.bucket_ns, s.strike, s.type
                       ORDER BY s.event_ns) AS first,
    row_number() OVER (PARTITION BY s.feed, s.expiry, d.bucket_ns, s.strike, s.type
                       ORDER BY s.event_ns DESC) AS final
  FROM hde_dirty d JOIN option_chain_snapshots s
    ON s.feed = d.feed AND s.expiry = d.expiry
    AND s.event_ns >= d.bucket_ns AND s.event_ns < d.bucket_ns + 300000000000
) legs
GROUP BY feed, expiry, bucket_ns, strike, type;

CREATE VIEW chain_metrics_5m_live AS
SELECT feed, expiry, bucket_ns, count(*) AS snapshots,
  max(CASE WHEN first = 1 THEN spot END) AS spot_open, max(spot) AS spot_high,
  min(spot) AS spot_low, max(CASE WHEN final = 1 THEN spot END) AS spot_close,
  max(CASE WHEN final = 1 THEN vix END) AS vix,
  max(CASE WHEN final = 1 THEN pcr_oi END) AS pcr_oi,
  max(CASE WHEN final = 1 THEN pcr_volume END) AS pcr_volume,
  max(CASE WHEN final = 1 THEN pcr_oi_change END) AS pcr_oi_change,
  max(CASE WHEN final = 1 THEN max_pain_strike END) AS max_pain_strike,
  max(CASE WHEN final = 1 THEN gex_net END) AS gex_net,
  max(CASE WHEN final = 1 THEN skew_atm_iv END) AS skew_atm_iv
FROM (
  SELECT m.feed, m.expiry, d.bucket_ns, m.spot, m.vix, m.pcr_oi, m.pcr_volume, m.pcr_oi_change,
    m.max_pain_strike, m.gex_net, m.skew_atm_iv,
    row_number() OVER (PARTITION BY m.feed, m.expiry, d.bucket_ns ORDER BY m.event_ns) AS first,
    row_number() OVER (PARTITION BY m.feed, m.expiry, d.bucket_ns
                       ORDER BY m.event_ns DESC) AS final
  FROM hde_dirty d JOIN chain_metrics m
    ON m.feed = d.feed AND m.expiry = d.expiry
    AND m.event_ns >= d.bucket_ns AND m.event_ns < d.bucket_ns + 300000000000
) chain
GROUP BY feed, expiry, bucket_ns;

CREATE VIEW option_chain_5m AS
SELECT feed, expiry, bucket_ns, strike, type, snapshots, open, high, low, close, volume, oi, iv,
  delta, gex
FROM option_chain_5m_kept k
WHERE NOT EXISTS (SELECT 1 FROM hde_dirty d WHERE d.feed = k.feed AND d.expiry = k.expiry
                  AND d.bucket_ns = k.bucket_ns)
UNION ALL
SELECT feed, expiry, bucket_ns, strike, type, snapshots, open, high, low, close, volume, oi, iv,
  delta, gex
FROM option_chain_5m_live;

CREATE VIEW chain_metrics_5m AS
SELECT feed, expiry, bucket_ns, snapshots, spot_open, spot_high, spot_low, spot_close, vix,
  pcr_oi, pcr_volume, pcr_oi_change, max_pain_strike, gex_net, skew_atm_iv
FROM chain_metrics_5m_kept k
WHERE NOT EXISTS (SELECT 1 FROM hde_dirty d WHERE d.feed = k.feed AND d.expiry = k.expiry
                  AND d.bucket_ns = k.bucket_ns)
UNION ALL
SELECT feed, expiry, bucket_ns, snapshots, spot_open, spot_high, spot_low, spot_close, vix,
  pcr_oi, pcr_volume, pcr_oi_change, max_pain_strike, gex_net, skew_atm_iv
FROM chain_metrics_5m_live;

CREATE VIEW option_chain_15m AS
SELECT feed, expiry, wide_ns AS bucket_ns, strike, type, CAST(sum(snapshots) AS INT8) AS snapshots,
  max(CASE WHEN first = 1 THEN open END) AS open, max(high) AS high, min(low) AS low,
  max(CASE WHEN final = 1 THEN close END) AS close,
  max(CASE WHEN final = 1 THEN volume END) AS volume, max(CASE WHEN final = 1 THEN oi END) AS oi,
  max(CASE WHEN final = 1 THEN iv END) AS iv, max(CASE WHEN final = 1 THEN delta END) AS delta,
  max(CASE WHEN final = 1 THEN gex END) AS gex
FROM (
  SELECT b.*, bucket_ns - bucket_ns % 900000000000 AS wide_ns,
    row_number() OVER (PARTITION BY feed, expiry, bucket_ns - bucket_ns % 900000000000, strike,
                       type ORDER BY bucket_ns) AS first,
    row_number() OVER (PARTITION BY feed, expiry, bucket_ns - bucket_ns % 900000000000, strike,
                       type ORDER BY bucket_ns DESC) AS final
  FROM option_chain_5m b
) buckets
GROUP BY feed, expiry, wide_ns, strike, type;

CREATE VIEW chain_metrics_15m AS
SELECT feed, expiry, wide_ns AS bucket_ns, CAST(sum(snapshots) AS INT8) AS snapshots,
  max(CASE WHEN first = 1 THEN spot_open END) AS spot_open, max(spot_high) AS spot_high,
  min(spot_low) AS spot_low, max(CASE WHEN final = 1 THEN spot_close END) AS spot_close,
  max(CASE WHEN final = 1 THEN vix END) AS vix,
  max(CASE WHEN final = 1 THEN pcr_oi END) AS pcr_oi,
  max(CASE WHEN final = 1 THEN pcr_volume END) AS pcr_volume,
  max(CASE WHEN final = 1 THEN pcr_oi_change END) AS pcr_oi_change,
  max(CASE WHEN final = 1 THEN max_pain_strike END) AS max_pain_strike,
  max(CASE WHEN final = 1 THEN gex_net END) AS gex_net,
  max(CASE WHEN final = 1 THEN skew_atm_iv END) AS skew_atm_iv
FROM (
  SELECT b.*, bucket_ns - bucket_ns % 900000000000 AS wide_ns,
    row_number() OVER (PARTITION BY feed, expiry, bucket_ns - bucket_ns % 900000000000
                       ORDER BY bucket_ns) AS first,
    row_number() OVER (PARTITION BY feed, expiry, bucket_ns - bucket_ns % 900000000000
                       ORDER BY bucket_ns DESC) AS final
  FROM chain_metrics_5m b
) buckets
GROUP BY feed, expiry, wide_ns;

CREATE VIEW option_chain_1h AS
SELECT feed, expiry, wide_ns AS bucket_ns, strike, type, CAST(sum(snapshots) AS INT8) AS snapshots,
  max(CASE WHEN first = 1 THEN open END) AS open, max(high) AS high, min(low) AS low,
  max(CASE WHEN final = 1 THEN close END) AS close,
  max(CASE WHEN final = 1 THEN volume END) AS volume, max(CASE WHEN final = 1 THEN oi END) AS oi,
  max(CASE WHEN final = 1 THEN iv END) AS iv, max(CASE WHEN final = 1 THEN delta END) AS delta,
  max(CASE WHEN final = 1 THEN gex END) AS gex
FROM (
  SELECT b.*, bucket_ns - bucket_ns % 3600000000000 AS wide_ns,
    row_number() OVER (PARTITION BY feed, expiry, bucket_ns - bucket_ns % 3600000000000, strike,
                       type ORDER BY bucket_ns) AS first,
    row_number() OVER (PARTITION BY feed, expiry, bucket_ns - bucket_ns % 3600000000000, strike,
                       type ORDER BY bucket_ns DESC) AS final
  FROM option_chain_5m b
) buckets
GROUP BY feed, expiry, wide_ns, strike, type;

CREATE VIEW chain_metrics_1h AS
SELECT feed, expiry, wide_ns AS bucket_ns, CAST(sum(snapshots) AS INT8) AS snapshots,
  max(CASE WHEN first = 1 THEN spot_open END) AS spot_open, max(spot_high) AS spot_high,
  min(spot_low) AS spot_low, max(CASE WHEN final = 1 THEN spot_close END) AS spot_close,
  max(CASE WHEN final = 1 THEN vix END) AS vix,
  max(CASE WHEN final = 1 THEN pcr_oi END) AS pcr_oi,
  max(CASE WHEN final = 1 THEN pcr_volume END) AS pcr_volume,
  max(CASE WHEN final = 1 THEN pcr_oi_change END) AS pcr_oi_change,
  max(CASE WHEN final = 1 THEN max_pain_strike END) AS max_pain_strike,
  max(CASE WHEN final = 1 THEN gex_net END) AS gex_net,
  max(CASE WHEN final = 1 THEN skew_atm_iv END) AS skew_atm_iv
FROM (
  SELECT b.*, bucket_ns - bucket_ns % 3600000000000 AS wide_ns,
    row_number() OVER (PARTITION BY feed, expiry, bucket_ns - bucket_ns % 3600000000000
                       ORDER BY bucket_ns) AS first,
    row_number() OVER (PARTITION BY feed, expiry, bucket_ns - bucket_ns % 3600000000000
                       ORDER BY bucket_ns DESC) AS final
  FROM chain_metrics_5m b
) buckets
GROUP BY feed, expiry, wide_ns;
