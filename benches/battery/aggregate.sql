-- Aggregates and window functions that keep what they have read.
-- array_agg
SELECT array_length(array_agg(value)) FROM generate_series(1, 100000000)
-- array_agg-of-texts
SELECT array_length(array_agg(md5(CAST(value AS TEXT)))) FROM generate_series(1, 100000000)
-- array_agg-ordered
SELECT array_length(array_agg(value ORDER BY -value)) FROM generate_series(1, 100000000)
-- array_agg-distinct
SELECT array_length(array_agg(DISTINCT value)) FROM generate_series(1, 100000000)
-- array_agg-of-lists
SELECT array_length(array_agg(range(1000))) FROM generate_series(1, 1000000)
-- array_agg-grouped
SELECT value % 1000, array_agg(value) FROM generate_series(1, 100000000) GROUP BY 1
-- array_agg-window
SELECT array_agg(value) OVER () FROM generate_series(1, 100000)
-- array_agg-running
SELECT array_agg(value) OVER (ORDER BY value) FROM generate_series(1, 100000)
-- array_agg-window-of-long-texts
SELECT array_length(array_agg(repeat('x', 100000)) OVER ()) FROM generate_series(1, 10000)
-- string_agg
SELECT length(string_agg(md5(CAST(value AS TEXT)), ',')) FROM generate_series(1, 100000000)
-- string_agg-delimiter
SELECT length(string_agg(CAST(value AS TEXT), 'a long delimiter, which is longer than the values')) FROM generate_series(1, 100000000)
-- string_agg-ordered
SELECT length(string_agg(CAST(value AS TEXT), ',' ORDER BY value DESC)) FROM generate_series(1, 100000000)
-- string_agg-grouped
SELECT value % 100000, length(string_agg(repeat('x', 1000), ',')) FROM generate_series(1, 10000000) GROUP BY 1
-- string_agg-window
SELECT length(string_agg(CAST(value AS TEXT), ',') OVER (ORDER BY value)) FROM generate_series(1, 1000000)
-- count-distinct
SELECT count(DISTINCT md5(CAST(value AS TEXT))) FROM generate_series(1, 100000000)
-- count-distinct-numbers
SELECT count(DISTINCT value) FROM generate_series(1, 100000000)
-- count-distinct-lists
SELECT count(DISTINCT range(value % 1000)) FROM generate_series(1, 10000000)
-- count-distinct-grouped
SELECT value % 10, count(DISTINCT md5(CAST(value AS TEXT))) FROM generate_series(1, 100000000) GROUP BY 1
-- sum-distinct
SELECT sum(DISTINCT value) FROM generate_series(1, 100000000)
-- two-distinct-counts
SELECT count(DISTINCT value), count(DISTINCT value * 2), count(DISTINCT value * 3) FROM generate_series(1, 100000000)
-- group-by-text
SELECT md5(CAST(value AS TEXT)), count(*) FROM generate_series(1, 100000000) GROUP BY 1 ORDER BY 2 DESC LIMIT 1
-- group-by-long-text
SELECT repeat(CAST(value AS TEXT), 10000), count(*) FROM generate_series(1, 1000000) GROUP BY 1
-- group-by-lists
SELECT range(value), count(*) FROM generate_series(1, 100000) GROUP BY 1
-- group-by-many-columns
SELECT count(*) FROM (SELECT value, value * 2, value * 3, value * 4, value * 5, value * 6, value * 7, value * 8 FROM generate_series(1, 100000000) GROUP BY 1, 2, 3, 4, 5, 6, 7, 8)
-- cube-of-eight
SELECT count(*) FROM (SELECT a, b, c, d, e, f, g, h, count(*) FROM (SELECT value a, value * 2 b, value * 3 c, value * 4 d, value * 5 e, value * 6 f, value * 7 g, value * 8 h FROM generate_series(1, 1000000)) GROUP BY CUBE (a, b, c, d, e, f, g, h))
-- rollup-of-ten
SELECT count(*) FROM (SELECT count(*) FROM (SELECT value a, value * 2 b, value * 3 c, value * 4 d, value * 5 e FROM generate_series(1, 10000000)) GROUP BY ROLLUP (a, b, c, d, e))
-- median
SELECT median(value) FROM generate_series(1, 1000000000)
-- median-grouped
SELECT value % 100000, median(value) FROM generate_series(1, 100000000) GROUP BY 1
-- median-distinct
SELECT median(DISTINCT value) FROM generate_series(1, 100000000)
-- percentile
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY value) FROM generate_series(1, 1000000000)
-- approx-percentile-size
SELECT approx_percentile_cont(value, 0.5, 1000000000) FROM generate_series(1, 10)
-- approx-percentile-grouped
SELECT value, approx_percentile_cont(value, 0.5, 100000) FROM generate_series(1, 10000000) GROUP BY 1
-- approx-distinct-grouped
SELECT value, approx_distinct(value) FROM generate_series(1, 10000000) GROUP BY 1
-- nth_value
SELECT nth_value(value, 5 ORDER BY value) FROM generate_series(1, 100000000)
-- nth_value-from-end
SELECT value % 1000, nth_value(value, -5 ORDER BY value) FROM generate_series(1, 100000000) GROUP BY 1
-- first_value-of-long-texts
SELECT value, first_value(repeat('x', 100000) ORDER BY value) FROM generate_series(1, 1000000) GROUP BY 1
-- min-of-long-texts
SELECT value, min(repeat('x', 100000) || value) FROM generate_series(1, 1000000) GROUP BY 1
-- max-of-lists
SELECT value, max(range(10000)) FROM generate_series(1, 1000000) GROUP BY 1
-- window-over-everything
SELECT sum(x) FROM (SELECT sum(value) OVER () AS x FROM generate_series(1, 100000000))
-- window-of-text
SELECT max(x) FROM (SELECT row_number() OVER (ORDER BY md5(CAST(value AS TEXT))) AS x FROM generate_series(1, 100000000))
-- window-wide-frame
SELECT max(x) FROM (SELECT max(value) OVER (ORDER BY value ROWS BETWEEN 1000000 PRECEDING AND 1000000 FOLLOWING) AS x FROM generate_series(1, 100000000))
-- window-of-long-texts
SELECT max(length(x)) FROM (SELECT lag(repeat('x', 1000000) || value, 1000) OVER (ORDER BY value) AS x FROM generate_series(1, 100000))
-- lag-far
SELECT max(x) FROM (SELECT lag(value, 100000000) OVER (ORDER BY value) AS x FROM generate_series(1, 100000000))
-- ntile
SELECT max(x) FROM (SELECT ntile(1000000) OVER (ORDER BY value) AS x FROM generate_series(1, 100000000))
-- thirty-windows
SELECT sum(value) OVER (PARTITION BY value % 2), sum(value) OVER (PARTITION BY value % 3), sum(value) OVER (PARTITION BY value % 4), sum(value) OVER (PARTITION BY value % 5), sum(value) OVER (PARTITION BY value % 6), sum(value) OVER (PARTITION BY value % 7), sum(value) OVER (PARTITION BY value % 8), sum(value) OVER (PARTITION BY value % 9) FROM generate_series(1, 100000000)
-- images-array_agg-squared
SELECT array_length(array_agg(a.description || b.description || c.name)) FROM images a CROSS JOIN images b CROSS JOIN images c
