-- 010 market: option chains, their metrics and what analytics made of them.
--
-- Rules of all tables
--   Columns carry the names of schemas/*.proto. A field of a sub-message has its name in front
--   (pcr_oi, gex_flip) unless it has it already (basis, basis_pct). Units are those of the schema.
--   FLOAT8 and INT8 have eight bytes in SQLite and PostgreSQL alike. Unknown is NULL, never 0.
--   Instants are nanoseconds since 1970-01-01 UTC (fields in _ns).
--   Enums are their names without the prefix ('PARITY_REGRESSION'); type is 'CE' or 'PE'; lists
--   are JSON arrays in TEXT.
--   The natural key is the primary key, in SQLite also the order on disk (WITHOUT ROWID), so a
--   snapshot is one range: feed, expiry, event_ns; writing a row again changes nothing.
--
-- This file is for SQLite and PostgreSQL; the build takes WITHOUT ROWID away for the latter and
-- has texts compared by their bytes there too (COLLATE "C").

-- One row an expiry of a feed. last_ns is the newest chain: start here.
CREATE TABLE chains (
  feed TEXT NOT NULL,               -- venue:underlying@source
  expiry TEXT NOT NULL,             -- YYYY-MM-DD
  venue TEXT, underlying TEXT, source TEXT,
  expiry_ns INT8, lot_size FLOAT8, oi_unit TEXT, volume_unit TEXT,
  first_ns INT8 NOT NULL, last_ns INT8 NOT NULL,
  PRIMARY KEY (feed, expiry)
) WITHOUT ROWID;

-- One row a leg: Quotes and ModelColumns. Legs without any value have no row.
CREATE TABLE option_chain_snapshots (
  feed TEXT NOT NULL, expiry TEXT NOT NULL, event_ns INT8 NOT NULL,
  strike FLOAT8 NOT NULL, type TEXT NOT NULL,
  last FLOAT8, bid FLOAT8, ask FLOAT8, bid_qty FLOAT8, ask_qty FLOAT8, volume FLOAT8,
  oi FLOAT8, oi_change FLOAT8, prev_oi FLOAT8, prev_close FLOAT8, prev_volume FLOAT8,
  average FLOAT8, change FLOAT8, security_id INT8,
  vendor_iv FLOAT8, vendor_delta FLOAT8, vendor_gamma FLOAT8, vendor_theta FLOAT8,
  vendor_vega FLOAT8,
  vendor_rho FLOAT8,
  input_price FLOAT8, input_source TEXT, iv FLOAT8, iv_status TEXT, iv_conditioning FLOAT8,
  price FLOAT8, mispricing FLOAT8, delta FLOAT8, gamma FLOAT8, vega FLOAT8, theta FLOAT8,
  rho FLOAT8,
  vanna FLOAT8, charm FLOAT8, vomma FLOAT8, veta FLOAT8, speed FLOAT8, zomma FLOAT8, color FLOAT8,
  ultima FLOAT8,
  dual_delta FLOAT8, dual_gamma FLOAT8, itm_prob FLOAT8,
  gex FLOAT8, dex FLOAT8, vex FLOAT8, chex FLOAT8,
  oi_intensity_pct FLOAT8, volume_intensity_pct FLOAT8, oi_change_intensity_pct FLOAT8,
  oi_rank FLOAT8, volume_rank FLOAT8,
  PRIMARY KEY (feed, expiry, event_ns, strike, type)
) WITHOUT ROWID;

-- One row a chain: RawChain's own fields, Forward and ChainMetrics.
CREATE TABLE chain_metrics (
  feed TEXT NOT NULL, expiry TEXT NOT NULL, event_ns INT8 NOT NULL,
  sequence INT8, receive_ns INT8, exchange_ns INT8, expiry_ns INT8,
  spot FLOAT8, future FLOAT8, lot_size FLOAT8, oi_unit TEXT, volume_unit TEXT, flags TEXT,
  session TEXT, session_open_ns INT8, session_close_ns INT8, vix FLOAT8,
  forward FLOAT8, forward_discount FLOAT8, forward_rate FLOAT8, forward_dividend_yield FLOAT8,
  forward_t_years FLOAT8, forward_source TEXT, forward_strikes_used INT8, forward_residual FLOAT8,
  pcr_oi FLOAT8, pcr_volume FLOAT8, pcr_oi_change FLOAT8, pcr_call_oi FLOAT8, pcr_put_oi FLOAT8,
  pcr_call_volume FLOAT8, pcr_put_volume FLOAT8, pcr_call_oi_change FLOAT8,
  pcr_put_oi_change FLOAT8,
  pcr_strikes INT8, pcr_scope TEXT, pcr_max_call_oi_strike FLOAT8, pcr_max_put_oi_strike FLOAT8,
  max_pain_strike FLOAT8, max_pain_writer_loss FLOAT8, max_pain_distance_pct FLOAT8,
  basis_future FLOAT8, basis FLOAT8, basis_pct FLOAT8, basis_annualised_simple FLOAT8,
  basis_annualised_continuous FLOAT8, basis_fair FLOAT8, basis_mispricing FLOAT8,
  basis_synthetic INT8,
  vix_published FLOAT8, vix_model_free FLOAT8, vix_iv30 FLOAT8, vix_divergence FLOAT8,
  vix_ratio FLOAT8,
  vix_own_divergence FLOAT8,
  skew_atm_iv FLOAT8, skew_rr25 FLOAT8, skew_bf25 FLOAT8, skew_slope FLOAT8, skew_curvature FLOAT8,
  skew_fit TEXT, skew_fit_residual FLOAT8, skew_legacy_skew FLOAT8, skew_atm_strike FLOAT8,
  skew_straddle FLOAT8, skew_expected_move FLOAT8, skew_iv_gap FLOAT8,
  gex_sign TEXT, gex_net FLOAT8, gex_call FLOAT8, gex_put FLOAT8, gex_dex FLOAT8, gex_vex FLOAT8,
  gex_chex FLOAT8, gex_flip FLOAT8, gex_call_wall FLOAT8, gex_put_wall FLOAT8,
  reversal_lower FLOAT8, reversal_upper FLOAT8, reversal_move_lower FLOAT8,
  reversal_move_upper FLOAT8,
  reversal_level TEXT,
  PRIMARY KEY (feed, expiry, event_ns)
) WITHOUT ROWID;

-- One row a strike: what of ChainMetrics belongs to a strike and to no leg. Strikes without any
-- value have no row.
CREATE TABLE chain_strike_metrics (
  feed TEXT NOT NULL, expiry TEXT NOT NULL, event_ns INT8 NOT NULL, strike FLOAT8 NOT NULL,
  max_pain_call_pain FLOAT8, max_pain_put_pain FLOAT8, skew_smile_iv FLOAT8,
  reversal_weekly FLOAT8, reversal_rr FLOAT8, reversal_rs FLOAT8, reversal_ss FLOAT8,
  reversal_advanced FLOAT8, reversal_confidence_pct FLOAT8, reversal_future FLOAT8,
  reversal_legacy_weekly FLOAT8, reversal_legacy_rr FLOAT8, reversal_legacy_rs FLOAT8,
  reversal_legacy_ss FLOAT8, reversal_legacy_advanced FLOAT8, reversal_legacy_confidence_pct FLOAT8,
  reversal_legacy_future FLOAT8,
  PRIMARY KEY (feed, expiry, event_ns, strike)
) WITHOUT ROWID;

-- One row a leg: CumulativeOi.
CREATE TABLE analytics_cumulative_oi (
  feed TEXT NOT NULL, expiry TEXT NOT NULL, event_ns INT8 NOT NULL,
  strike FLOAT8 NOT NULL, type TEXT NOT NULL,
  spot FLOAT8, session TEXT, baseline_ns INT8,
  oi FLOAT8, opening_oi FLOAT8, change FLOAT8, change_pct FLOAT8, session_high FLOAT8,
  session_low FLOAT8,
  change_prev_close FLOAT8,
  PRIMARY KEY (feed, expiry, event_ns, strike, type)
) WITHOUT ROWID;

-- One row a leg and window: Velocity.
CREATE TABLE analytics_velocity (
  feed TEXT NOT NULL, expiry TEXT NOT NULL, event_ns INT8 NOT NULL,
  strike FLOAT8 NOT NULL, type TEXT NOT NULL, window_s FLOAT8 NOT NULL,
  spot FLOAT8,
  oi_velocity FLOAT8, volume_velocity FLOAT8, price_velocity FLOAT8, iv_velocity FLOAT8,
  oi_acceleration FLOAT8, oi_ewma FLOAT8, spike_magnitude FLOAT8, is_spike INT8, interval_s FLOAT8,
  PRIMARY KEY (feed, expiry, event_ns, strike, type, window_s)
) WITHOUT ROWID;

-- One row a chain: Buildup's counts, over all legs and for calls and puts apart.
CREATE TABLE analytics_buildup (
  feed TEXT NOT NULL, expiry TEXT NOT NULL, event_ns INT8 NOT NULL,
  spot FLOAT8, from_ns INT8, legs_in_both INT8,
  counts_legs INT8, counts_long_buildup INT8, counts_short_buildup INT8,
  counts_long_unwinding INT8, counts_short_covering INT8, counts_neutral INT8,
  call_counts_legs INT8, call_counts_long_buildup INT8, call_counts_short_buildup INT8,
  call_counts_long_unwinding INT8, call_counts_short_covering INT8,
  call_counts_neutral INT8,
  put_counts_legs INT8, put_counts_long_buildup INT8, put_counts_short_buildup INT8,
  put_counts_long_unwinding INT8, put_counts_short_covering INT8,
  put_counts_neutral INT8,
  PRIMARY KEY (feed, expiry, event_ns)
) WITHOUT ROWID;

-- One row a pattern: BuildupPattern. type is the build-up class, side 'CALL' or 'PUT'.
CREATE TABLE analytics_buildup_patterns (
  feed TEXT NOT NULL, expiry TEXT NOT NULL, event_ns INT8 NOT NULL,
  type TEXT NOT NULL, side TEXT NOT NULL,
  signal TEXT, confidence_pct FLOAT8, signal_strength FLOAT8, strikes TEXT, price_level FLOAT8,
  is_confirmed INT8,
  PRIMARY KEY (feed, expiry, event_ns, type, side)
) WITHOUT ROWID;

-- One row a zone and chain: Zone. id stays with a zone while it lives.
CREATE TABLE analytics_zones (
  feed TEXT NOT NULL, expiry TEXT NOT NULL, event_ns INT8 NOT NULL, id INT8 NOT NULL,
  kind TEXT, price FLOAT8, lower FLOAT8, upper FLOAT8, strength FLOAT8, confidence_pct FLOAT8,
  source TEXT,
  total_oi FLOAT8, call_oi FLOAT8, put_oi FLOAT8, oi_buildup_pct FLOAT8, age_minutes FLOAT8,
  tests INT8, is_active INT8, is_breached INT8, breached_ns INT8, rank INT8,
  since_ns INT8, distance_pct FLOAT8, distance_moves FLOAT8,
  PRIMARY KEY (feed, expiry, event_ns, id)
) WITHOUT ROWID;

-- One row an event in the life of a zone: ZoneEvent (type 'MADE', 'MOVED', 'TESTED', 'BREACHED',
-- 'GONE').
CREATE TABLE analytics_zone_events (
  feed TEXT NOT NULL, expiry TEXT NOT NULL, event_ns INT8 NOT NULL, id INT8 NOT NULL,
  type TEXT NOT NULL,
  kind TEXT, price FLOAT8, from_price FLOAT8,
  PRIMARY KEY (feed, expiry, event_ns, id, type)
) WITHOUT ROWID;

-- The last tick that each sink node has committed, with the start of the part that gave it.
CREATE TABLE hde_marks (
  graph TEXT NOT NULL, node TEXT NOT NULL,
  tick INT8 NOT NULL, incarnation INT8 NOT NULL,
  PRIMARY KEY (graph, node)
) WITHOUT ROWID;
