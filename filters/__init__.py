"""Filters: each returns the reason to reject a record, or None. The table in run order is FILTERS."""
