//! Tests with fixed and random rows, rules and sizes.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, Int64Array};
use arrow::datatypes::Int64Type;
use proptest::prelude::*;

use super::*;
use crate::resource::Value;

/// Rows with these images as their keys, and as their only column.
fn keyed(images: &[Option<i64>]) -> Keyed {
    let key = |image: &Option<i64>| image.map(|image| Binding::default().with("image_id", Value::Int(image)));
    Keyed::new(column(images.to_vec()), vec![images.iter().map(key).collect()])
}

fn column(values: Vec<Option<i64>>) -> RecordBatch {
    RecordBatch::try_from_iter([("image", Arc::new(Int64Array::from(values)) as _)]).unwrap()
}

fn images(rows: &RecordBatch) -> Vec<Option<i64>> {
    rows.column(0).as_primitive::<Int64Type>().iter().collect()
}

#[test]
fn a_chunk_takes_rows_until_one_has_one_key_too_many() {
    let mut chunk = Chunk::default();
    let rows = keyed(&[Some(1), None, Some(2), Some(1), None, Some(3), Some(1)]);

    let rest = chunk.add(rows, Some("id"), 2, 100).unwrap();

    assert_eq!((chunk.lists.len(), chunk.number_of_rows), (2, 5), "rows with a known key or without one are added");
    assert_eq!(images(&rest.rows), [Some(3), Some(1)]);
    assert!(Chunk::default().add(keyed(&[Some(1), Some(2)]), Some("id"), 2, 100).is_none());
}

#[test]
fn a_chunk_has_a_maximum_number_of_rows() {
    let mut chunk = Chunk::default();

    let rest = chunk.add(keyed(&[Some(1); 5]), Some("id"), 2, 3).unwrap();

    assert_eq!((chunk.number_of_rows, rest.rows.num_rows()), (3, 2));
}

#[test]
fn rows_of_one_list_are_one_key_of_a_chunk() {
    let pair = |id| Some(Binding::default().with("image_id", Value::Int(1)).with("id", Value::Int(id)));
    let mut rows = keyed(&[Some(1); 3]);
    rows.keys = vec![vec![pair(7), pair(8), pair(9)]];
    let mut chunk = Chunk::default();

    assert!(chunk.add(rows, Some("id"), 1, 100).is_none());
    assert_eq!((chunk.lists.len(), chunk.keys[0].len()), (1, 3));
}

#[test]
fn gathered_rows_are_sorted_by_key_and_those_without_a_key_are_first() {
    let (one, other) = (keyed(&[Some(2), None, Some(1)]), keyed(&[Some(1), None, Some(3)]));

    let all = Keyed::by_key(vec![one, other]).unwrap();
    let mut chunk = Chunk::default();
    let rest = chunk.add(keyed(&images(&all.rows)), Some("id"), 1, usize::MAX).unwrap();

    assert_eq!(images(&all.rows), [None, None, Some(1), Some(1), Some(2), Some(3)]);
    assert_eq!((chunk.number_of_rows, rest.rows.num_rows()), (4, 2), "rows that match the same row are in one chunk");
}

#[test]
fn under_a_limit_chunks_have_4_keys_then_8_then_16() {
    let keys: Vec<_> = (0..60).map(Some).collect();
    let sizes = |small_first| {
        let mut packing = Packing::new(Rule::InTurn, Some("id".into()), small_first);
        packing.push(keyed(&keys)).unwrap();
        std::iter::from_fn(|| packing.rest()).map(|chunk| chunk.number_of_lists()).collect::<Vec<_>>()
    };

    assert_eq!(sizes(true), [4, 8, 16, 16, 16]);
    assert_eq!(sizes(false), [16, 16, 16, 12]);
}

#[test]
fn the_first_rows_are_in_the_first_chunk_even_if_more_arrive_before_it_is_taken() {
    let mut packing = Packing::new(Rule::InTurn, Some("id".into()), true);
    for first in [0, 3, 6] {
        packing.push(keyed(&[Some(first), Some(first + 1), Some(first + 2)])).unwrap();
    }

    let of = |chunk: Chunk| chunk.rows.iter().flat_map(images).flatten().collect::<Vec<_>>();

    assert_eq!(packing.full().map(of), Some(vec![0, 1, 2, 3]));
    assert_eq!(packing.full().map(of), None, "the chunk may have 8 keys, and there are 5");
    assert_eq!(packing.rest().map(of), Some(vec![4, 5, 6, 7, 8]));
    assert_eq!(packing.rest().map(of), None);
}

