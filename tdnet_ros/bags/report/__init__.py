"""What labelled bags look like: numbers, plots and pictures in one HTML file, and as JSON."""
