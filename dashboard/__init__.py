"""What people see: pages, charts, reports."""
