-- Sorts, joins and exchanges of more than fits into memory.
-- sort-texts
SELECT max(x) FROM (SELECT CAST(value AS TEXT) AS x FROM generate_series(1, 100000000) ORDER BY x)
-- sort-md5
SELECT md5(CAST(value AS TEXT)) AS x FROM generate_series(1, 100000000) ORDER BY x
-- sort-numbers
SELECT value FROM generate_series(1, 1000000000) ORDER BY -value
-- sort-many-columns
SELECT value, value * 2, value * 3, value * 4, value * 5, value * 6, value * 7, value * 8 FROM generate_series(1, 100000000) ORDER BY -value
-- sort-long-texts
SELECT length(x) FROM (SELECT repeat('a', 10000) || value AS x FROM generate_series(1, 1000000)) ORDER BY x
-- sort-lists
SELECT array_length(x) FROM (SELECT range(1000) AS x, value FROM generate_series(1, 1000000)) ORDER BY x, value DESC
-- sort-limit
SELECT value FROM generate_series(1, 100000000) ORDER BY -value LIMIT 50000000
-- sort-offset
SELECT value FROM generate_series(1, 100000000) ORDER BY -value OFFSET 99999999
-- sort-of-sort
SELECT x FROM (SELECT value AS x FROM generate_series(1, 100000000) ORDER BY -value LIMIT 90000000) ORDER BY x LIMIT 80000000
-- top-of-long-texts
SELECT repeat('x', 100000) || value AS x FROM generate_series(1, 10000000) ORDER BY x LIMIT 10000
-- hash-join
SELECT count(*) FROM generate_series(1, 100000000) a (x) JOIN generate_series(1, 100000000) b (y) ON a.x = b.y
-- hash-join-texts
SELECT count(*) FROM (SELECT md5(CAST(value AS TEXT)) x FROM generate_series(1, 10000000)) a JOIN (SELECT md5(CAST(value AS TEXT)) x FROM generate_series(1, 10000000)) b ON a.x = b.x
-- hash-join-one-key
SELECT count(*) FROM generate_series(1, 1000000) a (x) JOIN generate_series(1, 1000000) b (y) ON a.x % 2 = b.y % 2
-- hash-join-one-key-rows
SELECT a.x, b.y FROM generate_series(1, 1000000) a (x) JOIN generate_series(1, 1000000) b (y) ON a.x % 2 = b.y % 2
-- full-join
SELECT count(*) FROM generate_series(1, 100000000) a (x) FULL JOIN generate_series(50000000, 150000000) b (y) ON a.x = b.y
-- left-join
SELECT count(b.y) FROM generate_series(1, 100000000) a (x) LEFT JOIN generate_series(50000000, 150000000) b (y) ON a.x = b.y
-- anti-join
SELECT count(*) FROM generate_series(1, 100000000) a (x) WHERE NOT EXISTS (SELECT 1 FROM generate_series(50000000, 150000000) b (y) WHERE a.x = b.y)
-- not-in
SELECT count(*) FROM generate_series(1, 10000000) a (x) WHERE x NOT IN (SELECT value FROM generate_series(5, 100000000))
-- cross-join
SELECT count(*) FROM generate_series(1, 10000000) a (x) CROSS JOIN generate_series(1, 10000000) b (y) WHERE a.x + b.y = 7
-- cross-join-rows
SELECT * FROM generate_series(1, 10000000) a (x) CROSS JOIN generate_series(1, 10000000) b (y)
-- cross-join-of-texts
SELECT max(length(a.x || b.y)) FROM (SELECT repeat('a', 100000) || value x FROM generate_series(1, 5000)) a CROSS JOIN (SELECT repeat('b', 100000) || value y FROM generate_series(1, 5000)) b
-- inequality-join
SELECT count(*) FROM generate_series(1, 1000000) a (x) JOIN generate_series(1, 1000000) b (y) ON a.x < b.y
-- inequality-join-rows
SELECT a.x, b.y FROM generate_series(1, 1000000) a (x) JOIN generate_series(1, 1000000) b (y) ON a.x < b.y
-- join-of-five
SELECT count(*) FROM generate_series(1, 100000) a (x), generate_series(1, 100000) b (x), generate_series(1, 100000) c (x), generate_series(1, 100000) d (x), generate_series(1, 100000) e (x) WHERE a.x = b.x AND c.x = d.x AND d.x = e.x
-- except
SELECT value FROM generate_series(1, 100000000) EXCEPT SELECT value FROM generate_series(50000000, 150000000)
-- intersect
SELECT value FROM generate_series(1, 100000000) INTERSECT SELECT value FROM generate_series(50000000, 150000000)
-- union-distinct
SELECT count(*) FROM (SELECT value FROM generate_series(1, 100000000) UNION SELECT value FROM generate_series(50000000, 150000000))
-- distinct
SELECT DISTINCT value FROM generate_series(1, 1000000000)
-- distinct-on
SELECT DISTINCT ON (value % 10000000) value FROM generate_series(1, 100000000) ORDER BY value % 10000000, value DESC
-- self-join-of-window
SELECT count(*) FROM (SELECT value, row_number() OVER (ORDER BY -value) r FROM generate_series(1, 10000000)) a JOIN (SELECT value, row_number() OVER (ORDER BY -value) r FROM generate_series(1, 10000000)) b ON a.r = b.value
-- correlated
SELECT value, (SELECT max(b.value) FROM generate_series(1, 1000000) b WHERE b.value % 1000 = a.value % 1000) FROM generate_series(1, 10000000) a
-- group-then-sort
SELECT value % 50000000 AS x, count(*) FROM generate_series(1, 100000000) GROUP BY 1 ORDER BY 1
-- images-squared
SELECT count(*) FROM images a, images b, images c, images d WHERE a.name || b.name < c.name || d.name
-- images-cubed-sorted
SELECT a.description || b.description || c.description AS x FROM images a, images b, images c ORDER BY x
-- rows-to-client
SELECT value, md5(CAST(value AS TEXT)) FROM generate_series(1, 1000000000)
-- wide-rows-to-client
SELECT repeat(md5(CAST(value AS TEXT)), 1000) FROM generate_series(1, 100000000)
