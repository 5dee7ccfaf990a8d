"""What counts alone say: histograms, comparisons, audits, presets."""
