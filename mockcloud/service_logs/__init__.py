"""The services' own logs, as files in oslo.log's default format: what an operator of a real cloud would read."""
