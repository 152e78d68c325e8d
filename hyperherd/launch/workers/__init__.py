"""Workers: processes that claim a sweep's waiting trials one after another, and fork each from an imported script."""
