"""Exports: tables and recipes."""
