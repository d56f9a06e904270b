"""What labelled bags look like: numbers, plots and pictures in one HTML file, and as JSON."""
from tdnet_ros.bags.report.writing import write_report as write_report
