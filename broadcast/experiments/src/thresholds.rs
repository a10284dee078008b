//! What a measured figure must not exceed.

use std::fmt::Write as _;

/// A figure and its bound.
pub struct Threshold {
    /// What was measured.
    pub what: String,
    /// The figure.
    pub found: f64,
    /// The most that it may be.
    pub most: f64,
}

impl Threshold {
    /// What was measured, the figure, and its bound.
    pub fn new(what: impl Into<String>, found: f64, most: f64) -> Self {
        Self { what: what.into(), found, most }
    }

    /// Whether the figure is within its bound.
    pub fn is_kept(&self) -> bool {
        self.found <= self.most
    }
}

/// The highest figure; none if one of them is none.
pub fn worst(figures: impl IntoIterator<Item = f64>) -> f64 {
    let higher = |a: f64, b: f64| if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) };
    figures.into_iter().reduce(higher).unwrap_or(f64::NAN)
}

/// One line each.
pub fn render(thresholds: &[Threshold]) -> String {
    let mut text = String::new();
    for threshold in thresholds {
        let verdict = if threshold.is_kept() { "kept" } else { "BROKEN" };
        let Threshold { what, found, most } = threshold;
        let _ = writeln!(text, "{what:<40} {found:>8.2} <= {most:>7.2}  {verdict}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_kept_up_to_its_bound_and_no_figure_is_none() {
        let threshold = |found| Threshold::new("", found, 4.0);
        assert!(threshold(4.0).is_kept());
        assert!(!threshold(4.1).is_kept() && !threshold(f64::NAN).is_kept());
        assert!(
            !threshold(worst([1.0, f64::NAN, 2.0])).is_kept() && !threshold(worst([])).is_kept()
        );
        assert_eq!(worst([1.0, 3.0, 2.0]), 3.0);
    }
}
