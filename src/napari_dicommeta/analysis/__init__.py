"""Analyses of value counts: histograms, comparisons, audits, window presets."""
