"""Change events to search documents: keeps a region's Elasticsearch index true to its PostgreSQL reader."""