#[test]
fn the_memory_of_gathered_rows_is_counted_until_they_are_in_chunks() {
    let rows = || keyed(&[None, Some(1), Some(2), None]);
    let held = |rule| {
        let mut packing = Packing::new(rule, Some("id".into()), false);
        let held = [(); 3].map(|()| {
            packing.push(rows()).unwrap();
            while packing.rest().is_some() {}
            packing.held_bytes()
        });
        packing.end().unwrap();
        let at_the_end = packing.held_bytes();
        while packing.rest().is_some() {}
        (held, at_the_end, packing.held_bytes())
    };

    assert_eq!(held(Rule::InTurn), ([0; 3], 0, 0));
    for rule in [Rule::OneForEachKey(0), Rule::Together] {
        let ([one, two, three], at_the_end, afterwards) = held(rule);
        assert!(0 < one && one < two && two < three && at_the_end > 0, "{rule:?}: {one} {two} {three} {at_the_end}");
        assert_eq!(afterwards, 0, "{rule:?}");
    }
}

/// A row of the driving side: an image and an id of the first target, and the key of a second target.
type Row = (Option<i64>, i64, Option<i64>);

/// A driving side, and how it is packed.
#[derive(Clone, Debug)]
struct Case {
    rule: Rule,
    small_first: bool,
    /// Maximum number of rows in a chunk, for [`Rule::InTurn`].
    most_rows: usize,
    /// The batches, and which chunks are taken after each.
    batches: Vec<(Vec<Row>, Taken)>,
}

#[derive(Clone, Copy, Debug)]
enum Taken {
    /// None: there is no room for more.
    Nothing,
    /// The full ones.
    Full,
    /// The rest as well: the driving side has no rows ready.
    All,
}

/// The result of packing a case.
struct Packed {
    /// The numbers of the rows of each chunk, and the chunk.
    chunks: Vec<(Vec<usize>, Chunk)>,
    /// The number of chunks when the driving side ended.
    before_the_end: usize,
    rows: Vec<[Option<Binding>; 2]>,
}

fn cases() -> impl Strategy<Value = Case> {
    let rule =
        prop_oneof![Just(Rule::InTurn), (0_usize..2).prop_map(Rule::OneForEachKey), Just(Rule::Together)].boxed();
    let row = (prop::option::weighted(0.8, 0_i64..24), 0_i64..3, prop::option::weighted(0.8, 0_i64..6));
    let taken = prop_oneof![Just(Taken::Nothing), Just(Taken::Full), Just(Taken::All)];
    let batches = prop::collection::vec((prop::collection::vec(row, 0..40), taken), 0..5);
    (rule, any::<bool>(), 1_usize..50, batches).prop_map(|(rule, small_first, most_rows, batches)| Case {
        rule,
        small_first,
        most_rows,
        batches,
    })
}

fn keys_of((image, id, other): Row) -> [Option<Binding>; 2] {
    let first = |image| Binding::default().with("image_id", Value::Int(image)).with("id", Value::Int(id));
    [image.map(first), other.map(|other| Binding::default().with("image_id", Value::Int(other)))]
}

/// Packs the rows of a case. The only column has the number of the row.
fn packed(case: &Case) -> Packed {
    let mut packing = Packing::new(case.rule, Some("id".into()), case.small_first);
    if case.rule == Rule::InTurn {
        packing.most_rows = case.most_rows;
    }
    let (mut rows, mut chunks) = (Vec::new(), Vec::new());
    for (batch, taken) in &case.batches {
        let numbers = (rows.len()..rows.len() + batch.len()).map(|number| Some(number as i64)).collect();
        let keys: Vec<_> = batch.iter().map(|row| keys_of(*row)).collect();
        let by_target = (0..2).map(|at| keys.iter().map(|keys| keys[at].clone()).collect()).collect();
        packing.push(Keyed::new(column(numbers), by_target)).unwrap();
        rows.extend(keys);
        chunks.extend(std::iter::from_fn(|| match taken {
            Taken::Nothing => None,
            Taken::Full => packing.full(),
            Taken::All => packing.rest(),
        }));
    }
    let before_the_end = chunks.len();
    packing.end().unwrap();
    chunks.extend(std::iter::from_fn(|| packing.rest()));
    assert!(packing.is_empty() && packing.held_bytes() == 0);
    let numbered = |chunk: Chunk| {
        let numbers = chunk.rows.iter().flat_map(images).map(|number| number.unwrap() as usize);
        (numbers.collect(), chunk)
    };
    Packed { chunks: chunks.into_iter().map(numbered).collect(), before_the_end, rows }
}

