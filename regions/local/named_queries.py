"""The SQL of `regions/local`, by name."""

from service_kit.named_sql import load_queries

QUERIES = load_queries("regions.local")
