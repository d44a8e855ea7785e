"""Networks in darknet's file format (torch)."""
