"""vtrial: virtual trials of HER2 antibody-drug conjugates, calibrated to published summaries. For research only."""

__version__ = "0.1.0"
