-- WITH RECURSIVE, which may never end.
-- doubling-text
WITH RECURSIVE t(n) AS (SELECT 'a' UNION ALL SELECT n || n FROM t) SELECT count(*) FROM t
-- doubling-text-length
WITH RECURSIVE t(n) AS (SELECT 'a' UNION ALL SELECT n || n FROM t) SELECT max(length(n)) FROM t
-- concat-text
WITH RECURSIVE t(n) AS (SELECT 'a' UNION ALL SELECT concat(n, n, n) FROM t) SELECT n FROM t
-- replace-text
WITH RECURSIVE t(n) AS (SELECT 'a' UNION ALL SELECT replace(n, 'a', 'aa') FROM t) SELECT count(*) FROM t
-- growing-text
WITH RECURSIVE t(n) AS (SELECT 'a' UNION ALL SELECT n || 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' FROM t) SELECT count(*) FROM t
-- growing-list
WITH RECURSIVE t(n) AS (SELECT [1] UNION ALL SELECT array_concat(n, n) FROM t) SELECT count(*) FROM t
-- appended-list
WITH RECURSIVE t(n) AS (SELECT [1] UNION ALL SELECT array_append(n, 1) FROM t) SELECT count(*) FROM t
-- nested-list
WITH RECURSIVE t(n) AS (SELECT [1, 1] UNION ALL SELECT flatten([n, n]) FROM t) SELECT max(array_length(n)) FROM t
-- counting
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t
-- counting-sum
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT sum(n) FROM t
-- counting-rows
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n FROM t
-- constant
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT 1 FROM t) SELECT count(*) FROM t
-- doubling-rows
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT t.n + x.v FROM t CROSS JOIN (VALUES (1), (2)) x (v)) SELECT count(*) FROM t
-- tenfold-rows
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT t.n + x.v FROM t CROSS JOIN (VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)) x (v)) SELECT count(*) FROM t
-- by-a-million
WITH RECURSIVE t(n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT t.n + x.value FROM t CROSS JOIN generate_series(1, 1000000) x) SELECT count(*) FROM t
-- unnest-doubling
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT unnest([n, n]) FROM t) SELECT count(*) FROM t
-- distinct-counting
WITH RECURSIVE t(n) AS (SELECT 1 UNION SELECT n + 1 FROM t) SELECT count(*) FROM t
-- distinct-text
WITH RECURSIVE t(n) AS (SELECT 'a' UNION SELECT n || 'a' FROM t) SELECT count(*) FROM t
-- distinct-doubling
WITH RECURSIVE t(n) AS (SELECT 'a' UNION SELECT n || n FROM t) SELECT count(*) FROM t
-- million-first
WITH RECURSIVE t(n) AS (SELECT value FROM generate_series(1, 10000000) UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t
-- million-first-limit
WITH RECURSIVE t(n) AS (SELECT value FROM generate_series(1, 10000000) UNION ALL SELECT n + 1 FROM t) SELECT n FROM t ORDER BY n DESC LIMIT 1
-- million-texts
WITH RECURSIVE t(n) AS (SELECT CAST(value AS TEXT) FROM generate_series(1, 1000000) UNION ALL SELECT n || n FROM t) SELECT count(*) FROM t
-- condition-never-true
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n > 0) SELECT count(*) FROM t
-- condition-late
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 100000000) SELECT count(*) FROM t
-- sort-inside
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL (SELECT n + 1 FROM t ORDER BY n)) SELECT count(*) FROM t
-- aggregate-inside
WITH RECURSIVE t(n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT max(n) + 1 FROM t) SELECT count(*) FROM t
-- string_agg-inside
WITH RECURSIVE t(n) AS (SELECT 'a' UNION ALL SELECT string_agg(n || n, ',') FROM t) SELECT count(*) FROM t
-- array_agg-inside
WITH RECURSIVE t(n, l) AS (SELECT 1, [1] UNION ALL SELECT max(n) + 1, array_concat(array_agg(n), first_value(l)) FROM t) SELECT count(*) FROM t
-- two-recursions
WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a), b(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM b) SELECT count(*) FROM a JOIN b ON a.n = b.n
-- recursion-joined-with-itself
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 100000) SELECT count(*) FROM t a JOIN t b ON a.n <> b.n
-- recursion-windowed
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT sum(n) OVER () FROM t
-- recursion-sorted
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n FROM t ORDER BY -n
-- long-constant
WITH RECURSIVE t(n, x) AS (SELECT 1, repeat('a', 1000000) UNION ALL SELECT n + 1, x FROM t) SELECT count(*) FROM t
-- wide-rows
WITH RECURSIVE t(n, x) AS (SELECT 1, repeat('a', 60000000) UNION ALL SELECT n + 1, repeat('b', 60000000) FROM t) SELECT max(length(x)) FROM t
-- powers
WITH RECURSIVE t(n) AS (SELECT 2.0 UNION ALL SELECT n * n FROM t) SELECT count(*) FROM t
-- images-endless
WITH RECURSIVE t(n) AS (SELECT name FROM images UNION ALL SELECT n || n FROM t) SELECT count(*) FROM t
