"""Descriptions of providers as data: endpoints, paging, cursors, columns."""
