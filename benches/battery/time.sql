-- Statements that compute for long, in few calls.
-- levenshtein
SELECT levenshtein(repeat('a', 1000000), repeat('b', 1000000))
-- levenshtein-rows
SELECT max(levenshtein(repeat('a', 2000) || value, repeat('b', 2000))) FROM generate_series(1, 100000)
-- levenshtein-two-columns
SELECT max(levenshtein(a, b)) FROM (SELECT repeat(CAST(value AS TEXT), 10000) a, repeat(CAST(value + 1 AS TEXT), 10000) b FROM generate_series(1, 1000))
-- regexp-count
SELECT sum(regexp_count(repeat('ab', 10000000), '(a|b)+?')) FROM generate_series(1, 10000)
-- regexp-like-nested
SELECT count(*) FROM generate_series(1, 100000) WHERE regexp_like(repeat('a', 100000) || value, '^(a|aa|aaa)*$')
-- regexp-large-count
SELECT regexp_like(repeat('a', 1000000), '(a{1,1000}){1,1000}$')
-- regexp-each-row
SELECT count(*) FROM generate_series(1, 10000000) WHERE regexp_like('abc', CAST(value AS TEXT) || '(x{1,100}){1,10}')
-- regexp-bomb
SELECT regexp_like('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', '((((a{1,30}){1,30}){1,30}){1,30}){1,30}')
-- regexp-many-states
SELECT regexp_like(string_agg(md5(CAST(value AS TEXT)), ''), '[0-7][0-9a-f]{1000}[g-z]') FROM generate_series(1, 500000)
-- regexp-many-states-operator
SELECT string_agg(md5(CAST(value AS TEXT)), '') ~ '[0-7][0-9a-f]{1000}[g-z]' FROM generate_series(1, 500000)
-- regexp-many-states-count
SELECT regexp_count(string_agg(md5(CAST(value AS TEXT)), ''), '[0-7][0-9a-f]{1000}[g-z]') FROM generate_series(1, 500000)
-- regexp-many-states-rows
SELECT count(*) FROM generate_series(1, 1000000) WHERE regexp_like(repeat(md5(CAST(value AS TEXT)), 100), '[0-7][0-9a-f]{1000}[g-z]')
-- regexp-again-rows
SELECT sum(regexp_count(repeat('a', 20000) || value, '.*[^a-z0-9]|[a-z]')) FROM generate_series(1, 1000000)
-- like-many-states
SELECT count(*) FROM (SELECT repeat(md5(CAST(value AS TEXT)), 100000) AS t FROM generate_series(1, 100)) WHERE t LIKE '%a________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________________%x'
-- like-column
SELECT count(*) FROM (SELECT repeat(md5(CAST(value AS TEXT)), 10000) AS t, '%a' || repeat('_', value) || 'x' AS p FROM generate_series(1, 10000)) WHERE t LIKE p
-- regexp-instr
SELECT max(regexp_instr(repeat('a', 10000000), 'b$')) FROM generate_series(1, 10000)
-- like-many-percents
SELECT count(*) FROM generate_series(1, 100000) WHERE repeat('a', 100000) || value LIKE '%a%a%a%a%a%a%a%a%a%b'
-- ilike
SELECT count(*) FROM generate_series(1, 100000) WHERE repeat('A', 1000000) || value ILIKE '%a%b%'
-- similar-to
SELECT count(*) FROM generate_series(1, 100000) WHERE repeat('a', 1000000) || value SIMILAR TO '(a|b)*c'
-- md5-of-long-text
SELECT max(md5(repeat('a', 60000000) || value)) FROM generate_series(1, 1000)
-- sha512-of-long-text
SELECT max(encode(sha512(repeat('a', 60000000)), 'hex')) FROM generate_series(1, 100000)
-- sha512-of-rows
SELECT max(encode(sha512(CAST(value AS TEXT)), 'hex')) FROM generate_series(1, 1000000000)
-- digest-blake3
SELECT count(digest(repeat('a', 10000000) || value, 'blake3')) FROM generate_series(1, 100000)
-- strpos-worst-case
SELECT max(strpos(repeat('a', 1000000), repeat('a', 500000) || 'b')) FROM generate_series(1, 100000)
-- array_position
SELECT max(array_position(range(8000000), 7999999 + value)) FROM generate_series(1, 100000)
-- array_has_any
SELECT count(*) FROM generate_series(1, 1000) WHERE array_has_any(range(100000), range(200000, 300000 + value))
-- array_has_all
SELECT count(*) FROM generate_series(1, 1000) WHERE array_has_all(range(1000000), range(value))
-- array_intersect
SELECT sum(array_length(array_intersect(range(1000000), range(value)))) FROM generate_series(1, 100000)
-- array_remove_all
SELECT sum(array_length(array_remove_all(range(8000000), value))) FROM generate_series(1, 100000)
-- array_distance
SELECT sum(array_distance(range(8000000), range(8000000))) FROM generate_series(1, 10000)
-- array_sort
SELECT sum(array_length(array_sort(array_reverse(range(8000000))))) FROM generate_series(1, 1000)
-- array_max
SELECT sum(array_max(range(8000000))) FROM generate_series(1, 100000)
-- substr_index
SELECT max(substr_index(repeat('a,', 10000000) || value, ',', 9999999)) FROM generate_series(1, 10000)
-- find_in_set
SELECT max(find_in_set(CAST(value AS TEXT), repeat('a,', 1000000))) FROM generate_series(1, 1000000)
-- initcap
SELECT max(length(initcap(repeat('ab ', 10000000)))) FROM generate_series(1, 10000)
-- btrim
SELECT max(length(btrim(repeat('ab', 20000000), repeat('ba', 100000)))) FROM generate_series(1, 1000)
-- translate-long-set
SELECT max(length(translate(repeat('z', 1000000), repeat('a', 100000), repeat('b', 100000)))) FROM generate_series(1, 10000)
-- factorial
SELECT max(factorial(20)) + sum(gcd(value, 1836311903)) FROM generate_series(1, 1000000000)
-- power-sum
SELECT sum(power(CAST(value AS DOUBLE), 0.3)) FROM generate_series(1, 10000000000)
-- count-forever
SELECT count(*) FROM generate_series(1, 9223372036854775806)
-- filter-forever
SELECT value FROM generate_series(1, 9223372036854775806) WHERE value < 0
-- limit-never-reached
SELECT value FROM generate_series(1, 9223372036854775806) WHERE value % 1000000007 = 1000000006 LIMIT 100000
-- offset-forever
SELECT value FROM generate_series(1, 9223372036854775806) OFFSET 9000000000000000000
-- random-forever
SELECT max(random()) FROM generate_series(1, 10000000000)
-- uuid-forever
SELECT max(uuid()) FROM generate_series(1, 10000000000)
-- dates
SELECT max(date_trunc('month', TIMESTAMP '2020-01-01' + value * INTERVAL '1 second')) FROM generate_series(1, 1000000000)
-- to_char
SELECT max(to_char(TIMESTAMP '2020-01-01', '%Y-%m-%d %H:%M:%S') || value) FROM generate_series(1, 1000000000)
-- to_timestamp-formats
SELECT count(to_timestamp('x' || value, '%Y', '%m', '%d', '%H', '%M', '%S', '%Y', '%m', '%d', '%H', '%M', '%S')) FROM generate_series(1, 100000000)
-- cast-decimals
SELECT sum(CAST(value AS DECIMAL(38, 10)) / 7.0000001) FROM generate_series(1, 1000000000)
-- inequality-join-none
SELECT count(*) FROM generate_series(1, 1000000) a (x) JOIN generate_series(1, 1000000) b (y) ON x + y < 0
-- inequality-join-texts
SELECT count(*) FROM generate_series(1, 1000000) a (x) JOIN generate_series(1, 1000000) b (y) ON CAST(x AS TEXT) || y = 'none'
-- three-way-inequality
SELECT count(*) FROM generate_series(1, 100000) a (x) JOIN generate_series(1, 100000) b (y) ON x < y JOIN generate_series(1, 100000) c (z) ON y < z
-- range-join-left
SELECT count(*) FROM generate_series(1, 1000000) a (x) LEFT JOIN generate_series(1, 1000000) b (y) ON x > y AND x < y
-- exists-inequality
SELECT count(*) FROM generate_series(1, 1000000) a (x) WHERE EXISTS (SELECT 1 FROM generate_series(1, 1000000) b (y) WHERE x + y < 0)
-- scalar-subquery-slow
SELECT (SELECT count(*) FROM generate_series(1, 100000000000)) + value FROM generate_series(1, 10)
-- hash-join-same-keys
SELECT count(*) FROM (SELECT value % 3 k, value v FROM generate_series(1, 1000000)) a JOIN (SELECT value % 3 k, value v FROM generate_series(1, 1000000)) b ON a.k = b.k AND a.v + b.v < 0
-- window-quadratic
SELECT max(x) FROM (SELECT median(value) OVER (ORDER BY value ROWS BETWEEN 100000 PRECEDING AND CURRENT ROW) AS x FROM generate_series(1, 1000000))
-- window-distinct
SELECT max(x) FROM (SELECT count(DISTINCT value) OVER (ORDER BY value ROWS BETWEEN 10000 PRECEDING AND 10000 FOLLOWING) AS x FROM generate_series(1, 1000000))
-- window-range
SELECT max(x) FROM (SELECT max(md5(CAST(value AS TEXT))) OVER (ORDER BY value RANGE BETWEEN 100000 PRECEDING AND 100000 FOLLOWING) AS x FROM generate_series(1, 1000000))
-- union-of-forever
SELECT count(*) FROM (SELECT value FROM generate_series(1, 10000000000) UNION ALL SELECT value FROM generate_series(1, 10000000000) UNION ALL SELECT value FROM generate_series(1, 10000000000))
-- case-cascade
SELECT sum(CASE WHEN value % 2 = 0 THEN levenshtein(repeat('a', 1000), repeat('b', 1000)) WHEN value % 3 = 0 THEN levenshtein(repeat('a', 1001), repeat('b', 1000)) ELSE 0 END) FROM generate_series(1, 10000000)
-- pow-of-lists
SELECT sum(array_length(array_repeat(range(100), 10000))) FROM generate_series(1, 1000000)
-- string-compare
SELECT count(*) FROM (SELECT repeat('a', 10000000) || value x FROM generate_series(1, 20)) a, (SELECT repeat('a', 10000000) || value x FROM generate_series(1, 20)) b WHERE a.x < b.x
-- images-levenshtein
SELECT max(levenshtein(a.description || repeat(b.name, 1000), c.description || repeat(d.name, 1000))) FROM images a, images b, images c, images d
-- images-five-times
SELECT count(*) FROM images a, images b, images c, images d, images e
