"""The asset graph, one module a stage, in the order data flows."""
