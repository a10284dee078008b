//! Quantiles: exact ones of a sorted list, and close ones of a stream.

/// The value at quantile `point`, from 0 to 1, of an ascending list, as Jepsen
/// takes it: the one at rank ⌊n · point⌋. `None` if the list is empty.
pub fn nearest_rank<T: Copy>(sorted: &[T], point: f64) -> Option<T> {
    let rank = rank(sorted.len() as u64, point)?;
    sorted.get(rank as usize).copied()
}

fn rank(count: u64, point: f64) -> Option<u64> {
    let last = count.checked_sub(1)?;
    Some(((count as f64 * point) as u64).min(last))
}

/// Values of one power of two are told apart by this many further bits.
const PRECISION: u32 = 7;

/// How many times each value occurred, to a precision of one part in 128, in
/// memory that does not depend on how many there are.
///
/// Values below 128 have a bucket each; above that each power of two has 128
/// buckets of equal width (the layout of HdrHistogram).
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    sum: u128,
    max: u64,
}

impl Histogram {
    pub(crate) fn record(&mut self, value: u64) {
        let bucket = bucket_of(value);
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.sum += u128::from(value);
        self.max = self.max.max(value);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The exact mean. `None` if nothing was recorded.
    pub(crate) fn mean(&self) -> Option<u64> {
        self.sum.checked_div(u128::from(self.count)).and_then(|mean| u64::try_from(mean).ok())
    }

    /// The value at quantile `point`: the upper end of its bucket; the greatest
    /// value is exact. `None` if nothing was recorded.
    pub(crate) fn quantile(&self, point: f64) -> Option<u64> {
        let rank = rank(self.count, point)?;
        let mut below = 0;
        let holds_rank = |count: &u64| {
            below += count;
            below > rank
        };
        let bucket = self.buckets.iter().position(holds_rank)?;
        if rank + 1 == self.count { Some(self.max) } else { Some(upper_end(bucket).min(self.max)) }
    }
}

fn bucket_of(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(PRECISION + 1);
    ((u64::from(shift) << PRECISION) + (value >> shift)) as usize
}

fn upper_end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket >> PRECISION).saturating_sub(1);
    let mantissa = bucket - (shift << PRECISION);
    (mantissa << shift) + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_jepsen() {
        assert_eq!(nearest_rank::<u64>(&[], 0.5), None);
        assert_eq!(nearest_rank(&[1, 2], 0.5), Some(2));
        assert_eq!(nearest_rank(&[1, 2, 3, 4], 0.0), Some(1));
        assert_eq!(nearest_rank(&[1, 2, 3, 4], 1.0), Some(4));
    }

    #[test]
    fn a_bucket_holds_its_value_within_one_part_in_128() {
        for value in (0..5000).chain((0..57).map(|bit| (1 << bit) + (1 << (bit / 2)))) {
            let end = upper_end(bucket_of(value));
            assert!(end >= value && end - value <= value / 128, "{value} came back as {end}");
        }
        assert_eq!(upper_end(bucket_of(u64::MAX)), u64::MAX);
    }

    #[test]
    fn a_histogram_agrees_with_the_sorted_list() {
        let values: Vec<u64> = (1..=1000).map(|n| n * n).collect();
        let mut histogram = Histogram::default();
        values.iter().for_each(|value| histogram.record(*value));
        for point in [0.0, 0.5, 0.95, 0.99, 1.0] {
            let (exact, close) =
                (nearest_rank(&values, point).unwrap(), histogram.quantile(point).unwrap());
            assert!(close >= exact && close - exact <= exact / 128, "{point}: {exact} {close}");
        }
        assert_eq!(histogram.quantile(1.0), Some(1_000_000));
        assert_eq!(Histogram::default().quantile(0.5), None);
    }
}