impl Packed {
    fn numbers(&self) -> Vec<usize> {
        self.chunks.iter().flat_map(|(numbers, _)| numbers.clone()).collect()
    }

    /// For each key, the chunks that have rows with it.
    fn chunks_of<K: Ord>(&self, key: impl Fn(usize) -> Option<K>) -> BTreeMap<K, Vec<usize>> {
        let mut chunks: BTreeMap<K, Vec<usize>> = BTreeMap::new();
        for (at, (numbers, _)) in self.chunks.iter().enumerate() {
            for key in numbers.iter().filter_map(|number| key(*number)) {
                chunks.entry(key).or_default().push(at);
            }
        }
        chunks
    }
}

proptest! {
    #[test]
    fn every_row_is_in_one_chunk_with_in_turn_and_together(case in cases()) {
        let packed = packed(&case);
        let (mut numbers, all) = (packed.numbers(), (0..packed.rows.len()).collect::<Vec<_>>());
        match case.rule {
            Rule::InTurn => prop_assert_eq!(numbers, all),
            Rule::Together => {
                numbers.sort_unstable();
                prop_assert_eq!(numbers, all);
                prop_assert_eq!(packed.before_the_end, 0);
            }
            Rule::OneForEachKey(_) => {}
        }
    }

    #[test]
    fn one_row_of_each_key_is_packed_and_then_all_rows_without_a_key(case in cases(), target in 0_usize..2) {
        let packed = packed(&Case { rule: Rule::OneForEachKey(target), ..case });
        let key = |number: usize| packed.rows[number][target].clone();

        let keys: BTreeMap<_, _> = (0..packed.rows.len()).filter_map(|number| Some((key(number)?, 1))).collect();
        let chunks: BTreeMap<_, _> =
            packed.chunks_of(key).into_iter().map(|(key, chunks)| (key, chunks.len())).collect();
        prop_assert_eq!(chunks, keys);

        let numbers = packed.numbers();
        let first = numbers.iter().position(|number| key(*number).is_none()).unwrap_or(numbers.len());
        let mut without = numbers[first..].to_vec();
        without.sort_unstable();
        let all: Vec<usize> = (0..packed.rows.len()).filter(|number| key(*number).is_none()).collect();
        prop_assert_eq!(without, all);
        let early: usize = packed.chunks[..packed.before_the_end].iter().map(|(numbers, _)| numbers.len()).sum();
        prop_assert!(early <= first, "a row without a key was packed before the end");
    }

    #[test]
    fn the_rows_of_one_key_are_in_one_chunk_with_together(case in cases()) {
        let packed = packed(&Case { rule: Rule::Together, ..case });

        for chunks in packed.chunks_of(|number| Some(packed.rows[number].clone())).values() {
            prop_assert!(chunks.iter().all(|at| *at == chunks[0]), "chunks {chunks:?}");
        }
    }

    #[test]
    fn no_chunk_exceeds_its_size_or_is_empty(case in cases()) {
        let packed = packed(&case);
        let sizes = if case.small_first { [4, 8, 16] } else { [16; 3] };

        for (at, (numbers, chunk)) in packed.chunks.iter().enumerate() {
            let images: HashSet<_> = numbers.iter().filter_map(|number| packed.rows[*number][0].clone()).collect();
            let images: HashSet<_> = images.iter().map(|key| key.without("id")).collect();
            prop_assert_eq!(images.len(), chunk.number_of_lists());
            prop_assert!(images.len() <= sizes[at.min(2)], "chunk {at} has {}", images.len());
            prop_assert!(!numbers.is_empty());
            if case.rule == Rule::InTurn {
                prop_assert!(numbers.len() <= case.most_rows);
            }
        }
    }

    #[test]
    fn a_chunk_has_exactly_the_keys_of_its_rows(case in cases()) {
        let packed = packed(&case);

        for (numbers, chunk) in &packed.chunks {
            for (target, keys) in chunk.keys.iter().enumerate() {
                let of_rows: HashSet<_> =
                    numbers.iter().filter_map(|number| packed.rows[*number][target].clone()).collect();
                prop_assert_eq!(&of_rows, keys);
            }
        }
    }
}
