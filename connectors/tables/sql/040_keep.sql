-- 040 keep: how long rows and rollups stay, from when on they are there, and what was done about
-- it. Days count back from the newest day that has come, which is today in a live store, so that
-- a recording of last year stays where it is loaded; NULL is for ever.
--
-- What is older than rows_from_ns is not written any more: of its bucket there is the rollup
-- alone, and one late row would take its place.
CREATE TABLE hde_keep (
  rows_days INT8, rollup_days INT8,
  rows_from_ns INT8 NOT NULL, rollups_from_ns INT8 NOT NULL
);
INSERT INTO hde_keep VALUES (NULL, NULL, 0, 0);

CREATE TABLE hde_jobs (
  job TEXT NOT NULL PRIMARY KEY,
  ran_ns INT8 NOT NULL,
  done INT8 NOT NULL
) WITHOUT ROWID;
