"""Rows and columns of trials as data: columns, formats, exports, SQL."""
