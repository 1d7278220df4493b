-- 025 jobs: what is done beside the writing, by whoever asks first (advisory lock).

-- Folds up to `most` buckets that are dirty and past, or begin before before_ns, into the kept
-- tables; gives how many. A bucket
-- that a writer holds is left to the next call; one that is written to meanwhile is dirty again.
CREATE FUNCTION hde_fold(most INT8, before_ns INT8) RETURNS INT8 LANGUAGE plpgsql AS $$
DECLARE
  dirty RECORD;
  folded INT8 := 0;
BEGIN
  IF (SELECT level FROM hde_store) <> 'postgresql'
    OR NOT pg_try_advisory_xact_lock(7522248467514614387) THEN -- "hde jobs"
    RETURN 0;
  END IF;
  FOR dirty IN
    SELECT d.feed, d.expiry, d.bucket_ns FROM hde_dirty d
    JOIN chains c ON c.feed = d.feed AND c.expiry = d.expiry
    WHERE d.bucket_ns + 300000000000 <= c.last_ns OR d.bucket_ns < before_ns
    ORDER BY d.bucket_ns LIMIT most FOR UPDATE OF d SKIP LOCKED
  LOOP
    DELETE FROM option_chain_5m_kept k WHERE k.feed = dirty.feed AND k.expiry = dirty.expiry
      AND k.bucket_ns = dirty.bucket_ns;
    DELETE FROM chain_metrics_5m_kept k WHERE k.feed = dirty.feed AND k.expiry = dirty.expiry
      AND k.bucket_ns = dirty.bucket_ns;
    INSERT INTO option_chain_5m_kept SELECT * FROM option_chain_5m_live l
      WHERE l.feed = dirty.feed AND l.expiry = dirty.expiry AND l.bucket_ns = dirty.bucket_ns;
    INSERT INTO chain_metrics_5m_kept SELECT * FROM chain_metrics_5m_live l
      WHERE l.feed = dirty.feed AND l.expiry = dirty.expiry AND l.bucket_ns = dirty.bucket_ns;
    DELETE FROM hde_dirty d WHERE d.feed = dirty.feed AND d.expiry = dirty.expiry
      AND d.bucket_ns = dirty.bucket_ns;
    folded := folded + 1;
  END LOOP;
  RETURN folded;
END
$$;
