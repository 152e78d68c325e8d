"""What lies on the disk, read and checked; nothing here knows a Trial."""
