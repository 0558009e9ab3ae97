"""The revisions of the schema, numbered with four digits."""
