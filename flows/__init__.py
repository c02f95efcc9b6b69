"""Prefect flows (thin) and the gradatim command."""
