-- 001 market: option chains, their metrics and what analytics made of them.
--
-- Rules of all tables
--   Columns carry the names of schemas/*.proto. A field of a sub-message has its name in front
--   (pcr_oi, gex_flip) unless it has it already (basis, basis_pct). Units are those of the schema.
--   Unknown is NULL, never 0. Instants are nanoseconds since 1970-01-01 UTC (fields in _ns).
--   Enums are their names without the prefix ('PARITY_REGRESSION'); type is 'CE' or 'PE'; lists
--   are JSON arrays in TEXT.
--   The natural key is the primary key and the order on disk (WITHOUT ROWID), so a snapshot is
--   one range: feed, expiry, event_ns; writing a row again changes nothing.

-- One row an expiry of a feed. last_ns is the newest chain: start here.
CREATE TABLE chains (
  feed TEXT NOT NULL,               -- venue:underlying@source
  expiry TEXT NOT NULL,             -- YYYY-MM-DD
  venue TEXT, underlying TEXT, source TEXT,
  expiry_ns INTEGER, lot_size REAL, oi_unit TEXT, volume_unit TEXT,
  first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL,
  PRIMARY KEY (feed, expiry)
) WITHOUT ROWID;

-- One row a leg: Quotes and ModelColumns. Legs without any value have no row.
CREATE TABLE option_chain_snapshots (
  feed TEXT NOT NULL, expiry TEXT NOT NULL, event_ns INTEGER NOT NULL,
  strike REAL NOT NULL, type TEXT NOT NULL,
  last REAL, bid REAL, ask REAL, bid_qty REAL, ask_qty REAL, volume REAL,
  oi REAL, oi_change REAL, prev_oi REAL, prev_close REAL, prev_volume REAL,
  average REAL, change REAL, security_id INTEGER,
  vendor_iv REAL, vendor_delta REAL, vendor_gamma REAL, vendor_theta REAL, vendor_vega REAL,
  vendor_rho REAL,
  input_price REAL, input_source TEXT, iv REAL, iv_status TEXT, iv_conditioning REAL,
  price REAL, mispricing REAL, delta REAL, gamma REAL, vega REAL, theta REAL, rho REAL,
  vanna REAL, charm REAL, vomma REAL, veta REAL, speed REAL, zomma REAL, color REAL, ultima REAL,
  dual_delta REAL, dual_gamma REAL, itm_prob REAL,
  gex REAL, dex REAL, vex REAL, chex REAL,
  oi_intensity_pct REAL, volume_intensity_pct REAL, oi_change_intensity_pct REAL,
  oi_rank REAL, volume_rank REAL,
  PRIMARY KEY (feed, expiry, event_ns, strike, type)
) WITHOUT ROWID;

-- One row a chain: RawChain's own fields, Forward and ChainMetrics.
CREATE TABLE chain_metrics (
  feed TEXT NOT NULL, expiry TEXT NOT NULL, event_ns INTEGER NOT NULL,
  sequence INTEGER, receive_ns INTEGER, exchange_ns INTEGER, expiry_ns INTEGER,
  spot REAL, future REAL, lot_size REAL, oi_unit TEXT, volume_unit TEXT, flags TEXT,
  session TEXT, session_open_ns INTEGER, session_close_ns INTEGER, vix REAL,
  forward REAL, forward_discount REAL, forward_rate REAL, forward_dividend_yield REAL,
  forward_t_years REAL, forward_source TEXT, forward_strikes_used INTEGER, forward_residual REAL,
  pcr_oi REAL, pcr_volume REAL, pcr_oi_change REAL, pcr_call_oi REAL, pcr_put_oi REAL,
  pcr_call_volume REAL, pcr_put_volume REAL, pcr_call_oi_change REAL, pcr_put_oi_change REAL,
  pcr_strikes INTEGER, pcr_scope TEXT, pcr_max_call_oi_strike REAL, pcr_max_put_oi_strike REAL,
  max_pain_strike REAL, max_pain_writer_loss REAL, max_pain_distance_pct REAL,
  basis_future REAL, basis REAL, basis_pct REAL, basis_annualised_simple REAL,
  basis_annualised_continuous REAL, basis_fair REAL, basis_mispricing REAL,
  basis_synthetic INTEGER,
  vix_published REAL, vix_model_free REAL, vix_iv30 REAL, vix_divergence REAL, vix_ratio REAL,
  vix_own_divergence REAL,
  skew_atm_iv REAL, skew_rr25 REAL, skew_bf25 REAL, skew_slope REAL, skew_curvature REAL,
  skew_fit TEXT, skew_fit_residual REAL, skew_legacy_skew REAL, skew_atm_strike REAL,
  skew_straddle REAL, skew_expected_move REAL, skew_iv_gap REAL,
  gex_sign TEXT, gex_net REAL, gex_call REAL, gex_put REAL, gex_dex REAL, gex_vex REAL,
  gex_chex REAL, gex_flip REAL, gex_call_wall REAL, gex_put_wall REAL,
  reversal_lower REAL, reversal_upper REAL, reversal_move_lower REAL, reversal_move_upper REAL,
  reversal_level TEXT,
  PRIMARY KEY (feed, expiry, event_ns)
) WITHOUT ROWID;

-- One row a strike: what of ChainMetrics belongs to a strike and to no leg. Strikes without any
-- value have no row.
CREATE TABLE chain_strike_metrics (
  feed TEXT NOT NULL, expiry TEXT NOT NULL, event_ns INTEGER NOT NULL, strike REAL NOT NULL,
  max_pain_call_pain REAL, max_pain_put_pain REAL, skew_smile_iv REAL,
  reversal_weekly REAL, reversal_rr REAL, reversal_rs REAL, reversal_ss REAL,
  reversal_advanced REAL, reversal_confidence_pct REAL, reversal_future REAL,
  reversal_legacy_weekly REAL, reversal_legacy_rr REAL, reversal_legacy_rs REAL,
  reversal_legacy_ss REAL, reversal_legacy_advanced REAL, reversal_legacy_confidence_pct REAL,
  reversal_legacy_future REAL,
  PRIMARY KEY (feed, expiry, event_ns, strike)
) WITHOUT ROWID;

-- One row a leg: CumulativeOi.
CREATE TABLE analytics_cumulative_oi (
  feed TEXT NOT NULL, expiry TEXT NOT NULL, event_ns INTEGER NOT NULL,
  strike REAL NOT NULL, type TEXT NOT NULL,
  spot REAL, session TEXT, baseline_ns INTEGER,
  oi REAL, opening_oi REAL, change REAL, change_pct REAL, session_high REAL, session_low REAL,
  change_prev_close REAL,
  PRIMARY KEY (feed, expiry, event_ns, strike, type)
) WITHOUT ROWID;

-- One row a leg and window: Velocity.
CREATE TABLE analytics_velocity (
  feed TEXT NOT NULL, expiry TEXT NOT NULL, event_ns INTEGER NOT NULL,
  strike REAL NOT NULL, type TEXT NOT NULL, window_s REAL NOT NULL,
  spot REAL,
  oi_velocity REAL, volume_velocity REAL, price_velocity REAL, iv_velocity REAL,
  oi_acceleration REAL, oi_ewma REAL, spike_magnitude REAL, is_spike INTEGER, interval_s REAL,
  PRIMARY KEY (feed, expiry, event_ns, strike, type, window_s)
) WITHOUT ROWID;

-- One row a chain: Buildup's counts, over all legs and for calls and puts apart.
CREATE TABLE analytics_buildup (
  feed TEXT NOT NULL, expiry TEXT NOT NULL, event_ns INTEGER NOT NULL,
  spot REAL, from_ns INTEGER, legs_in_both INTEGER,
  counts_legs INTEGER, counts_long_buildup INTEGER, counts_short_buildup INTEGER,
  counts_long_unwinding INTEGER, counts_short_covering INTEGER, counts_neutral INTEGER,
  call_counts_legs INTEGER, call_counts_long_buildup INTEGER, call_counts_short_buildup INTEGER,
  call_counts_long_unwinding INTEGER, call_counts_short_covering INTEGER,
  call_counts_neutral INTEGER,
  put_counts_legs INTEGER, put_counts_long_buildup INTEGER, put_counts_short_buildup INTEGER,
  put_counts_long_unwinding INTEGER, put_counts_short_covering INTEGER,
  put_counts_neutral INTEGER,
  PRIMARY KEY (feed, expiry, event_ns)
) WITHOUT ROWID;

-- One row a pattern: BuildupPattern. type is the build-up class, side 'CALL' or 'PUT'.
CREATE TABLE analytics_buildup_patterns (
  feed TEXT NOT NULL, expiry TEXT NOT NULL, event_ns INTEGER NOT NULL,
  type TEXT NOT NULL, side TEXT NOT NULL,
  signal TEXT, confidence_pct REAL, signal_strength REAL, strikes TEXT, price_level REAL,
  is_confirmed INTEGER,
  PRIMARY KEY (feed, expiry, event_ns, type, side)
) WITHOUT ROWID;

-- One row a zone and chain: Zone. id stays with a zone while it lives.
CREATE TABLE analytics_zones (
  feed TEXT NOT NULL, expiry TEXT NOT NULL, event_ns INTEGER NOT NULL, id INTEGER NOT NULL,
  kind TEXT, price REAL, lower REAL, upper REAL, strength REAL, confidence_pct REAL, source TEXT,
  total_oi REAL, call_oi REAL, put_oi REAL, oi_buildup_pct REAL, age_minutes REAL,
  tests INTEGER, is_active INTEGER, is_breached INTEGER, breached_ns INTEGER, rank INTEGER,
  since_ns INTEGER, distance_pct REAL, distance_moves REAL,
  PRIMARY KEY (feed, expiry, event_ns, id)
) WITHOUT ROWID;

-- One row an event in the life of a zone: ZoneEvent (type 'MADE', 'MOVED', 'TESTED', 'BREACHED',
-- 'GONE').
CREATE TABLE analytics_zone_events (
  feed TEXT NOT NULL, expiry TEXT NOT NULL, event_ns INTEGER NOT NULL, id INTEGER NOT NULL,
  type TEXT NOT NULL,
  kind TEXT, price REAL, from_price REAL,
  PRIMARY KEY (feed, expiry, event_ns, id, type)
) WITHOUT ROWID;

-- The last tick that each sink node has committed, with the start of the part that gave it.
CREATE TABLE hde_marks (
  graph TEXT NOT NULL, node TEXT NOT NULL,
  tick INTEGER NOT NULL, incarnation INTEGER NOT NULL,
  PRIMARY KEY (graph, node)
) WITHOUT ROWID;
