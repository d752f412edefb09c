"""Published question sets about ScanNet's scans, to measure a student on: ScanQA, SQA3D and VSI-Bench."""
