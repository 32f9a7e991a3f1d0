-- Functions whose result is larger than their arguments.
-- array_repeat-constant
SELECT array_length(array_repeat(1, 1000000000))
-- array_repeat-rows
SELECT max(array_length(array_repeat(value, 1000000))) FROM generate_series(1, 100000)
-- array_repeat-nested
SELECT array_length(array_repeat(array_repeat(array_repeat(1, 1000), 1000), 1000))
-- array_resize-constant
SELECT array_length(array_resize([1], 1000000000, 0))
-- array_resize-rows
SELECT sum(array_length(array_resize([value], 5000000, 0))) FROM generate_series(1, 1000)
-- replace-constant
SELECT length(replace(repeat('a', 1000000), 'a', repeat('b', 10000)))
-- replace-rows
SELECT max(length(replace(CAST(value AS TEXT), '1', repeat('b', 10000000)))) FROM generate_series(1, 1000000)
-- replace-empty
SELECT length(replace(repeat('a', 10000000), '', repeat('b', 10000)))
-- regexp_replace-constant
SELECT length(regexp_replace(repeat('a', 1000000), 'a', repeat('b', 10000), 'g'))
-- regexp_replace-group
SELECT length(regexp_replace(repeat('a', 1000000), '(a+)', '\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1', 'g'))
-- regexp_replace-rows
SELECT max(length(regexp_replace(repeat('a', 100000), 'a', repeat('b', 600), 'g'))) FROM generate_series(1, 1000)
-- lpad-constant
SELECT length(lpad('x', 2000000000, 'y'))
-- rpad-constant
SELECT length(rpad('x', 2000000000, 'y'))
-- lpad-rows
SELECT max(length(lpad(CAST(value AS TEXT), 50000000, 'y'))) FROM generate_series(1, 100000)
-- range-constant
SELECT array_length(range(1000000000))
-- range-rows
SELECT max(array_length(range(value * 1000))) FROM generate_series(1, 100000)
-- generate_series-list
SELECT array_length(generate_series(1, 1000000000))
-- range-of-dates
SELECT array_length(generate_series(DATE '0001-01-01', DATE '9999-12-31', INTERVAL '1 day')) FROM generate_series(1, 10000)
-- range-of-times
SELECT array_length(generate_series(TIMESTAMP '1900-01-01', TIMESTAMP '2200-01-01', INTERVAL '1 second'))
-- repeat-constant
SELECT repeat('x', 1000000000)
-- repeat-largest-rows
SELECT repeat('a', 60000000) FROM generate_series(1, 100000)
-- repeat-of-rows
SELECT length(repeat(CAST(value AS TEXT), 10000000)) FROM generate_series(1, 100000)
-- repeat-overflow
SELECT repeat(repeat('x', 1000000), 9223372036854775807)
-- case-of-two-texts
SELECT CASE WHEN value % 2 = 0 THEN repeat('a', 60000000) ELSE repeat('b', 60000000) END FROM generate_series(1, 9)
-- coalesce-of-texts
SELECT coalesce(nullif(repeat('a', 6000000), 'a'), CAST(value AS TEXT)) FROM generate_series(1, 100000)
-- list-with-long-text
SELECT make_array(repeat('a', 60000000), CAST(value AS TEXT)) FROM generate_series(1, 100000)
-- list-of-ten-long-texts
SELECT length(array_to_string(array_repeat(repeat('a', 5000000), 100), ','))
-- struct-with-long-text
SELECT named_struct('a', repeat('a', 60000000), 'b', value) FROM generate_series(1, 100000)
-- map-with-long-text
SELECT map([repeat('a', 30000000)], [value]) FROM generate_series(1, 100000)
-- concat-ten-texts
SELECT concat(a, a, a, a, a, a, a, a, a, a) FROM (SELECT repeat('a', 10000000) AS a) CROSS JOIN generate_series(1, 10000)
-- concat_ws-of-lists
SELECT length(concat_ws(repeat(',', 10000000), 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'))
-- concat-operator-rows
SELECT max(length(t || value)) FROM (SELECT repeat('x', 1000000) AS t) CROSS JOIN generate_series(1, 100000)
-- translate-rows
SELECT max(length(translate(repeat('a', 10000000), 'a', 'ß'))) FROM generate_series(1, 1000)
-- string_to_array
SELECT array_length(string_to_array(repeat('a,', 30000000), ','))
-- string_to_array-rows
SELECT sum(array_length(string_to_array(repeat('a,', 1000000), ','))) FROM generate_series(1, 100000)
-- split_part-rows
SELECT max(length(split_part(repeat('a,', 10000000) || value, ',', 10000000))) FROM generate_series(1, 10000)
-- array_to_string-separator
SELECT length(array_to_string(array_repeat('a', 100000), repeat(',', 100000)))
-- array_to_string-null
SELECT length(array_to_string(array_repeat(CAST(NULL AS TEXT), 100000), ',', repeat('x', 100000)))
-- array_concat-lists
SELECT array_length(array_concat(a, a, a, a, a, a, a, a)) FROM (SELECT range(5000000) AS a) CROSS JOIN generate_series(1, 1000)
-- flatten-lists
SELECT array_length(flatten(array_repeat(range(1000000), 100)))
-- upper-that-grows
SELECT max(length(upper(repeat('ŉ', 10000000)))) FROM generate_series(1, 1000)
-- encode-hex
SELECT max(length(encode(repeat('a', 30000000), 'hex'))) FROM generate_series(1, 1000)
-- encode-base64
SELECT max(length(encode(repeat('a', 40000000), 'base64'))) FROM generate_series(1, 1000)
-- to_char-format
SELECT max(length(to_char(now(), repeat('%c', 1000000)))) FROM generate_series(1, 100000)
-- fixed-size-list
SELECT arrow_cast(NULL, 'FixedSizeList(2000000000, Int64)')
-- fixed-size-list-rows
SELECT arrow_cast(NULL, 'FixedSizeList(100000, Int64)') FROM generate_series(1, 1000000)
-- fixed-size-binary
SELECT arrow_cast(NULL, 'FixedSizeBinary(2000000000)') FROM generate_series(1, 10)
-- cast-list-to-text
SELECT length(CAST(range(20000000) AS TEXT))
-- cast-list-to-text-rows
SELECT max(length(CAST(range(1000000) AS TEXT))) FROM generate_series(1, 1000)
-- overlay-rows
SELECT max(length(overlay(repeat('a', 10000000) PLACING repeat('b', 10000000) FROM 5))) FROM generate_series(1, 1000)
-- reverse-rows
SELECT max(length(reverse(repeat('ab', 10000000)))) FROM generate_series(1, 10000)
-- regexp_match-rows
SELECT max(array_length(regexp_match(repeat('a', 10000000), '(a)(a)(a)(a*)'))) FROM generate_series(1, 1000)
-- array_sort-large
SELECT array_length(array_sort(range(8000000))) FROM generate_series(1, 1000)
-- array_distinct-large
SELECT array_length(array_distinct(range(8000000))) FROM generate_series(1, 100)
-- array_union-large
SELECT array_length(array_union(range(8000000), range(4000000, 12000000))) FROM generate_series(1, 100)
-- array_except-large
SELECT array_length(array_except(range(8000000), range(4000000))) FROM generate_series(1, 100)
-- nested-lists
SELECT [[[[range(8000000)]]]] FROM generate_series(1, 100)
-- values-long-texts
SELECT count(*) FROM (VALUES (repeat('a', 60000000)), (repeat('b', 60000000)), (repeat('c', 60000000)), (repeat('d', 60000000)), (repeat('e', 60000000)), (repeat('f', 60000000)), (repeat('g', 60000000)), (repeat('h', 60000000)), (repeat('i', 60000000)), (repeat('j', 60000000)), (repeat('k', 60000000)), (repeat('l', 60000000))) t (x)
-- twenty-columns-of-long-texts
SELECT repeat('a', 9000000), repeat('b', 9000000), repeat('c', 9000000), repeat('d', 9000000), repeat('e', 9000000), repeat('f', 9000000), repeat('g', 9000000), repeat('h', 9000000), repeat('i', 9000000), repeat('j', 9000000), repeat('k', 9000000), repeat('l', 9000000), repeat('m', 9000000), repeat('n', 9000000), repeat('o', 9000000), repeat('p', 9000000), repeat('q', 9000000), repeat('r', 9000000), repeat('s', 9000000), repeat('t', 9000000) FROM generate_series(1, 1000)
-- unnest-range
SELECT count(*) FROM (SELECT unnest(range(100000000)))
-- unnest-of-lists
SELECT max(x) FROM (SELECT unnest(range(1000000)) AS x FROM generate_series(1, 1000))
-- unnest-twice
SELECT count(*) FROM (SELECT unnest(unnest(array_repeat(range(10000), 1000))) FROM generate_series(1, 10))
-- unnest-beside-long-text
SELECT max(length(a || x)) FROM (SELECT repeat('a', 10000000) AS a, unnest(range(1000000)) AS x)
-- unnest-of-long-texts
SELECT max(length(x)) FROM (SELECT unnest(array_repeat(repeat('a', 100000), 500)) AS x FROM generate_series(1, 10000))
-- unions-of-long-texts
SELECT repeat('a', 60000000) UNION SELECT repeat('b', 60000000) UNION SELECT repeat('c', 60000000) UNION SELECT repeat('d', 60000000) UNION SELECT repeat('e', 60000000) UNION SELECT repeat('f', 60000000)
-- like-of-long-texts
SELECT count(*) FROM generate_series(1, 100000) WHERE repeat('a', 10000000) || value LIKE '%b'
-- order-by-long-texts
SELECT length(x) FROM (SELECT repeat(CAST(value AS TEXT), 5000000) AS x FROM generate_series(1, 1000)) ORDER BY x
-- partition-by-long-texts
SELECT count(*) OVER (PARTITION BY repeat(CAST(value AS TEXT), 1000000)) FROM generate_series(1, 1000)
-- in-list-of-long-texts
SELECT count(*) FROM generate_series(1, 1000) WHERE repeat(CAST(value AS TEXT), 1000000) IN (repeat('1', 60000000), repeat('2', 60000000), repeat('3', 60000000))
-- images-with-long-texts
SELECT repeat(name, 1000000) FROM images
-- images-by-images-with-long-texts
SELECT max(length(repeat(a.name, 100000) || b.name)) FROM images a CROSS JOIN images b
