"""What a posterior is put to: calibration to simulated data."""
