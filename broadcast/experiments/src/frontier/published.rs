//! What others have published about challenges 3d and 3e, measured by Maelstrom
//! with 25 nodes, a latency of 100 ms and 100 operations a second; and, where it
//! came out lower, what the best of their programs took when it was run again.

use super::Figures;

const fn figures(messages: f64, median: f64, max: f64) -> Figures {
    Figures { messages, median, max }
}

/// Messages between servers an operation, median and maximum of the stable
/// latency in ms.
pub(super) const PUBLISHED: &[Figures] = &[
    figures(1.74, 752.0, 1100.0),
    figures(1.92, 764.0, 1087.0),
    figures(1.99, 339.0, 678.0),
    figures(2.0, 462.0, 1037.0),
    figures(2.99, 895.0, 1129.0),
    figures(3.39, 738.0, 993.0),
    figures(5.0, 521.0, 755.0),
    figures(5.88, 239.0, 378.0),
    figures(8.31, 230.0, 397.0),
    figures(12.2, 290.0, 399.0),
    figures(13.2, 345.0, 411.0),
    figures(14.7, 78.0, 102.0),
    figures(14.7, 195.0, 281.0),
    figures(23.0, 176.0, 205.0),
];
