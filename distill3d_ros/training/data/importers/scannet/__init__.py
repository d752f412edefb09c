"""ScanNet: scans, instances and labels."""
