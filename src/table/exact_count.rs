//! A metric that EXPLAIN ANALYZE shows as an exact number: DataFusion shortens its counts to `3.00 K`.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::physical_plan::metrics::{CustomMetricValue, Metric, MetricValue};

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct ExactCount(AtomicU64);

impl ExactCount {
    /// A metric with this name and number.
    pub(super) fn metric(name: &'static str, number: u64) -> Arc<Metric> {
        let value = Arc::new(Self(AtomicU64::new(number)));
        Arc::new(Metric::new(MetricValue::Custom { name: name.into(), value }, None))
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl fmt::Display for ExactCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl CustomMetricValue for ExactCount {
    fn new_empty(&self) -> Arc<dyn CustomMetricValue> {
        Arc::new(Self::default())
    }

    fn aggregate(&self, other: Arc<dyn CustomMetricValue>) {
        let other = other.as_any().downcast_ref::<Self>().map_or(0, Self::get);
        self.0.fetch_add(other, Ordering::Relaxed);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_usize(&self) -> usize {
        usize::try_from(self.get()).unwrap_or(usize::MAX)
    }

    fn is_eq(&self, other: &Arc<dyn CustomMetricValue>) -> bool {
        other.as_any().downcast_ref::<Self>().is_some_and(|other| other.get() == self.get())
    }
}
